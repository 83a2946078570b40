//! Encryption, in the order that the specification's "Format composition procedure" sets: FMK, records, header, MAC, payload.

use core::fmt;

use crate::key::{Cek, Fmk};
#[cfg(feature = "payload")]
use crate::payload::{Encryptor, NONCE_LEN};
use crate::wire::emit;
use crate::wire::envelope::{HEADER_MAC_LEN, MAGIC, PRELUDE_LEN, VERSION};
use crate::wire::header::RecipientRecord;
use crate::{Error, Limit, derive};

/// Octets of the envelope that [`seal`] writes.
///
/// # Errors
/// As [`emit::encoded_len`].
pub fn encoded_len(records: &[RecipientRecord<'_>]) -> Result<usize, Error> {
    Ok(emit::encoded_len(records)?.saturating_add(PRELUDE_LEN).saturating_add(HEADER_MAC_LEN))
}

/// Writes the envelope of `records`, whose `encrypted_fmk` hold `fmk`, to the front of `out`: prelude, header, MAC.
///
/// # Errors
/// As [`emit::emit`]; [`Error::BufferTooSmall`] if `out` is shorter than [`encoded_len`].
pub fn seal<'o>(fmk: &Fmk, records: &[RecipientRecord<'_>], out: &'o mut [u8]) -> Result<Sealed<'o>, Error> {
    let needed = encoded_len(records)?;
    let too_small = Error::BufferTooSmall { needed };
    let octets = out.get_mut(..needed).ok_or(too_small)?;
    let (prelude, rest) = octets.split_first_chunk_mut::<PRELUDE_LEN>().ok_or(too_small)?;
    let (header, header_mac) = rest.split_last_chunk_mut::<HEADER_MAC_LEN>().ok_or(too_small)?;
    *prelude = self::prelude(header.len())?;
    emit::emit(records, header)?;
    *header_mac = derive::hhk(fmk)?.mac(header)?;
    let cek = derive::cek(fmk)?;
    Ok(Sealed { octets, cek })
}

/// The octets before a header of `header_len` octets.
fn prelude(header_len: usize) -> Result<[u8; PRELUDE_LEN], Error> {
    // `emit::encoded_len` has checked the range.
    let len = u32::try_from(header_len).map_err(|_| Error::LimitExceeded(Limit::HeaderLen))?;
    let [m0, m1, m2, m3] = *MAGIC;
    let [l0, l1, l2, l3] = len.to_be_bytes();
    Ok([m0, m1, m2, m3, VERSION, l0, l1, l2, l3])
}

/// A finished envelope and the key of the payload that is to follow.
pub struct Sealed<'o> {
    octets: &'o [u8],
    cek: Cek,
}

impl Sealed<'_> {
    /// The envelope: prelude, header and MAC.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets
    }

    /// The key of the payload.
    #[must_use]
    pub fn cek(&self) -> &Cek {
        &self.cek
    }

    /// Encrypts the payload that begins with `nonce`, which must be fresh from a generator.
    ///
    /// # Errors
    /// None in practice: the header is too short to exceed a limit.
    #[cfg(feature = "payload")]
    pub fn encryptor(&self, nonce: &[u8; NONCE_LEN]) -> Result<Encryptor, Error> {
        let rest = self.octets.get(PRELUDE_LEN..).unwrap_or(&[]);
        let (header, header_mac) =
            rest.split_last_chunk::<HEADER_MAC_LEN>().ok_or(Error::BufferTooSmall { needed: PRELUDE_LEN })?;
        Encryptor::new(&self.cek, nonce, header, header_mac)
    }
}

impl fmt::Debug for Sealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("octets", &self.octets.len()).finish_non_exhaustive()
    }
}
