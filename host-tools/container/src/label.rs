//! Key labels as people read them.

use cdoc2_nostd::wire::label::{KeyLabel, LabelField, LabelFields, LabelText};

/// Fields of a label that name the recipient, the best first.
const NAMES: [LabelField; 5] = [LabelField::Label, LabelField::Cn, LabelField::File, LabelField::Sn, LabelField::KeyId];

/// The decoded octets of a name or a value.
#[must_use]
pub fn octets(text: &LabelText<'_>) -> Vec<u8> {
    text.octets().collect()
}

/// What a label calls the recipient: the field that names it, or the whole of a free text.
#[must_use]
pub fn name(label: &KeyLabel<'_>) -> Vec<u8> {
    let named = |fields: LabelFields<'_>| {
        NAMES.iter().filter_map(|name| fields.get(*name)).find(|text| !text.is_empty()).map(|text| octets(&text))
    };
    label.fields().and_then(named).unwrap_or_else(|| label.octets().to_vec())
}
