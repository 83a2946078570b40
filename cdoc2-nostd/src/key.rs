//! Keys: one type a role, wiped when dropped.
//!
//! None of them can be copied, compared or shown. Octets leave a key by [`expose`](Kek::expose) alone, so that every such place is
//! found by that word. A key is filled in place: each move of a value may leave a copy behind that nobody wipes.

use core::fmt;

use rand_core::TryCryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Curve, Error, Field, derive};

/// Octets of the FMK, CEK, HHK, KEK and of a key share.
pub const KEY_LEN: usize = 32;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; KEY_LEN]);

        impl $name {
            /// An all-zero key for `fill` to overwrite in place.
            #[allow(dead_code, reason = "not every role is filled in this way")]
            pub(crate) fn try_fill<E>(fill: impl FnOnce(&mut [u8; KEY_LEN]) -> Result<(), E>) -> Result<Self, E> {
                let mut key = Self([0; KEY_LEN]);
                fill(&mut key.0)?;
                Ok(key)
            }

            /// As `try_fill`, where nothing can fail.
            #[allow(dead_code, reason = "not every role is filled in this way")]
            pub(crate) fn filled(fill: impl FnOnce(&mut [u8; KEY_LEN])) -> Self {
                let mut key = Self([0; KEY_LEN]);
                fill(&mut key.0);
                key
            }

            /// The octets, for a primitive that takes them. Whoever calls this answers for what becomes of them.
            #[must_use]
            pub fn expose(&self) -> &[u8; KEY_LEN] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

key! {
    /// File master key: what every recipient of a container obtains, and what every other key of it comes from.
    Fmk
}
key! {
    /// Content encryption key: encrypts the payload. Comes from a verified header only ([`crate::decrypt::Verified`]) or from
    /// sealing one ([`crate::encrypt::Sealed`]).
    Cek
}
key! {
    /// Header HMAC key: authenticates the header.
    Hhk
}
key! {
    /// Key encryption key: encrypts the FMK for one recipient.
    Kek
}
key! {
    /// One of the n shares that a KEK is split into.
    KeyShare
}

impl Fmk {
    /// `FMK <- Extract("CDOC20salt", random)` with 32 random octets. Specification: "Key derivation".
    ///
    /// # Errors
    /// [`Error::Random`]: the generator failed.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        let mut random = [0; KEY_LEN];
        let filled = rng.try_fill_bytes(&mut random).map_err(|_| Error::Random);
        let fmk = derive::fmk(&random);
        random.zeroize();
        filled.map(|()| fmk)
    }
}

impl Kek {
    /// A random KEK, for a recipient to whom the KEK itself is sent encrypted (`RSAPublicKeyCapsule`).
    ///
    /// # Errors
    /// [`Error::Random`]: the generator failed.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        Self::try_fill(|octets| rng.try_fill_bytes(octets).map_err(|_| Error::Random))
    }

    /// The KEK that a key holder decrypted: `fill` writes it in place. `RSAPublicKeyCapsule` has no further derivation.
    ///
    /// # Errors
    /// Whatever `fill` answers.
    pub fn decrypted<E>(fill: impl FnOnce(&mut [u8; KEY_LEN]) -> Result<(), E>) -> Result<Self, E> {
        Self::try_fill(fill)
    }

    /// `encrypted_fmk = FMK xor KEK`. Specification: "FMK encryption and decryption".
    #[must_use]
    pub fn encrypt_fmk(&self, fmk: &Fmk) -> [u8; KEY_LEN] {
        let mut encrypted = *fmk.expose();
        xor_in_place(&mut encrypted, &self.0);
        encrypted
    }

    /// `FMK = encrypted_fmk xor KEK`. Nothing tells here whether it is the right one: the header's MAC does.
    #[must_use]
    pub fn decrypt_fmk(&self, encrypted_fmk: &[u8; KEY_LEN]) -> Fmk {
        let mut fmk = Fmk(*encrypted_fmk);
        xor_in_place(&mut fmk.0, &self.0);
        fmk
    }
}

impl Cek {
    /// The CEK that a key holder released: `fill` writes it in place.
    ///
    /// # Errors
    /// Whatever `fill` answers.
    pub fn received<E>(fill: impl FnOnce(&mut [u8; KEY_LEN]) -> Result<(), E>) -> Result<Self, E> {
        Self::try_fill(fill)
    }
}

impl KeyShare {
    /// The share that a shares server returned: `fill` writes it in place.
    ///
    /// # Errors
    /// Whatever `fill` answers.
    pub fn received<E>(fill: impl FnOnce(&mut [u8; KEY_LEN]) -> Result<(), E>) -> Result<Self, E> {
        Self::try_fill(fill)
    }
}

/// Splits `kek` into shares, n-of-n: `share_1 = KEK xor share_2 xor .. xor share_n`, the others random.
/// Specification: "KeySharesCapsule".
///
/// `shares` yields the places to fill, one a server; fewer than two would hand the KEK to a single server.
///
/// # Errors
/// - [`Error::InvalidInput`]: fewer than two shares.
/// - [`Error::Random`]: the generator failed. The shares are unusable then.
pub fn split<R: TryCryptoRng + ?Sized>(kek: &Kek, shares: &mut [Option<KeyShare>], rng: &mut R) -> Result<(), Error> {
    let Some((first, others)) = shares.split_first_mut() else {
        return Err(Error::InvalidInput(Field::Shares));
    };
    if others.is_empty() {
        return Err(Error::InvalidInput(Field::Shares));
    }
    let mut rest = KeyShare(kek.0);
    for place in others {
        let share = KeyShare::try_fill(|octets| rng.try_fill_bytes(octets).map_err(|_| Error::Random))?;
        xor_in_place(&mut rest.0, &share.0);
        *place = Some(share);
    }
    *first = Some(rest);
    Ok(())
}

/// Combines all n shares: `KEK = share_1 xor .. xor share_n`. Specification: "KeySharesCapsule".
///
/// # Errors
/// [`Error::InvalidInput`]: fewer than two shares.
pub fn combine<'s>(shares: impl IntoIterator<Item = &'s KeyShare>) -> Result<Kek, Error> {
    let mut count = 0_usize;
    let kek = Kek::try_fill(|octets| {
        for share in shares {
            xor_in_place(octets, &share.0);
            count = count.saturating_add(1);
        }
        Ok::<(), Error>(())
    })?;
    if count < 2 {
        return Err(Error::InvalidInput(Field::Shares));
    }
    Ok(kek)
}

fn xor_in_place(octets: &mut [u8; KEY_LEN], with: &[u8; KEY_LEN]) {
    for (octet, with) in octets.iter_mut().zip(with) {
        *octet ^= with;
    }
}

/// Octets of the longest shared secret, that of secp521r1.
const MAX_SHARED_LEN: usize = Curve::Secp521r1.field_len();

/// The x-coordinate that ECDH gives, big-endian, in the full length of the curve's field.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SharedSecret {
    octets: [u8; MAX_SHARED_LEN],
    #[zeroize(skip)]
    curve: Curve,
}

impl SharedSecret {
    /// A shared secret on `curve`: `fill` writes its [`Curve::field_len`] octets in place.
    ///
    /// # Errors
    /// Whatever `fill` answers.
    pub fn try_fill<E>(curve: Curve, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self { octets: [0; MAX_SHARED_LEN], curve };
        fill(secret.octets.split_at_mut_checked(curve.field_len()).map_or(&mut [][..], |(x, _)| x))?;
        Ok(secret)
    }

    /// The octets, for the key derivation. Whoever calls this answers for what becomes of them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.octets.get(..self.curve.field_len()).unwrap_or(&[])
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::Counter;
    use proptest::prelude::*;
    use std::{format, vec::Vec};

    fn kek(octets: [u8; KEY_LEN]) -> Kek {
        Kek(octets)
    }

    #[test]
    fn debug_shows_no_octet() {
        assert_eq!(format!("{:?}", kek([0xAB; 32])), "Kek(..)");
        let shared = SharedSecret::try_fill(Curve::Secp384r1, |x| {
            x.fill(0xAB);
            Ok::<(), Error>(())
        })
        .unwrap();
        assert_eq!(format!("{shared:?}"), "SharedSecret(..)");
    }

    #[test]
    fn shared_secret_has_the_length_of_the_field() {
        for curve in Curve::ALL {
            let shared = SharedSecret::try_fill(curve, |x| {
                assert_eq!(x.len(), curve.field_len());
                Ok::<(), Error>(())
            })
            .unwrap();
            assert_eq!(shared.expose().len(), curve.field_len());
        }
    }

    #[test]
    fn one_share_is_refused() {
        let mut shares = [None];
        assert_eq!(split(&kek([1; 32]), &mut shares, &mut Counter(0)), Err(Error::InvalidInput(Field::Shares)));
        assert_eq!(split(&kek([1; 32]), &mut [], &mut Counter(0)), Err(Error::InvalidInput(Field::Shares)));
        assert!(combine(&[KeyShare([1; 32])]).is_err());
        assert!(combine(&[]).is_err());
    }

    #[test]
    fn a_failing_generator_is_an_error() {
        assert!(matches!(Fmk::generate(&mut crate::testing::Broken), Err(Error::Random)));
        assert!(matches!(Kek::generate(&mut crate::testing::Broken), Err(Error::Random)));
        assert_eq!(split(&kek([1; 32]), &mut [None, None], &mut crate::testing::Broken), Err(Error::Random));
    }

    proptest! {
        #[test]
        fn shares_combine_to_what_was_split(octets: [u8; 32], n in 2_usize..=10, seed: u8) {
            let mut places: Vec<Option<KeyShare>> = (0..n).map(|_| None).collect();
            split(&kek(octets), &mut places, &mut Counter(seed)).unwrap();
            let shares: Vec<KeyShare> = places.into_iter().flatten().collect();
            prop_assert_eq!(shares.len(), n);
            for combined in [combine(&shares), combine(shares.iter().rev())] {
                let combined = combined.unwrap();
                prop_assert_eq!(combined.expose(), &octets);
            }
            for missing in 0..n {
                let others = shares.iter().enumerate().filter(|(index, _)| *index != missing).map(|(_, share)| share);
                let is_whole = combine(others).is_ok_and(|combined| *combined.expose() == octets);
                prop_assert!(!is_whole);
            }
        }

        /// All shares but one are random octets, whatever the key is.
        #[test]
        fn one_share_depends_on_the_key(keys: [[u8; 32]; 2], n in 2_usize..=10, seed: u8) {
            let [one, other] = keys.map(|octets| {
                let mut places: Vec<Option<KeyShare>> = (0..n).map(|_| None).collect();
                split(&kek(octets), &mut places, &mut Counter(seed)).unwrap();
                places.into_iter().flatten().map(|share| share.0).collect::<Vec<_>>()
            });
            prop_assert_eq!(&one[1..], &other[1..]);
            prop_assert_eq!(one[0] == other[0], keys[0] == keys[1]);
        }

        #[test]
        fn xor_opens_what_it_encrypted(k: [u8; 32], f: [u8; 32]) {
            let encrypted = kek(k).encrypt_fmk(&Fmk(f));
            let fmk = kek(k).decrypt_fmk(&encrypted);
            prop_assert_eq!(fmk.expose(), &f);
        }
    }
}
