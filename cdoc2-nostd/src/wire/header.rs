//! The header: one record a recipient. Specification: appendix A (header.fbs) and "Header structure".

use crate::key::KEY_LEN;
use crate::wire::capsule::{Capsule, FmkEncryptionMethod, PayloadEncryptionMethod, ShareBudget};
use crate::wire::envelope::MAX_HEADER_LEN;
use crate::wire::flat::{Table, Tables};
use crate::wire::label::KeyLabel;
use crate::{Error, Feature, Field};

/// A header every offset, length and string of which was checked, over octets that the caller lends.
///
/// Parsing takes time linear in the octets, and no memory. Walking the [records](Self::records) repeats the walk that parsing did,
/// so it cannot fail.
#[derive(Clone, Copy, Debug)]
pub struct Header<'b> {
    octets: &'b [u8],
    root: Table<'b>,
    payload_encryption_method: PayloadEncryptionMethod,
}

impl<'b> Header<'b> {
    /// Checks `octets`, which are the header alone, from end to end.
    ///
    /// # Errors
    /// [`Error::Malformed`] names the first field that breaks a rule. A header without recipients breaks one too:
    /// specification, "Header structure", `Recipients[](1..k)`.
    pub fn parse(octets: &'b [u8]) -> Result<Self, Error> {
        if octets.len() > MAX_HEADER_LEN {
            return Err(Error::Malformed(Field::HeaderLength));
        }
        let root = Table::root(octets)?;
        let tables = record_tables(&root)?;
        if tables.len() == 0 {
            return Err(Error::Malformed(Field::Recipients));
        }
        let mut budget = ShareBudget(octets.len() / 8);
        for table in tables {
            RecipientRecord::parse(&table?, &mut budget)?;
        }
        let method = root.byte(1, Field::PayloadEncryptionMethod)?;
        Ok(Self { octets, root, payload_encryption_method: PayloadEncryptionMethod::from_wire(method) })
    }

    /// The octets that were parsed: what the MAC covers.
    #[must_use]
    pub fn octets(&self) -> &'b [u8] {
        self.octets
    }

    /// How the payload is encrypted.
    #[must_use]
    pub fn payload_encryption_method(&self) -> PayloadEncryptionMethod {
        self.payload_encryption_method
    }

    /// The records in their order, at least one.
    pub fn records(&self) -> impl Iterator<Item = RecipientRecord<'b>> + use<'b> {
        // What one record may list was bounded by `parse`.
        let mut budget = ShareBudget(usize::MAX);
        let tables = record_tables(&self.root).ok().into_iter().flatten();
        tables.map_while(move |table| RecipientRecord::parse(&table.ok()?, &mut budget).ok())
    }
}

fn record_tables<'b>(root: &Table<'b>) -> Result<Tables<'b>, Error> {
    root.tables(0, Field::Recipients)?.ok_or(Error::Malformed(Field::Recipients))
}

/// `RecipientRecord`: how one recipient obtains the FMK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientRecord<'b> {
    /// What the KEK is computed from.
    pub capsule: Capsule<'b>,
    /// Whom the record is for, in words.
    pub key_label: KeyLabel<'b>,
    /// The FMK under the KEK, 32 octets if the method is XOR and the record is sound.
    pub encrypted_fmk: &'b [u8],
    /// How the FMK is encrypted.
    pub fmk_encryption_method: FmkEncryptionMethod,
}

impl<'b> RecipientRecord<'b> {
    fn parse(table: &Table<'b>, budget: &mut ShareBudget) -> Result<Self, Error> {
        let method = table.byte(4, Field::FmkEncryptionMethod)?;
        Ok(Self {
            capsule: Capsule::parse(table, budget)?,
            key_label: KeyLabel::new(table.string(2, Field::KeyLabel)?),
            encrypted_fmk: table.octets(3, Field::EncryptedFmk)?,
            fmk_encryption_method: FmkEncryptionMethod::from_wire(method),
        })
    }

    /// The FMK under XOR.
    ///
    /// # Errors
    /// - [`Error::Unsupported`]: another method.
    /// - [`Error::Malformed`]: not 32 octets.
    pub fn xored_fmk(&self) -> Result<&'b [u8; KEY_LEN], Error> {
        match self.fmk_encryption_method {
            FmkEncryptionMethod::Xor => self.encrypted_fmk.try_into().map_err(|_| Error::Malformed(Field::EncryptedFmk)),
            FmkEncryptionMethod::Unknown(_) => Err(Error::Unsupported(Feature::FmkEncryptionMethod)),
        }
    }
}
