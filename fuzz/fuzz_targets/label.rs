//! Any octets as a key label: every field can be read, and what fits into a new label reads back as it was.
#![no_main]

use cdoc2_nostd::wire::label::{KeyLabel, LabelField, LabelType, NewKeyLabel};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let label = KeyLabel::new(octets);
    assert_eq!(label.octets(), octets);
    if let Some(fields) = label.fields() {
        let mut buffer = vec![0; octets.len()];
        for (name, value) in fields {
            assert!(name.octets().count() + value.octets().count() <= octets.len());
            let _ = value.decode_into(&mut buffer);
        }
        let _ = (fields.label_type(), fields.get(LabelField::Label));
    }
    let Ok(text) = core::str::from_utf8(octets) else { return };
    let values = [(LabelField::Label, text)];
    let Ok(new) = NewKeyLabel::new(LabelType::Password, &values) else { return };
    for new in [new, new.base64()] {
        let mut written = vec![0; new.encoded_len()];
        let label = new.emit(&mut written).unwrap();
        assert!(label.fields().unwrap().get(LabelField::Label).unwrap().octets().eq(octets.iter().copied()));
    }
});
