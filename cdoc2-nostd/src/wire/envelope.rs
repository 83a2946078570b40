//! The envelope: what stands before, around and after the header.
//!
//! | Field | "CDOC" | Version | Header length | Header | HMAC | Payload |
//! |---|---|---|---|---|---|---|
//! | Octets | 4 | 1 | 4, big-endian | header length | 32 | the rest |
//!
//! Specification: "Envelope", table 1.

use crate::wire::header::Header;
use crate::{Error, Feature, Field};

/// The four octets that a container begins with.
pub const MAGIC: &[u8; 4] = b"CDOC";
/// The version of the envelope that the specification describes.
pub const VERSION: u8 = 2;
/// Octets before the header: magic, version and header length.
pub const PRELUDE_LEN: usize = 9;
/// Octets of the longest header.
pub const MAX_HEADER_LEN: usize = 1 << 20;
/// Octets of the header's MAC.
pub const HEADER_MAC_LEN: usize = 32;

/// Reads the prelude: how many octets the header takes.
///
/// # Errors
/// - [`Error::Incomplete`]: fewer than [`PRELUDE_LEN`] octets, and those that are there fit.
/// - [`Error::Malformed`]: not "CDOC", or a header length that is zero, negative (it is a signed number) or above 2^20.
/// - [`Error::Unsupported`]: a version other than 2.
pub fn header_len(octets: &[u8]) -> Result<usize, Error> {
    let incomplete = Error::Incomplete { needed: PRELUDE_LEN };
    let begun = octets.get(..MAGIC.len().min(octets.len())).unwrap_or(octets);
    if !MAGIC.starts_with(begun) {
        return Err(Error::Malformed(Field::Prelude));
    }
    let rest = octets.get(MAGIC.len()..).ok_or(incomplete)?;
    let (version, rest) = rest.split_first().ok_or(incomplete)?;
    if *version != VERSION {
        return Err(Error::Unsupported(Feature::Version));
    }
    let len = i32::from_be_bytes(*rest.first_chunk().ok_or(incomplete)?);
    match usize::try_from(len) {
        Ok(len @ 1..=MAX_HEADER_LEN) => Ok(len),
        _ => Err(Error::Malformed(Field::HeaderLength)),
    }
}

/// A parsed header together with the octets and the MAC that it was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'b> {
    header: Header<'b>,
    header_mac: &'b [u8; HEADER_MAC_LEN],
}

impl<'b> Envelope<'b> {
    /// Splits `octets` into the envelope and what was given of the payload. The header is checked throughout; its MAC is not, as
    /// that takes a key.
    ///
    /// # Errors
    /// - [`Error::Incomplete`]: `octets` ends before the MAC does.
    /// - [`Error::Malformed`]: as [`header_len`] and [`Header::parse`] say.
    /// - [`Error::Unsupported`]: a version other than 2.
    pub fn parse(octets: &'b [u8]) -> Result<(Self, &'b [u8]), Error> {
        let header_len = header_len(octets)?;
        let needed = PRELUDE_LEN.saturating_add(header_len).saturating_add(HEADER_MAC_LEN);
        let incomplete = Error::Incomplete { needed };
        let rest = octets.get(PRELUDE_LEN..).ok_or(incomplete)?;
        let (header, rest) = rest.split_at_checked(header_len).ok_or(incomplete)?;
        let (header_mac, payload) = rest.split_first_chunk().ok_or(incomplete)?;
        Ok((Self { header: Header::parse(header)?, header_mac }, payload))
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> Header<'b> {
        self.header
    }

    /// The stored MAC of the header, not verified.
    #[must_use]
    pub fn header_mac(&self) -> &'b [u8; HEADER_MAC_LEN] {
        self.header_mac
    }

    /// Octets of the envelope: where the payload begins.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        PRELUDE_LEN.saturating_add(self.header.octets().len()).saturating_add(HEADER_MAC_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_of_a_prelude_is_incomplete() {
        let prelude = *b"CDOC\x02\x00\x00\x01\x00";
        for len in 0..PRELUDE_LEN {
            assert_eq!(header_len(&prelude[..len]), Err(Error::Incomplete { needed: PRELUDE_LEN }));
        }
        assert_eq!(header_len(&prelude), Ok(256));
    }

    #[test]
    fn wrong_magic_is_told_at_once() {
        for wrong in [&b"X"[..], b"CX", b"CDOc", b"\xEF\xBB\xBFCDOC\x02", b"%PDF-1.7"] {
            assert_eq!(header_len(wrong), Err(Error::Malformed(Field::Prelude)));
        }
    }

    #[test]
    fn other_versions_are_unsupported() {
        for version in [0, 1, 3, 0x32, 255] {
            let prelude = [b'C', b'D', b'O', b'C', version, 0, 0, 1, 0];
            assert_eq!(header_len(&prelude), Err(Error::Unsupported(Feature::Version)));
        }
    }

    #[test]
    fn header_length_is_one_to_two_to_the_twentieth() {
        let with = |len: i32| {
            let [a, b, c, d] = len.to_be_bytes();
            header_len(&[b'C', b'D', b'O', b'C', 2, a, b, c, d])
        };
        assert_eq!(with(1), Ok(1));
        assert_eq!(with(1 << 20), Ok(1 << 20));
        for wrong in [0, -1, i32::MIN, (1 << 20) + 1, i32::MAX] {
            assert_eq!(with(wrong), Err(Error::Malformed(Field::HeaderLength)));
        }
    }
}
