//! Decryption, in the order that the specification's "Format parsing procedure" sets: envelope, record, FMK, verified header, CEK, payload.
//!
//! Each step is a type that only the step before can make.

use core::fmt;

use crate::derive::HeaderMac;
use crate::holder::{KeyHolder, Released};
use crate::key::{Cek, Fmk, KEY_LEN, Kek};
#[cfg(feature = "payload")]
use crate::payload::{Authenticator, Decryptor, NONCE_LEN};
use crate::wire::capsule::PayloadEncryptionMethod;
use crate::wire::envelope::Envelope;
use crate::wire::header::RecipientRecord;
use crate::{Error, Feature, derive};

/// An envelope with an FMK that may or may not be its own.
#[derive(Debug)]
pub struct Unverified<'b> {
    envelope: Envelope<'b>,
    fmk: Fmk,
}

impl<'b> Unverified<'b> {
    /// Decrypts the FMK of `record`, a record of `envelope`, with `kek`.
    ///
    /// # Errors
    /// - [`Error::Unsupported`]: payload or FMK encrypted by an unknown method.
    /// - [`Error::Malformed`]: the encrypted FMK is not 32 octets long.
    pub fn new(envelope: Envelope<'b>, record: &RecipientRecord<'_>, kek: &Kek) -> Result<Self, Error> {
        usable(&envelope, record)?;
        Ok(Self { envelope, fmk: kek.decrypt_fmk(record.xored_fmk()?) })
    }

    /// Checks the MAC of the header: the only way from an FMK to a CEK. Specification: "Header authentication code".
    ///
    /// # Errors
    /// [`Error::Rejected`]: wrong KEK or altered header. The two look alike by design.
    pub fn verify(self) -> Result<Verified<'b>, Error> {
        let header = self.envelope.header().octets();
        derive::hhk(&self.fmk)?.verify(header, self.envelope.header_mac())?;
        Ok(Verified { envelope: self.envelope, cek: derive::cek(&self.fmk)? })
    }
}

/// [`Unverified`] for whoever cannot hold a whole header: a card to which it is streamed, in chunks of any length.
pub struct UnverifiedStream {
    fmk: Fmk,
    computed: HeaderMac,
    header_mac: [u8; KEY_LEN],
}

impl UnverifiedStream {
    /// Decrypts `encrypted_fmk` with `kek`, to check the header against `header_mac`.
    ///
    /// # Errors
    /// None in practice: the keys have the lengths that HKDF and HMAC take.
    pub fn new(kek: &Kek, encrypted_fmk: &[u8; KEY_LEN], header_mac: [u8; KEY_LEN]) -> Result<Self, Error> {
        let fmk = kek.decrypt_fmk(encrypted_fmk);
        let computed = derive::hhk(&fmk)?.stream()?;
        Ok(Self { fmk, computed, header_mac })
    }

    /// Takes the next octets of the header.
    pub fn update(&mut self, header: &[u8]) {
        self.computed.update(header);
    }

    /// Checks the MAC of all the octets taken: as [`Unverified::verify`], the only way from an FMK to a CEK.
    ///
    /// # Errors
    /// [`Error::Rejected`]: wrong KEK or altered header. The two look alike by design.
    pub fn verify(self) -> Result<Cek, Error> {
        self.computed.verify(&self.header_mac)?;
        derive::cek(&self.fmk)
    }
}

impl fmt::Debug for UnverifiedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedStream").finish_non_exhaustive()
    }
}

/// An envelope whose header is authentic, and the key of its payload.
pub struct Verified<'b> {
    envelope: Envelope<'b>,
    cek: Cek,
}

impl<'b> Verified<'b> {
    /// The authentic envelope.
    #[must_use]
    pub fn envelope(&self) -> Envelope<'b> {
        self.envelope
    }

    /// The key of the payload.
    #[must_use]
    pub fn cek(&self) -> &Cek {
        &self.cek
    }

    /// Checks the payload that begins with `nonce` without decrypting it.
    ///
    /// # Errors
    /// None in practice: the header is too short to exceed a limit.
    #[cfg(feature = "payload")]
    pub fn authenticator(&self, nonce: &[u8; NONCE_LEN]) -> Result<Authenticator, Error> {
        Authenticator::new(&self.cek, nonce, self.envelope.header().octets(), self.envelope.header_mac())
    }

    /// Decrypts the payload that begins with `nonce`.
    ///
    /// # Errors
    /// None in practice: the header is too short to exceed a limit.
    #[cfg(feature = "payload")]
    pub fn decryptor(&self, nonce: &[u8; NONCE_LEN]) -> Result<Decryptor, Error> {
        Decryptor::new(&self.cek, nonce, self.envelope.header().octets(), self.envelope.header_mac())
    }
}

impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}

/// The whole way from a record to the key of the payload.
///
/// What can be refused without using the secret is refused first.
///
/// # Errors
/// Those of [`Unverified::new`], of [`KeyHolder::release`] and of [`Unverified::verify`].
pub fn unlock<'b, H: KeyHolder>(
    envelope: Envelope<'b>,
    record: &RecipientRecord<'_>,
    holder: &mut H,
) -> Result<Verified<'b>, H::Error> {
    usable(&envelope, record)?;
    match holder.release(&envelope, record)? {
        Released::Kek(kek) => Ok(Unverified::new(envelope, record, &kek)?.verify()?),
        // Should a holder lie, the payload's tag still covers the header.
        Released::Cek(cek) => Ok(Verified { envelope, cek }),
    }
}

fn usable(envelope: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<(), Error> {
    match envelope.header().payload_encryption_method() {
        PayloadEncryptionMethod::ChaCha20Poly1305 => record.xored_fmk().map(|_| ()),
        PayloadEncryptionMethod::Unknown(_) => Err(Error::Unsupported(Feature::PayloadEncryptionMethod)),
    }
}
