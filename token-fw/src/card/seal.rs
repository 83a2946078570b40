//! Records sealed under the device's root key.
//!
//! ```text
//! K_seal = HKDF-SHA-256(salt = "token-fw card", ikm = root key, info = "seal", 32)
//! body   = nonce (12, random) || tag (16) || AES-256-GCM(K_seal, nonce, aad = record header, plaintext)
//! ```
//! The header has the record's slot, the format's version and the record's sequence number (`store`), so that a record fits its own
//! place and time only. Sources: NIST SP 800-38D, RFC 5869.

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use rand_core::TryCryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use super::Fault;
use crate::platform::ROOT_KEY_LEN;

const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// Octets that sealing adds.
pub(super) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Octets of the longest plaintext.
pub(super) const MAX_PLAINTEXT_LEN: usize = super::object::MAX_CERTIFICATE_RECORD_LEN;

/// Octets of the buffer: the longest body, up to the end of its last flash word.
const SCRATCH_LEN: usize = OVERHEAD + MAX_PLAINTEXT_LEN + super::store::MAX_WORD_LEN;

const SALT: &[u8] = b"token-fw card";

/// What a key derived from the root key is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Sealing records.
    Seal,
    /// Verifiers of PINs.
    Pin,
}

/// A key for `purpose`.
pub(super) fn derive(root_key: &[u8; ROOT_KEY_LEN], purpose: Purpose) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let info: &[u8] = match purpose {
        Purpose::Seal => b"seal",
        Purpose::Pin => b"pin",
    };
    let mut key = Zeroizing::new([0; 32]);
    // 32 octets are well below the longest output of HKDF
    Hkdf::<Sha256>::new(Some(SALT), root_key).expand(info, key.as_mut()).map_err(|_| Fault::Corrupt)?;
    Ok(key)
}

/// The card's one long buffer: a record's body on its way to the flash or from it.
pub(super) struct Scratch([u8; SCRATCH_LEN]);

impl Scratch {
    pub(super) const fn new() -> Self {
        Self([0; SCRATCH_LEN])
    }

    /// Takes `parts`, one after another, as the plaintext of a record, and answers its length.
    pub(super) fn fill(&mut self, parts: &[&[u8]]) -> Result<usize, Fault> {
        let mut rest = self.0.get_mut(OVERHEAD..).unwrap_or(&mut []);
        let mut len = 0_usize;
        for part in parts {
            let (place, behind) = rest.split_at_mut_checked(part.len()).ok_or(Fault::Invalid)?;
            place.copy_from_slice(part);
            rest = behind;
            len = len.saturating_add(part.len());
        }
        if len > MAX_PLAINTEXT_LEN {
            return Err(Fault::Invalid);
        }
        Ok(len)
    }

    /// The plaintext of `len` octets that is here.
    pub(super) fn plaintext(&self, len: usize) -> &[u8] {
        self.0.get(OVERHEAD..).and_then(|rest| rest.get(..len)).unwrap_or(&[])
    }

    /// The first `len` octets of the body and what fills its last word.
    pub(super) fn body(&self, len: usize) -> Result<&[u8], Fault> {
        self.0.get(..len).ok_or(Fault::Capacity)
    }

    /// As [`body`](Self::body), to be read into.
    pub(super) fn body_mut(&mut self, len: usize) -> Result<&mut [u8], Fault> {
        self.0.get_mut(..len).ok_or(Fault::Corrupt)
    }

    /// Seals the plaintext of `len` octets in place.
    pub(super) fn seal<R: TryCryptoRng>(
        &mut self,
        key: &Zeroizing<[u8; 32]>,
        rng: &mut R,
        header: &[u8],
        len: usize,
    ) -> Result<(), Fault> {
        let Parts { nonce, tag, text, rest } = self.parts(len).ok_or(Fault::Invalid)?;
        rng.try_fill_bytes(nonce).map_err(|_| Fault::Random)?;
        let cipher = Aes256Gcm::new((&**key).into());
        let computed = cipher.encrypt_inout_detached((&*nonce).into(), header, text.into()).map_err(|_| Fault::Invalid)?;
        tag.copy_from_slice(&computed);
        rest.fill(0xFF);
        Ok(())
    }

    /// Opens the body whose plaintext has `len` octets, in place.
    pub(super) fn open(&mut self, key: &Zeroizing<[u8; 32]>, header: &[u8], len: usize) -> Result<(), Fault> {
        let Parts { nonce, tag, text, .. } = self.parts(len).ok_or(Fault::Corrupt)?;
        let cipher = Aes256Gcm::new((&**key).into());
        cipher.decrypt_inout_detached((&*nonce).into(), header, text.into(), (&*tag).into()).map_err(|_| Fault::Corrupt)
    }

    pub(super) fn wipe(&mut self) {
        self.0.zeroize();
    }

    fn parts(&mut self, len: usize) -> Option<Parts<'_>> {
        let (nonce, rest) = self.0.split_first_chunk_mut()?;
        let (tag, rest) = rest.split_first_chunk_mut()?;
        let (text, rest) = rest.split_at_mut_checked(len)?;
        Some(Parts { nonce, tag, text, rest })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.wipe();
    }
}

struct Parts<'s> {
    nonce: &'s mut [u8; NONCE_LEN],
    tag: &'s mut [u8; TAG_LEN],
    text: &'s mut [u8],
    rest: &'s mut [u8],
}

#[cfg(test)]
mod tests {
    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// The root key that the values below are for.
    const ROOT_KEY: [u8; 32] = *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\
        \x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1A\x1B\x1C\x1D\x1E\x1F";
    const HEADER: [u8; 8] = [1, 1, 0, 5, 0, 0, 0, 9];

    struct Sevens;

    impl TryRng for Sevens {
        type Error = core::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(0x0707_0707)
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(0x0707_0707_0707_0707)
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
            out.fill(7);
            Ok(())
        }
    }

    impl TryCryptoRng for Sevens {}

    fn sealed() -> (Scratch, Zeroizing<[u8; 32]>) {
        let key = derive(&ROOT_KEY, Purpose::Seal).unwrap();
        let mut scratch = Scratch::new();
        assert_eq!(scratch.fill(&[b"hel", b"", b"lo"]), Ok(5));
        scratch.seal(&key, &mut Sevens, &HEADER, 5).unwrap();
        (scratch, key)
    }

    /// Computed with Python's hmac and the AES-GCM of its package cryptography, from the formulas at the top.
    #[test]
    fn body_is_what_others_compute() {
        const BODY: &[u8] = b"\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\
            \xbd\x9a\xc7\x63\xba\x8c\x75\x78\xa4\x93\x31\xc4\x05\xf0\xe0\x54\xba\xf0\x4d\x35\x97\xFF\xFF\xFF";
        assert_eq!(sealed().0.body(BODY.len()).unwrap(), BODY);
    }

    #[test]
    fn body_opens_under_its_own_header_and_key_only() {
        let (mut scratch, key) = sealed();
        scratch.open(&key, &HEADER, 5).unwrap();
        assert_eq!(scratch.plaintext(5), b"hello");
        for bit in 0..64 {
            let mut header = HEADER;
            header[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealed().0.open(&key, &header, 5), Err(Fault::Corrupt));
        }
        assert_eq!(sealed().0.open(&derive(&ROOT_KEY, Purpose::Pin).unwrap(), &HEADER, 5), Err(Fault::Corrupt));
        assert_eq!(sealed().0.open(&key, &HEADER, 4), Err(Fault::Corrupt));
    }

    #[test]
    fn longest_plaintext_fits_and_no_longer_one() {
        let mut scratch = Scratch::new();
        assert_eq!(scratch.fill(&[&[1; MAX_PLAINTEXT_LEN]]), Ok(MAX_PLAINTEXT_LEN));
        assert_eq!(scratch.fill(&[&[1; MAX_PLAINTEXT_LEN], &[1]]), Err(Fault::Invalid));
        assert_eq!(scratch.fill(&[&[1; SCRATCH_LEN]]), Err(Fault::Invalid));
    }

    #[test]
    fn wiped_is_empty() {
        let (mut scratch, _) = sealed();
        scratch.wipe();
        assert_eq!(scratch.0, [0; SCRATCH_LEN]);
    }
}
