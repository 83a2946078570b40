//! The payload: one ChaCha20-Poly1305 message, in chunks of any size and in place.
//!
//! `nonce (12) || ciphertext || tag (16)`, with the additional data `"CDOC20payload" || header || header MAC`. Specification: "Payload
//! assembly and encryption"; RFC 8439, 2.8.
//!
//! There is one tag, at the end, so nothing is authentic before the last octet was seen. Two ways to live with that:
//! [`Authenticator`] checks the whole ciphertext and makes no plaintext at all; [`Decryptor`] hands out every chunk as
//! [`Unauthenticated`] until [`Decryptor::finish`] says that the tag fits.

use core::fmt;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use poly1305::Poly1305;
use poly1305::universal_hash::{KeyInit as _, UniversalHash as _};
use zeroize::Zeroize as _;

use crate::derive::PAYLOAD_AAD;
use crate::key::Cek;
use crate::wire::envelope::HEADER_MAC_LEN;
use crate::{Error, Limit};

/// Octets of the nonce.
pub const NONCE_LEN: usize = 12;
/// Octets of the tag.
pub const TAG_LEN: usize = 16;
/// Octets of the longest plaintext: 2^32 - 1 blocks, as block 0 makes the key of the MAC (RFC 8439, 2.8).
pub const MAX_PAYLOAD_LEN: u64 = ((1 << 32) - 1) * 64;

/// Octets of a ChaCha20 block: one is spent on the MAC's key.
const CHACHA20_BLOCK_LEN: u32 = 64;

/// Encrypts a payload, chunk by chunk.
#[cfg(feature = "write")]
pub struct Encryptor {
    cipher: ChaCha20,
    mac: Mac,
}

#[cfg(feature = "write")]
impl Encryptor {
    pub(crate) fn new(cek: &Cek, nonce: &[u8; NONCE_LEN], header: &[u8], header_mac: &[u8; HEADER_MAC_LEN]) -> Result<Self, Error> {
        let (cipher, mac) = start(cek, nonce, header, header_mac)?;
        Ok(Self { cipher, mac })
    }

    /// Encrypts `chunk` in place; it is ciphertext afterwards.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]: more than [`MAX_PAYLOAD_LEN`] octets. `chunk` is as it was.
    pub fn encrypt(&mut self, chunk: &mut [u8]) -> Result<(), Error> {
        apply(&mut self.cipher, chunk)?;
        self.mac.update(chunk)
    }

    /// The tag that follows the last chunk.
    #[must_use]
    pub fn finish(self) -> [u8; TAG_LEN] {
        self.mac.tag().into()
    }
}

/// Decrypts a payload, chunk by chunk.
pub struct Decryptor {
    cipher: ChaCha20,
    mac: Mac,
}

impl Decryptor {
    pub(crate) fn new(cek: &Cek, nonce: &[u8; NONCE_LEN], header: &[u8], header_mac: &[u8; HEADER_MAC_LEN]) -> Result<Self, Error> {
        let (cipher, mac) = start(cek, nonce, header, header_mac)?;
        Ok(Self { cipher, mac })
    }

    /// Decrypts `chunk` in place. Do not keep what comes out unless [`Self::finish`] succeeds.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]: more than [`MAX_PAYLOAD_LEN`] octets.
    pub fn decrypt<'c>(&mut self, chunk: &'c mut [u8]) -> Result<Unauthenticated<'c>, Error> {
        self.mac.update(chunk)?;
        apply(&mut self.cipher, chunk)?;
        Ok(Unauthenticated(chunk))
    }

    /// Checks the tag, in constant time.
    ///
    /// # Errors
    /// [`Error::Rejected`]: altered or cut payload. Delete all plaintext.
    pub fn finish(self, tag: &[u8; TAG_LEN]) -> Result<(), Error> {
        self.mac.verify(tag)
    }
}

/// Checks a payload without decrypting it.
pub struct Authenticator {
    mac: Mac,
}

impl Authenticator {
    pub(crate) fn new(cek: &Cek, nonce: &[u8; NONCE_LEN], header: &[u8], header_mac: &[u8; HEADER_MAC_LEN]) -> Result<Self, Error> {
        let (_, mac) = start(cek, nonce, header, header_mac)?;
        Ok(Self { mac })
    }

    /// Takes the next chunk of the ciphertext.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]: more than [`MAX_PAYLOAD_LEN`] octets.
    pub fn update(&mut self, ciphertext: &[u8]) -> Result<(), Error> {
        self.mac.update(ciphertext)
    }

    /// Checks the tag, in constant time.
    ///
    /// # Errors
    /// [`Error::Rejected`]: altered or cut payload.
    pub fn finish(self, tag: &[u8; TAG_LEN]) -> Result<(), Error> {
        self.mac.verify(tag)
    }
}

/// Plaintext whose tag was not seen yet: an attacker may have written it.
pub struct Unauthenticated<'c>(&'c mut [u8]);

impl<'c> Unauthenticated<'c> {
    /// The octets, for a caller who withholds everything made of them until [`Decryptor::finish`] succeeds.
    #[must_use]
    pub fn expose_unauthenticated(self) -> &'c mut [u8] {
        self.0
    }

    /// How many octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

macro_rules! mute {
    ($($name:ty),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}
#[cfg(feature = "write")]
mute!(Encryptor);
mute!(Decryptor, Authenticator, Unauthenticated<'_>);

fn start(cek: &Cek, nonce: &[u8; NONCE_LEN], header: &[u8], header_mac: &[u8; HEADER_MAC_LEN]) -> Result<(ChaCha20, Mac), Error> {
    let mut cipher = ChaCha20::new(cek.expose().into(), nonce.into());
    let mut mac_key = poly1305::Key::default();
    apply(&mut cipher, &mut mac_key)?;
    let mut mac = Mac::new(&mac_key);
    mac_key.zeroize();
    cipher.try_seek(CHACHA20_BLOCK_LEN).map_err(|_| Error::LimitExceeded(Limit::PayloadLen))?;
    for part in [PAYLOAD_AAD, header, header_mac] {
        mac.absorb(part)?;
    }
    mac.end_of_aad();
    Ok((cipher, mac))
}

fn apply(cipher: &mut ChaCha20, octets: &mut [u8]) -> Result<(), Error> {
    cipher.try_apply_keystream(octets).map_err(|_| Error::LimitExceeded(Limit::PayloadLen))
}

/// Poly1305 over `AAD || pad || ciphertext || pad || lengths` (RFC 8439, 2.8), fed in pieces of any size.
struct Mac {
    poly1305: Poly1305,
    /// The block that is being filled.
    block: poly1305::Block,
    /// Octets in it, fewer than a block.
    filled: usize,
    aad_len: u64,
    /// Octets of whatever is being absorbed: first the additional data, then the ciphertext.
    len: u64,
}

impl Mac {
    fn new(key: &poly1305::Key) -> Self {
        Self { poly1305: Poly1305::new(key), block: poly1305::Block::default(), filled: 0, aad_len: 0, len: 0 }
    }

    /// Absorbs ciphertext.
    fn update(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.absorb(octets)?;
        if self.len > MAX_PAYLOAD_LEN {
            return Err(Error::LimitExceeded(Limit::PayloadLen));
        }
        Ok(())
    }

    fn absorb(&mut self, mut octets: &[u8]) -> Result<(), Error> {
        let too_long = Error::LimitExceeded(Limit::PayloadLen);
        self.len = u64::try_from(octets.len()).ok().and_then(|len| self.len.checked_add(len)).ok_or(too_long)?;
        if self.filled > 0 {
            let free = self.block.get_mut(self.filled..).unwrap_or_default();
            let (taken, rest) = octets.split_at_checked(free.len()).unwrap_or((octets, &[]));
            for (octet, value) in free.iter_mut().zip(taken) {
                *octet = *value;
            }
            self.filled = self.filled.saturating_add(taken.len());
            octets = rest;
            if self.filled < self.block.len() {
                return Ok(());
            }
            self.poly1305.update(core::slice::from_ref(&self.block));
            self.filled = 0;
        }
        let (blocks, rest) = poly1305::Block::slice_as_chunks(octets);
        self.poly1305.update(blocks);
        for (octet, value) in self.block.iter_mut().zip(rest) {
            *octet = *value;
        }
        self.filled = rest.len();
        Ok(())
    }

    /// Fills the block up with zeros.
    fn pad(&mut self) {
        if self.filled > 0 {
            self.block.iter_mut().skip(self.filled).for_each(|octet| *octet = 0);
            self.poly1305.update(core::slice::from_ref(&self.block));
            self.filled = 0;
        }
    }

    fn end_of_aad(&mut self) {
        self.pad();
        self.aad_len = self.len;
        self.len = 0;
    }

    /// Pads the ciphertext and adds both lengths.
    fn end(mut self) -> Poly1305 {
        self.pad();
        let lengths = self.aad_len.to_le_bytes().into_iter().chain(self.len.to_le_bytes());
        for (octet, value) in self.block.iter_mut().zip(lengths) {
            *octet = value;
        }
        self.poly1305.update(core::slice::from_ref(&self.block));
        self.poly1305
    }

    #[cfg(feature = "write")]
    fn tag(self) -> poly1305::Tag {
        self.end().finalize()
    }

    fn verify(self, tag: &[u8; TAG_LEN]) -> Result<(), Error> {
        self.end().verify(tag.into()).map_err(|_| Error::Rejected)
    }
}

#[cfg(all(test, feature = "write"))]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const HEADER: &[u8] = b"header of no meaning";

    fn cek() -> Cek {
        Cek::filled(|octets| octets.copy_from_slice(&core::array::from_fn::<u8, 32, _>(|i| 0x80 + i as u8)))
    }

    fn encrypt(plaintext: &[u8], cuts: &[usize]) -> (Vec<u8>, [u8; TAG_LEN]) {
        let mut octets = plaintext.to_vec();
        let mut encryptor = Encryptor::new(&cek(), &[7; 12], HEADER, &[9; 32]).unwrap();
        let mut rest = &mut octets[..];
        for cut in cuts {
            let (chunk, tail) = rest.split_at_mut((*cut).min(rest.len()));
            encryptor.encrypt(chunk).unwrap();
            rest = tail;
        }
        encryptor.encrypt(rest).unwrap();
        let tag = encryptor.finish();
        (octets, tag)
    }

    /// RFC 8439, 2.8.2, with its additional data in place of ours: the composition itself.
    #[test]
    fn composition_is_that_of_rfc_8439() {
        let mut cipher = ChaCha20::new(cek().expose().into(), &[7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47].into());
        let mut key = poly1305::Key::default();
        cipher.apply_keystream(&mut key);
        let mut mac = Mac::new(&key);
        cipher.seek(64_u32);
        mac.absorb(&[0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7]).unwrap();
        mac.end_of_aad();
        let mut text =
            *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        cipher.apply_keystream(&mut text);
        mac.update(&text).unwrap();
        assert_eq!(&text[..4], &[0xd3, 0x1a, 0x8d, 0x34]);
        assert_eq!(
            mac.tag().as_slice(),
            &[0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91]
        );
    }

    #[test]
    fn every_octet_of_what_is_covered_counts() {
        let (ciphertext, tag) = encrypt(b"plain", &[]);
        let check = |header: &[u8], header_mac: &[u8; 32], nonce: &[u8; 12], ciphertext: &[u8], tag: &[u8; 16]| {
            let mut authenticator = Authenticator::new(&cek(), nonce, header, header_mac).unwrap();
            authenticator.update(ciphertext).unwrap();
            authenticator.finish(tag)
        };
        assert_eq!(check(HEADER, &[9; 32], &[7; 12], &ciphertext, &tag), Ok(()));
        assert_eq!(check(b"Header", &[9; 32], &[7; 12], &ciphertext, &tag), Err(Error::Rejected));
        assert_eq!(check(HEADER, &[8; 32], &[7; 12], &ciphertext, &tag), Err(Error::Rejected));
        assert_eq!(check(HEADER, &[9; 32], &[6; 12], &ciphertext, &tag), Err(Error::Rejected));
        assert_eq!(check(HEADER, &[9; 32], &[7; 12], &ciphertext[1..], &tag), Err(Error::Rejected));
        assert_eq!(check(HEADER, &[9; 32], &[7; 12], &ciphertext, &[0; 16]), Err(Error::Rejected));
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_give_the_same(
            plaintext in proptest::collection::vec(any::<u8>(), 0..400),
            cuts in proptest::collection::vec(0_usize..80, 0..12),
            other_cuts in proptest::collection::vec(0_usize..80, 0..12),
        ) {
            let whole = encrypt(&plaintext, &[]);
            prop_assert_eq!(&encrypt(&plaintext, &cuts), &whole);

            let (mut octets, tag) = whole;
            let mut decryptor = Decryptor::new(&cek(), &[7; 12], HEADER, &[9; 32]).unwrap();
            let mut authenticator = Authenticator::new(&cek(), &[7; 12], HEADER, &[9; 32]).unwrap();
            let mut rest = &mut octets[..];
            for cut in other_cuts {
                let (chunk, tail) = rest.split_at_mut(cut.min(rest.len()));
                authenticator.update(chunk).unwrap();
                decryptor.decrypt(chunk).unwrap();
                rest = tail;
            }
            authenticator.update(rest).unwrap();
            decryptor.decrypt(rest).unwrap();
            prop_assert_eq!(authenticator.finish(&tag), Ok(()));
            prop_assert_eq!(decryptor.finish(&tag), Ok(()));
            prop_assert_eq!(octets, plaintext);
        }
    }
}
