//! Which record of a container is meant.

use cdoc2_nostd::wire::header::RecipientRecord;

use crate::label;

/// Which record to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The first that opens.
    Any,
    /// Those with this label, as it is stored or as it is [shown](label::name).
    Label(String),
    /// The one of this number, counted from 1.
    Index(usize),
}

impl Selection {
    /// Whether `record`, which is number `index` of its container, is meant.
    #[must_use]
    pub fn includes(&self, index: usize, record: &RecipientRecord<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Index(wanted) => *wanted == index,
            Self::Label(wanted) => {
                record.key_label.octets() == wanted.as_bytes() || label::name(&record.key_label) == wanted.as_bytes()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cdoc2_nostd::wire::capsule::{Capsule, FmkEncryptionMethod, SymmetricKeyCapsule};
    use cdoc2_nostd::wire::label::KeyLabel;

    fn record(label: &str) -> RecipientRecord<'_> {
        RecipientRecord {
            capsule: Capsule::SymmetricKey(SymmetricKeyCapsule { salt: &[0; 32] }),
            key_label: KeyLabel::new(label.as_bytes()),
            encrypted_fmk: &[0; 32],
            fmk_encryption_method: FmkEncryptionMethod::Xor,
        }
    }

    fn by_label(wanted: &str, label: &str) -> bool {
        Selection::Label(wanted.into()).includes(1, &record(label))
    }

    #[test]
    fn record_is_selected_by_every_name_that_is_shown() {
        for label in [
            "mari",
            "data:,v=1&type=pw&label=mari",
            "data:,v=1&type=cert&cn=mari",
            "data:,v=1&type=pub_key&file=mari",
            "data:,v=1&type=ID-card&sn=mari",
            "data:,v=1&type=auth&key_id=mari",
            "data:,v=1&label=&cn=mari",
            "data:;base64,dj0xJmNuPW1hcmk=",
        ] {
            assert!(by_label("mari", label), "{label}");
            assert!(by_label(label, label), "{label}");
            assert!(!by_label("MARI", label), "{label}");
        }
    }

    #[test]
    fn field_that_is_not_shown_selects_nothing() {
        assert!(!by_label("mari", "data:,v=1&label=jaan&cn=mari"));
        assert!(!by_label("mari", "data:,v=1&first_name=mari"));
    }

    #[test]
    fn record_is_selected_by_number() {
        assert!(Selection::Index(2).includes(2, &record("mari")));
        assert!(!Selection::Index(2).includes(1, &record("mari")));
        assert!(Selection::Any.includes(7, &record("mari")));
    }
}
