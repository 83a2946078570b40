//! The key schedule: every formula of the specification, one function each.
//!
//! `Extract` and `Expand` are those of RFC 5869 with SHA-256, and every `Expand` gives 32 octets. Strings enter as they stand
//! here, without a terminator and without a length. Specification: "Key derivation" and "Descriptions of header elements and KEK
//! computation".

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

use crate::key::{Cek, Fmk, Hhk, KEY_LEN, Kek, SharedSecret};
use crate::{Error, Field};

/// Salt of the FMK.
pub const FMK_SALT: &[u8] = b"CDOC20salt";
/// Info of the CEK.
pub const CEK_INFO: &[u8] = b"CDOC20cek";
/// Info of the HHK.
pub const HHK_INFO: &[u8] = b"CDOC20hmac";
/// Salt of the KEK premaster that ECDH gives.
pub const KEK_PREMASTER_SALT: &[u8] = b"CDOC20kekpremaster";
/// First part of the info of every derived KEK but that of key shares.
pub const KEK_INFO: &[u8] = b"CDOC20kek";
/// First part of the info of a KEK that is split into shares. It is "CDOC2kek", without the 0: the specification, libcdoc and the Java
/// implementation agree on that, so it is not to be mended.
pub const KEY_SHARES_KEK_INFO: &[u8] = b"CDOC2kek";
/// `algId` in the info of a KEK: the name of the FMK encryption method.
pub const XOR: &[u8] = b"XOR";
/// First part of the additional data of the payload.
pub const PAYLOAD_AAD: &[u8] = b"CDOC20payload";

/// `FMK <- Extract("CDOC20salt", random)`.
pub(crate) fn fmk(random: &[u8; KEY_LEN]) -> Fmk {
    let (mut prk, _) = Hkdf::<Sha256>::extract(Some(FMK_SALT), random);
    let fmk = Fmk::filled(|octets| octets.copy_from_slice(&prk));
    prk.zeroize();
    fmk
}

/// `CEK <- Expand(FMK, "CDOC20cek", 32)`. Reached through a verified or a sealed header only.
pub(crate) fn cek(fmk: &Fmk) -> Result<Cek, Error> {
    Cek::try_fill(|octets| expand(fmk.expose(), &[CEK_INFO], octets))
}

/// `HHK <- Expand(FMK, "CDOC20hmac", 32)`.
///
/// # Errors
/// None in practice: an FMK has the length that `Expand` wants.
pub fn hhk(fmk: &Fmk) -> Result<Hhk, Error> {
    Hhk::try_fill(|octets| expand(fmk.expose(), &[HHK_INFO], octets))
}

/// `KEK_pm <- Extract("CDOC20kekpremaster", x)`, `KEK <- Expand(KEK_pm, "CDOC20kek" || "XOR" || pk_rec || pk_eph, 32)`.
/// Specification: "ECCPublicKeyCapsule".
///
/// Both public keys enter as they stand in the capsule (libcdoc does so; Java encodes its own again, which is the same for
/// every point that [`crate::ecdh`] accepts).
///
/// # Errors
/// None in practice: the length of the output is one that `Expand` gives.
pub fn kek_from_shared_secret(x: &SharedSecret, recipient_public_key: &[u8], sender_public_key: &[u8]) -> Result<Kek, Error> {
    extract_and_expand(KEK_PREMASTER_SALT, x.expose(), &[KEK_INFO, XOR, recipient_public_key, sender_public_key])
}

/// `KEK_pm <- Extract(salt, key)`, `KEK <- Expand(KEK_pm, "CDOC20kek" || "XOR" || key_label, 32)`.
/// Specification: "SymmetricKeyCapsule".
///
/// `key_label` is the stored string as it stands, "data:" included.
///
/// # Errors
/// None in practice: the length of the output is one that `Expand` gives.
pub fn kek_from_symmetric_key(key: &[u8], salt: &[u8], key_label: &[u8]) -> Result<Kek, Error> {
    extract_and_expand(salt, key, &[KEK_INFO, XOR, key_label])
}

/// `km <- PBKDF2-HMAC-SHA-256(password, password_salt, iterations, 32)`, then as [`kek_from_symmetric_key`] with `km` for the key.
///
/// The specification has no formula for `PBKDF2Capsule`; libcdoc and Java agree on this one. The password is UTF-8 as it was typed:
/// neither of them normalises it.
///
/// # Errors
/// None in practice: the length of the output is one that `Expand` gives.
#[cfg(feature = "pbkdf2")]
pub fn kek_from_password(
    password: &[u8],
    password_salt: &[u8],
    iterations: core::num::NonZeroU32,
    salt: &[u8],
    key_label: &[u8],
) -> Result<Kek, Error> {
    let mut key_material = zeroize::Zeroizing::new([0; KEY_LEN]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, password_salt, iterations.get(), key_material.as_mut_slice());
    kek_from_symmetric_key(key_material.as_slice(), salt, key_label)
}

/// `KEK_pm <- Extract(salt, key_material)`, `KEK <- Expand(KEK_pm, "CDOC2kek" || "XOR" || recipient_id, 32)`: the sender's half
/// of key shares; the recipient [combines](crate::key::combine) the shares instead. Specification: "KeySharesCapsule".
///
/// # Errors
/// None in practice: the length of the output is one that `Expand` gives.
pub fn kek_for_key_shares(key_material: &[u8; KEY_LEN], salt: &[u8], recipient_id: &[u8]) -> Result<Kek, Error> {
    extract_and_expand(salt, key_material, &[KEY_SHARES_KEK_INFO, XOR, recipient_id])
}

impl Hhk {
    /// `HMAC-SHA-256(HHK, header)`. Specification: "Header authentication code".
    ///
    /// # Errors
    /// None in practice: HMAC takes a key of any length.
    pub fn mac(&self, header: &[u8]) -> Result<[u8; KEY_LEN], Error> {
        Ok(self.hmac(header)?.finalize().into_bytes().into())
    }

    /// Compares the header's MAC in constant time.
    ///
    /// # Errors
    /// [`Error::Rejected`]: wrong key or altered header.
    pub fn verify(&self, header: &[u8], header_mac: &[u8; KEY_LEN]) -> Result<(), Error> {
        self.hmac(header)?.verify(header_mac.into()).map_err(|_| Error::Rejected)
    }

    /// [`mac`](Self::mac) of a header that comes in chunks.
    pub(crate) fn stream(&self) -> Result<HeaderMac, Error> {
        Hmac::<Sha256>::new_from_slice(self.expose()).map(HeaderMac).map_err(|_| Error::InvalidInput(Field::Secret))
    }

    fn hmac(&self, header: &[u8]) -> Result<Hmac<Sha256>, Error> {
        let HeaderMac(mut hmac) = self.stream()?;
        hmac.update(header);
        Ok(hmac)
    }
}

/// A header's MAC in the making.
pub(crate) struct HeaderMac(Hmac<Sha256>);

impl HeaderMac {
    pub(crate) fn update(&mut self, header: &[u8]) {
        self.0.update(header);
    }

    /// Compares in constant time.
    pub(crate) fn verify(self, header_mac: &[u8; KEY_LEN]) -> Result<(), Error> {
        self.0.verify(header_mac.into()).map_err(|_| Error::Rejected)
    }
}

fn extract_and_expand(salt: &[u8], key: &[u8], info: &[&[u8]]) -> Result<Kek, Error> {
    let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(salt), key);
    prk.zeroize();
    Kek::try_fill(|octets| hkdf.expand_multi_info(info, octets).map_err(|_| Error::InvalidInput(Field::Secret)))
}

fn expand(prk: &[u8; KEY_LEN], info: &[&[u8]], octets: &mut [u8; KEY_LEN]) -> Result<(), Error> {
    let hkdf = Hkdf::<Sha256>::from_prk(prk).map_err(|_| Error::InvalidInput(Field::Secret))?;
    hkdf.expand_multi_info(info, octets).map_err(|_| Error::InvalidInput(Field::Secret))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::Curve;

    /// Two implementations and thousands of stored containers depend on these octets. A rename once broke them in the field.
    #[test]
    fn strings_are_frozen() {
        assert_eq!(FMK_SALT, b"CDOC20salt");
        assert_eq!(CEK_INFO, b"CDOC20cek");
        assert_eq!(HHK_INFO, b"CDOC20hmac");
        assert_eq!(KEK_PREMASTER_SALT, b"CDOC20kekpremaster");
        assert_eq!(KEK_INFO, b"CDOC20kek");
        assert_eq!(KEY_SHARES_KEK_INFO, b"CDOC2kek");
        assert_eq!(XOR, b"XOR");
        assert_eq!(PAYLOAD_AAD, b"CDOC20payload");
    }

    const RANDOM: [u8; KEY_LEN] = {
        let mut octets = [0; KEY_LEN];
        let mut i = 0;
        while i < KEY_LEN {
            octets[i] = i as u8;
            i += 1;
        }
        octets
    };

    fn shared() -> SharedSecret {
        SharedSecret::try_fill(Curve::Secp384r1, |x| {
            x.fill(0x42);
            Ok::<(), Error>(())
        })
        .unwrap()
    }

    fn hex(octets: &[u8; KEY_LEN]) -> std::string::String {
        octets.iter().map(|octet| std::format!("{octet:02x}")).collect()
    }

    /// Expected values computed with Python's `hmac` and `hashlib` from the formulas of the specification.
    #[test]
    fn formulas_give_what_python_gives() {
        assert_eq!(hex(fmk(&RANDOM).expose()), "3e74ff966dda90ad6312a711ab2e9fb176b0deb9facb9cdc0b6ec6a4093a52ff");
        assert_eq!(hex(cek(&fmk(&RANDOM)).unwrap().expose()), "3d106104d7f8e56b09c3338b586a862c7a0cb1d2d9afa1bbdec76c944c6023b0");
        assert_eq!(hex(hhk(&fmk(&RANDOM)).unwrap().expose()), "febc7553ad3de7fe61024068905e5fa3f31c42f6537d75420c31e66d1557ae31");
        assert_eq!(
            hex(kek_from_shared_secret(&shared(), b"recipient", b"sender").unwrap().expose()),
            "7d27fa093a5301adb24b0511152df81d37428b44a29121899efa93de5b7c246f"
        );
        assert_eq!(
            hex(kek_from_symmetric_key(b"key", b"salt", b"data:,label").unwrap().expose()),
            "9b671ec25d5215dede1e7b9164030a09c6cbf5429f869754c7bb8e732c63d9b7"
        );
        assert_eq!(
            hex(kek_for_key_shares(&RANDOM, b"salt", b"etsi/PNOEE-48010010101").unwrap().expose()),
            "33180b0019fdaa8905c354fa26041967467191a2c28f4f22c5d389b2295d5a37"
        );
    }

    #[cfg(feature = "pbkdf2")]
    #[test]
    fn password_formula_gives_what_python_gives() {
        let iterations = core::num::NonZeroU32::new(1000).unwrap();
        let kek = kek_from_password(b"password", b"pwsalt", iterations, b"salt", b"label").unwrap();
        assert_eq!(hex(kek.expose()), "ba2572ec9b2a653d5af7e93edba0e925e7d1bcfb06ac3de1d98490fe14b4b2ca");
    }

    #[test]
    fn header_mac_is_hmac_sha256() {
        let hhk = hhk(&fmk(&RANDOM)).unwrap();
        let mac = hhk.mac(b"header").unwrap();
        assert_eq!(hex(&mac), "390aebe36d833893796efa04fbc6ba261030dc370f3243aad83ad28733cf20f4");
        assert_eq!(hhk.verify(b"header", &mac), Ok(()));
        assert_eq!(hhk.verify(b"Header", &mac), Err(Error::Rejected));
        for bit in 0..256 {
            let mut altered = mac;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(hhk.verify(b"header", &altered), Err(Error::Rejected));
        }
    }
}
