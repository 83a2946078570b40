//! What a card shows: certificates and personal data. They are sealed like everything else, for their integrity.

use token_proto::KeyRef;

use super::slot::Slot;
use super::{Card, Fault};
use crate::Platform;

/// Octets of the longest certificate.
pub const MAX_CERTIFICATE_LEN: usize = 2048;
/// Octets of the longest personal data field.
pub const MAX_PERSONAL_DATA_LEN: usize = 96;
/// Octets of a document number.
pub const DOCUMENT_NUMBER_LEN: usize = 9;

/// Octets of the number of the key that a certificate is for.
const KEY_LEN: usize = 4;

/// Octets of the longest record of a certificate.
pub(super) const MAX_CERTIFICATE_RECORD_LEN: usize = KEY_LEN + MAX_CERTIFICATE_LEN;

impl<P: Platform> Card<P> {
    /// The certificate of `key` in DER, empty if there is none. It lies in the card's own buffer until the next call.
    ///
    /// # Errors
    /// [`Fault::Blank`], or the card failed.
    pub fn certificate(&mut self, key: KeyRef) -> Result<&[u8], Fault> {
        self.personalised()?;
        let of_key = self.key_number(key);
        let Some(found) = self.load(Slot::certificate(key))? else { return Ok(&[]) };
        let (number, der) = self.scratch.plaintext(found.len).split_first_chunk::<KEY_LEN>().ok_or(Fault::Corrupt)?;
        // one of a key that there is no more
        Ok(if *number == of_key { der } else { &[] })
    }

    /// Keeps `der`, which the caller has checked, as the certificate of `key` until that is generated anew.
    ///
    /// # Errors
    /// [`Fault::Invalid`]: longer than [`MAX_CERTIFICATE_LEN`]. [`Fault::Blank`], or the card failed.
    pub fn put_certificate(&mut self, key: KeyRef, der: &[u8]) -> Result<(), Fault> {
        self.personalised()?;
        if der.len() > MAX_CERTIFICATE_LEN {
            return Err(Fault::Invalid);
        }
        let of_key = self.key_number(key);
        self.put(Slot::certificate(key), &[&of_key, der]).map(|_| ())
    }

    /// Personal data field `field`, from 1 to [`PERSONAL_DATA_FIELDS`](super::PERSONAL_DATA_FIELDS) (files 5001 to 500F of the ID-card);
    /// empty if it is. It lies in the card's own buffer until the next call.
    ///
    /// # Errors
    /// [`Fault::Invalid`]: no such field. [`Fault::Blank`], or the card failed.
    pub fn personal_data(&mut self, field: u8) -> Result<&[u8], Fault> {
        self.personalised()?;
        let slot = Slot::field(field).ok_or(Fault::Invalid)?;
        let Some(found) = self.load(slot)? else { return Ok(&[]) };
        Ok(self.scratch.plaintext(found.len))
    }

    /// The document number.
    ///
    /// # Errors
    /// [`Fault::Blank`].
    pub fn document_number(&self) -> Result<&[u8; DOCUMENT_NUMBER_LEN], Fault> {
        self.holder.as_ref().map(|holder| &holder.document_number).ok_or(Fault::Blank)
    }

    /// The number of `key` as it is now; 0 while there is none.
    fn key_number(&self, key: KeyRef) -> [u8; KEY_LEN] {
        self.stored_key(key).map_or(0, |stored| stored.sequence).to_be_bytes()
    }
}
