//! Symmetric keys and passwords as key holders. They are lent by the caller, who wipes them.

use core::fmt;

use crate::holder::{Fit, KeyHolder, Released};
use crate::key::Kek;
use crate::wire::capsule::Capsule;
use crate::wire::envelope::Envelope;
use crate::wire::header::RecipientRecord;
use crate::{Error, Feature, derive};

/// A pre-shared symmetric key (scheme SC.05). 32 octets by the specification; any length is taken when reading.
pub struct SymmetricKey<'k>(&'k [u8]);

impl<'k> SymmetricKey<'k> {
    /// Borrows the key's octets.
    #[must_use]
    pub fn new(octets: &'k [u8]) -> Self {
        Self(octets)
    }

    /// The KEK of `record`.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: the record is of another kind.
    pub fn kek(&self, record: &RecipientRecord<'_>) -> Result<Kek, Error> {
        let Capsule::SymmetricKey(capsule) = record.capsule else {
            return Err(Error::Unsupported(Feature::Capsule));
        };
        derive::kek_from_symmetric_key(self.0, capsule.salt, record.key_label.octets())
    }
}

impl fmt::Debug for SymmetricKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey(..)")
    }
}

impl KeyHolder for SymmetricKey<'_> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        if matches!(record.capsule, Capsule::SymmetricKey(_)) { Fit::Perhaps } else { Fit::No }
    }

    fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        self.kek(record).map(Released::Kek)
    }
}

#[cfg(feature = "pbkdf2")]
pub use password::{DEFAULT_MAX_KDF_ITERATIONS, Password};

#[cfg(feature = "pbkdf2")]
mod password {
    use core::fmt;
    use core::num::NonZeroU32;

    use crate::holder::{Fit, KeyHolder, Released};
    use crate::key::Kek;
    use crate::wire::capsule::{Capsule, KdfAlgorithmIdentifier};
    use crate::wire::envelope::Envelope;
    use crate::wire::header::RecipientRecord;
    use crate::{Error, Feature, Field, Limit, derive};

    /// Most PBKDF2 iterations that are run unless the caller says otherwise: the number that the specification's appendix on the security
    /// level discusses. Some seconds on a host; a card wants a lower one.
    pub const DEFAULT_MAX_KDF_ITERATIONS: u32 = 10_000_000;

    /// A password (scheme SC.06), UTF-8 as it was typed.
    pub struct Password<'p> {
        octets: &'p [u8],
        max_iterations: u32,
    }

    impl<'p> Password<'p> {
        /// Borrows the password, with the default bound on iterations.
        #[must_use]
        pub fn new(octets: &'p [u8]) -> Self {
            Self { octets, max_iterations: DEFAULT_MAX_KDF_ITERATIONS }
        }

        /// The same password with another bound: a container may ask for 2^31 - 1 iterations, hours of work.
        #[must_use]
        pub fn with_max_iterations(self, max_iterations: u32) -> Self {
            Self { max_iterations, ..self }
        }

        /// The KEK of `record`.
        ///
        /// # Errors
        /// [`Error::Unsupported`]: the record or its KDF is of another kind; [`Error::Malformed`]; [`Error::LimitExceeded`]: more hashing than allowed.
        pub fn kek(&self, record: &RecipientRecord<'_>) -> Result<Kek, Error> {
            let Capsule::Pbkdf2(capsule) = record.capsule else {
                return Err(Error::Unsupported(Feature::Capsule));
            };
            if capsule.kdf_algorithm_identifier != KdfAlgorithmIdentifier::Pbkdf2WithHmacSha256 {
                return Err(Error::Unsupported(Feature::Kdf));
            }
            // libcdoc takes a password for the key itself when the count is not positive. Nobody must.
            let asked = u32::try_from(capsule.kdf_iterations).ok().and_then(NonZeroU32::new);
            let iterations = asked.ok_or(Error::Malformed(Field::KdfIterations))?;
            if iterations.get() > self.max_iterations {
                let limit = Limit::KdfIterations { asked: iterations.get(), limit: self.max_iterations };
                return Err(Error::LimitExceeded(limit));
            }
            if capsule.password_salt.is_empty() {
                return Err(Error::Malformed(Field::PasswordSalt));
            }
            derive::kek_from_password(self.octets, capsule.password_salt, iterations, capsule.salt, record.key_label.octets())
        }
    }

    impl fmt::Debug for Password<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Password(..)")
        }
    }

    impl KeyHolder for Password<'_> {
        type Error = Error;

        fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
            if matches!(record.capsule, Capsule::Pbkdf2(_)) { Fit::Perhaps } else { Fit::No }
        }

        fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
            self.kek(record).map(Released::Kek)
        }
    }
}
