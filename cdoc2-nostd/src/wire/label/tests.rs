extern crate std;

use std::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;

fn text(text: LabelText<'_>) -> String {
    let octets: Vec<u8> = text.octets().collect();
    let mut out = vec![0; octets.len()];
    assert_eq!(text.decode_into(&mut out).unwrap().as_bytes(), octets);
    String::from_utf8(octets).unwrap()
}

fn pairs(label: &str) -> Option<Vec<(String, String)>> {
    let fields = KeyLabel::new(label.as_bytes()).fields()?;
    Some(fields.iter().map(|(name, value)| (text(name), text(value))).collect())
}

fn assert_fields(label: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
    assert_eq!(pairs(label).as_deref(), Some(expected.as_slice()), "{label}");
}

fn get(label: &str, field: LabelField) -> Option<String> {
    KeyLabel::new(label.as_bytes()).fields().unwrap().get(field).map(text)
}

fn label_type(label: &str) -> Option<LabelType> {
    KeyLabel::new(label.as_bytes()).fields().unwrap().label_type()
}

/// "KeyLabel recommendations", the machine-readable examples.
const SPECIFICATION: [&str; 4] = [
    "data:,v=1&type=ID-card&serial_number=PNOEE-38001085718&cn=J%C3%95EORG%2CJAAK-KRISTJAN%2C38001085718",
    "data:application/x-www-form-urlencoded,v=1&type=ID-card&serial_number=PNOEE-38001085718&cn=J%C3%95EORG%2CJAAK-KRISTJAN%2C38001085718",
    "data:application/x-www-form-urlencoded;base64,dj0xJnR5cGU9SUQtY2FyZCZzZXJpYWxfbnVtYmVyPVBOT0VFLTM4MDAxMDg1NzE4JmNuPUolQzMlOTVFT1JHJTJDSkFBSy1LUklTVEpBTiUyQzM4MDAxMDg1NzE4",
    "data:;base64,dj0xJnR5cGU9SUQtY2FyZCZzZXJpYWxfbnVtYmVyPVBOT0VFLTM4MDAxMDg1NzE4JmNuPUolQzMlOTVFT1JHJTJDSkFBSy1LUklTVEpBTiUyQzM4MDAxMDg1NzE4",
];

#[test]
fn examples_of_the_specification_have_the_same_fields() {
    for label in SPECIFICATION {
        assert_fields(
            label,
            &[("v", "1"), ("type", "ID-card"), ("serial_number", "PNOEE-38001085718"), ("cn", "JÕEORG,JAAK-KRISTJAN,38001085718")],
        );
        assert_eq!(label_type(label), Some(LabelType::IdCard));
    }
}

/// "KeyLabel recommendations", the examples that show only the data.
#[test]
fn data_examples_of_the_specification_have_their_fields() {
    assert_fields("data:,type=auth&sn=ETSI%3APNOEE-48010010101", &[("type", "auth"), ("sn", "ETSI:PNOEE-48010010101")]);
    assert_fields("data:,PNO=etsi/PNOEE-48010010101", &[("PNO", "etsi/PNOEE-48010010101")]);
    assert_fields("data:,FILE=~/folder/filename&CERT_HASH=XXYYXXYY", &[("FILE", "~/folder/filename"), ("CERT_HASH", "XXYYXXYY")]);
    let label = "data:,KM=bitwarden&VAULT=CDOC2&KEY_ID=HELLO.CDOC2&FILE=~/folder/secret.pem&USER_DESC=hello";
    for (field, value) in [
        (LabelField::KeyManager, "bitwarden"),
        (LabelField::Vault, "CDOC2"),
        (LabelField::KeyId, "HELLO.CDOC2"),
        (LabelField::File, "~/folder/secret.pem"),
        (LabelField::UserDesc, "hello"),
    ] {
        assert_eq!(get(label, field).as_deref(), Some(value));
    }
    assert_eq!(label_type(label), None);
}

#[test]
fn free_text_has_no_fields() {
    for label in [
        // "KeyLabel recommendations"
        "131:40:16",
        "kevade",
        "poem",
        "password manager, key: hello.cdoc2",
        // not a data URL
        "",
        "d",
        "data",
        "datav=1",
        " data:,v=1",
        "date:,v=1",
        // a data URL without a field
        "data:",
        "data:,",
        "data:;base64,",
        "data:,v",
        "data:hello world",
        // percent-encoding
        "data:,v=%",
        "data:,v=1%2",
        "data:,v=1%2&type=pw",
        "data:,v=1&type=%ZZ&&=&label",
        "data:,v=%+1",
        // base64
        "data:;base64,@@@@",
        "data:;base64,dj0x====",
        "data:;base64,dj0xd",
        "data:;base64,dj0xdj0=x",
        "data:;base64,dj0xJg=",
        "data:;base64,v=1&type=pw",
    ] {
        assert_eq!(pairs(label), None, "{label}");
    }
}

/// The forms that libcdoc and Java write, and those of the corpus.
#[test]
fn forms_in_the_field_are_read() {
    assert_fields("data:,v=1&label=My+password+%C3%B5&type=pw", &[("v", "1"), ("label", "My password õ"), ("type", "pw")]);
    assert_fields("data:,v=1&label=key+1%2F2&type=secret", &[("v", "1"), ("label", "key 1/2"), ("type", "secret")]);
    assert_fields("data:,v=1", &[("v", "1")]);
    assert_fields("data:V=1&LABEL=x&TYPE=secret", &[("V", "1"), ("LABEL", "x"), ("TYPE", "secret")]);
    assert_fields("data:,LABEL=x&TYPE=pw&V=1", &[("LABEL", "x"), ("TYPE", "pw"), ("V", "1")]);
    let genlabel =
        "data:,v=1&cert_sha1=CE1AC923BEFF9AA341325CC4C4EB95BA4C16D45B&cn=Test+visible+ec384a&type=cert&server_exp=2110805782";
    assert_eq!(get(genlabel, LabelField::CertSha1).as_deref(), Some("CE1AC923BEFF9AA341325CC4C4EB95BA4C16D45B"));
    assert_eq!(get(genlabel, LabelField::Cn).as_deref(), Some("Test visible ec384a"));
    assert_eq!(get(genlabel, LabelField::ServerExp).as_deref(), Some("2110805782"));
    assert_eq!(label_type(genlabel), Some(LabelType::Certificate));
}

#[test]
fn scheme_media_type_and_padding_may_vary() {
    for label in [
        "data:,v=1&label=a%2Cb",
        "DATA:,v=1&label=a%2cb",
        "Data:application/x-www-form-urlencoded,v=1&label=a,b",
        "data:application/x-www-form-urlencoded;charset=utf-8,v=1&label=a,b",
        "data:;charset=utf-8,v=1&label=a,b",
        "data:v=1&label=a,b",
        "data:;base64,dj0xJmxhYmVsPWEsYg==",
        "data:;base64,dj0xJmxhYmVsPWEsYg",
        "data:;BASE64,dj0xJmxhYmVsPWEsYg==",
        "data:application/x-www-form-urlencoded;charset=utf-8;base64,dj0xJmxhYmVsPWEsYg",
    ] {
        assert_fields(label, &[("v", "1"), ("label", "a,b")]);
    }
}

#[test]
fn odd_pairs_are_kept() {
    assert_fields("data:,a=&b&=c&&d=e=f&", &[("a", ""), ("b", ""), ("", "c"), ("d", "e=f")]);
    assert_fields("data:,%6c%41bel=x", &[("lAbel", "x")]);
    assert_fields("data:,label=õ\n\u{202E}", &[("label", "õ\n\u{202E}")]);
}

#[test]
fn names_are_case_insensitive_and_the_last_value_counts() {
    let label = "data:,Label=a&x=y&LABEL=b&TyPe=PUB_KEY&%4C=z";
    assert_eq!(get(label, LabelField::Label).as_deref(), Some("b"));
    assert_eq!(label_type(label), Some(LabelType::PublicKey));
    assert_eq!(get(label, LabelField::Version), None);
}

#[test]
fn names_and_types_are_those_of_the_specification() {
    let names = LabelField::ALL.map(LabelField::name);
    assert_eq!(
        names,
        [
            "v",
            "type",
            "cn",
            "serial_number",
            "last_name",
            "first_name",
            "server_exp",
            "file",
            "cert_sha1",
            "label",
            "sn",
            "km",
            "vault",
            "key_id",
            "user_desc",
            "cert_hash",
            "pno"
        ]
    );
    for label_type in LabelType::ALL {
        for name in [label_type.name().to_ascii_lowercase(), label_type.name().to_ascii_uppercase()] {
            let label = format!("data:,type={}", name.replace(' ', "+"));
            assert_eq!(self::label_type(&label), Some(label_type));
        }
    }
    assert_eq!(label_type("data:,type=Unknown"), None);
    assert_eq!(label_type("data:,type="), None);
}

#[test]
fn decoding_wants_room_and_utf8() {
    let label = KeyLabel::new(b"data:,label=%C3%B5+&cn=%FF");
    let value = label.fields().unwrap().get(LabelField::Label).unwrap();
    assert_eq!(value.decode_into(&mut [0; 2]), Err(Error::BufferTooSmall { needed: 3 }));
    assert_eq!(value.decode_into(&mut [0; 3]), Ok("õ "));
    assert_eq!(value.decode_into(&mut [0; 9]), Ok("õ "));
    let value = label.fields().unwrap().get(LabelField::Cn).unwrap();
    assert_eq!(value.decode_into(&mut [0; 9]), Err(Error::Malformed(Field::KeyLabel)));
    assert_eq!(value.octets().collect::<Vec<_>>(), [0xFF]);
    assert_eq!(label.octets(), b"data:,label=%C3%B5+&cn=%FF");
}

/// RFC 4648, section 10, and all 64 digits.
#[test]
fn base64_is_that_of_the_rfc() {
    for (data, text) in [("f=", "Zj0="), ("fo=", "Zm89"), ("foo=", "Zm9vPQ=="), ("foob=", "Zm9vYj0="), ("fooba=", "Zm9vYmE9")] {
        assert_fields(&format!("data:;base64,{text}"), &[(data.trim_end_matches('='), "")]);
        assert_fields(&format!("data:;base64,{}", text.trim_end_matches('=')), &[(data.trim_end_matches('='), "")]);
    }
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let octets: Vec<u8> = Data::parse_base64(digits.as_bytes()).unwrap().span().raw().collect();
    let mut expected = Vec::new();
    for group in 0..16_u32 {
        let value = (4 * group) << 18 | (4 * group + 1) << 12 | (4 * group + 2) << 6 | (4 * group + 3);
        expected.extend_from_slice(&value.to_be_bytes()[1..]);
    }
    assert_eq!(octets, expected);
}

/// A label cut short has the first fields of the whole one, the last of them cut short, or none.
#[test]
fn every_truncation_is_read() {
    let whole = pairs(SPECIFICATION[0]).unwrap();
    for label in SPECIFICATION {
        let mut sound = 0;
        for end in 0..label.len() {
            let Some(fields) = KeyLabel::new(&label.as_bytes()[..end]).fields() else { continue };
            let mut expected = whole.iter();
            for (name, value) in fields {
                let (whole_name, whole_value) = expected.next().unwrap();
                assert!(name.octets().zip(whole_name.bytes()).all(|(cut, whole)| cut == whole));
                assert!(value.octets().zip(whole_value.bytes()).all(|(cut, whole)| cut == whole));
            }
            sound += 1;
        }
        assert!(sound > 70, "{sound} of {label}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read(prefix in "(data:|DATA:;base64,|data:,|)", octets: Vec<u8>) {
        let label = [prefix.as_bytes(), &octets].concat();
        if let Some(fields) = KeyLabel::new(&label).fields() {
            let decoded = fields.iter().flat_map(|(name, value)| name.octets().chain(value.octets())).count();
            prop_assert!(decoded <= label.len());
            prop_assert!(fields.iter().count() >= 1);
        }
    }
}

#[cfg(feature = "write")]
mod emit {
    use super::*;

    fn emitted(label: &NewKeyLabel<'_>) -> String {
        let mut out = vec![0xAA; label.encoded_len()];
        let label = label.emit(&mut out).unwrap();
        String::from_utf8(label.octets().to_vec()).unwrap()
    }

    #[test]
    fn examples_of_the_specification_are_written() {
        let fields = [(LabelField::SerialNumber, "PNOEE-38001085718"), (LabelField::Cn, "JÕEORG,JAAK-KRISTJAN,38001085718")];
        let label = NewKeyLabel::new(LabelType::IdCard, &fields).unwrap();
        assert_eq!(emitted(&label), SPECIFICATION[0]);
        assert_eq!(emitted(&label.base64()), SPECIFICATION[3]);
    }

    /// Appendix D, every table with all of its example values.
    #[test]
    fn examples_of_appendix_d_are_written_and_read() {
        use LabelField::*;
        let tables: [(LabelType, &[(LabelField, &str)]); 7] = [
            (
                LabelType::DigiIdEResident,
                &[
                    (Cn, "JÕEORG,JAAK-KRISTJAN,38001085718"),
                    (SerialNumber, "PNOEE-38001085718"),
                    (LastName, "Jõeorg"),
                    (FirstName, "Jaak-Kristjan"),
                    (ServerExp, "1730992802"),
                ],
            ),
            (
                LabelType::Certificate,
                &[
                    (File, "37101010021_cert.pem"),
                    (Cn, "ŽAIKOVSKI,IGOR,37101010021"),
                    (CertSha1, "7F193CBFFA6A8D52C710FE961077817567449C59"),
                    (ServerExp, "1730992802"),
                ],
            ),
            (LabelType::PublicKey, &[(File, "bob_pub.pem"), (Label, "file:bob_pub.pem")]),
            (LabelType::Secret, &[(Label, "yHqkRsP3kbQ")]),
            (LabelType::Password, &[(Label, "Arno")]),
            (LabelType::Auth, &[(Sn, "etsi/PNOEE-48010010101")]),
            (LabelType::Auth, &[(Sn, "private/JIO/70000349")]),
        ];
        for (label_type, fields) in tables {
            let label = NewKeyLabel::new(label_type, fields).unwrap();
            let mut expected = vec![("v", "1"), ("type", label_type.name())];
            expected.extend(fields.iter().map(|(field, value)| (field.name(), *value)));
            assert_fields(&emitted(&label), &expected);
            assert_fields(&emitted(&label.base64()), &expected);
        }
        assert_eq!(
            emitted(&NewKeyLabel::new(LabelType::DigiIdEResident, &[(Label, "a b~*'(é")]).unwrap()),
            "data:,v=1&type=Digi-ID%20E-RESIDENT&label=a%20b~%2A%27%28%C3%A9"
        );
    }

    #[test]
    fn what_cannot_be_read_back_is_refused() {
        for fields in [
            [(LabelField::Label, "a"), (LabelField::Label, "b")],
            [(LabelField::Label, "a"), (LabelField::Version, "1")],
            [(LabelField::Type, "pw"), (LabelField::Label, "b")],
            [(LabelField::Label, ""), (LabelField::Cn, "b")],
        ] {
            assert_eq!(NewKeyLabel::new(LabelType::Password, &fields).unwrap_err(), Error::InvalidInput(Field::KeyLabel));
        }
    }

    #[test]
    fn a_short_buffer_is_left_alone() {
        let label = NewKeyLabel::new(LabelType::Password, &[(LabelField::Label, "a b")]).unwrap();
        for label in [label, label.base64()] {
            let needed = label.encoded_len();
            for len in 0..needed {
                let mut out = vec![0xAA; len];
                assert_eq!(label.emit(&mut out), Err(Error::BufferTooSmall { needed }));
                assert!(out.iter().all(|octet| *octet == 0xAA));
            }
            let mut out = vec![0xAA; needed + 3];
            assert_eq!(label.emit(&mut out).unwrap().octets().len(), needed);
            assert_eq!(out[needed..], [0xAA; 3]);
        }
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_read_back(
            label_type in proptest::sample::select(LabelType::ALL.to_vec()),
            fields in proptest::sample::subsequence(LabelField::ALL[2..].to_vec(), 0..=5),
            values in proptest::collection::vec("\\PC{1,20}|.{1,20}", 5),
            base64: bool,
        ) {
            let fields: Vec<_> = fields.into_iter().zip(values.iter().map(String::as_str)).collect();
            let mut label = NewKeyLabel::new(label_type, &fields).unwrap();
            if base64 {
                label = label.base64();
            }
            let label = emitted(&label);
            prop_assert!(label.is_ascii());
            let read = KeyLabel::new(label.as_bytes()).fields().unwrap();
            prop_assert_eq!(read.label_type(), Some(label_type));
            let mut expected = vec![("v", "1"), ("type", label_type.name())];
            expected.extend(fields.iter().map(|(field, value)| (field.name(), *value)));
            assert_fields(&label, &expected);
        }
    }
}
