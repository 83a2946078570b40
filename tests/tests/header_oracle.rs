//! The core's reader and writer of headers against the `flatbuffers` crate and the code that `flatc` makes of the schemas.
//!
//! [`oracle::compare`] lists how the two may differ.

use cdoc2_nostd::wire::{emit, envelope, header};
use cdoc2_nostd::{Error, Field};
use cdoc2_tests::header::{Capsule, Header, KeyDetails, Record, Share};
use cdoc2_tests::oracle::{self, Answers, Style, compare};
use cdoc2_tests::strategy;
use proptest::prelude::*;

fn emitted(header: &Header) -> Vec<u8> {
    header.with_records(|records| {
        let len = emit::encoded_len(records).unwrap();
        let mut octets = vec![0xAA; len];
        assert_eq!(emit::emit(records, &mut octets).unwrap().len(), len);
        octets
    })
}

/// A header with every capsule, small, so that a mutation meets its structure.
fn one_of_each() -> Header {
    let octets = |len| vec![7; len];
    let capsules = [
        Capsule::EccPublicKey { curve: 2, recipient_public_key: point(), sender_public_key: point() },
        Capsule::RsaPublicKey { recipient_public_key: octets(5), encrypted_kek: octets(6) },
        Capsule::KeyServer {
            recipient_key_details: KeyDetails::Ecc { curve: 2, recipient_public_key: point() },
            keyserver_id: "õ".into(),
            transaction_id: "t".into(),
        },
        Capsule::KeyServer {
            recipient_key_details: KeyDetails::Rsa { recipient_public_key: octets(3) },
            keyserver_id: "s".into(),
            transaction_id: "t".into(),
        },
        Capsule::SymmetricKey { salt: octets(32) },
        Capsule::Pbkdf2 { salt: octets(32), password_salt: octets(33), kdf_algorithm_identifier: 1, kdf_iterations: 600_000 },
        Capsule::KeyShares {
            shares: ["a", "b"].map(|id| Share { server_base_url: "u".into(), share_id: id.into() }).into(),
            salt: octets(32),
            recipient_type: 1,
            shares_scheme: 1,
            recipient_id: "etsi".into(),
        },
    ];
    let record = |capsule| Record { capsule, key_label: "silt õ".into(), encrypted_fmk: octets(32), fmk_encryption_method: 1 };
    Header { recipients: capsules.into_iter().map(record).collect(), payload_encryption_method: 1 }
}

fn point() -> Vec<u8> {
    let mut point = vec![9; 65];
    point[0] = 4;
    point
}

/// The same header from both writers.
fn one_of_each_written() -> [Vec<u8>; 3] {
    let header = one_of_each();
    let style = Style { force_defaults: true, share_strings: true };
    [emitted(&header), oracle::write(&header, Style::default()), oracle::write(&header, style)]
}

#[test]
fn every_bit_flip_is_read_alike() {
    for octets in one_of_each_written() {
        assert_eq!(compare(&octets), Answers::Same);
        let mut counts = [0; 4];
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            counts[match compare(&flipped) {
                Answers::Same => 0,
                Answers::Different(difference) => usize::from(difference),
                Answers::Refused => 3,
            }] += 1;
        }
        // Most bits are contents; bits of "õ" break UTF-8; no single bit makes a type 0 without a value.
        let [same, not_utf8, no_union, refused] = counts;
        assert!(same > 5000 && not_utf8 > 30 && no_union == 0 && refused > 500, "{counts:?}");
    }
}

#[test]
fn every_word_replaced_is_read_alike() {
    for octets in one_of_each_written() {
        let (mut same, mut refused) = (0, 0);
        for position in (0..octets.len()).step_by(4) {
            let end = octets.len() - position;
            let near = [0, 1, 2, 3, 4, 8, end.saturating_sub(8), end.saturating_sub(4), end, end + 1];
            let far = [0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFC, 0xFFFF_FFFF, 0x0004_0004, 0xFFFF_0004, 0x0006_0006];
            for value in near.map(|value| u32::try_from(value).unwrap()).into_iter().chain(far) {
                let mut replaced = octets.clone();
                replaced[position..position + 4].copy_from_slice(&value.to_le_bytes());
                match compare(&replaced) {
                    Answers::Same => same += 1,
                    Answers::Refused => refused += 1,
                    Answers::Different(_) => {}
                }
            }
        }
        assert!(same > 1000 && refused > 1000, "{same} {refused}");
    }
}

#[test]
fn every_truncation_is_read_alike() {
    for octets in one_of_each_written() {
        let read = (0..octets.len()).filter(|len| compare(&octets[..*len]) != Answers::Refused).count();
        // only padding may be missing
        assert!(read <= 7, "{read}");
    }
}

/// Headers that libcdoc wrote, and others made to be refused.
#[test]
fn every_vector_is_read_alike() {
    let (mut same, mut refused) = (0, 0);
    for case in cdoc2_tests::vectors::cases() {
        let container = std::fs::read(case.container()).unwrap();
        let Ok(len) = envelope::header_len(&container) else { continue };
        let Some(header) = container.get(envelope::PRELUDE_LEN..envelope::PRELUDE_LEN + len) else { continue };
        match compare(header) {
            Answers::Same => same += 1,
            Answers::Refused => refused += 1,
            Answers::Different(_) => {}
        }
    }
    assert!(same > 400 && refused > 50, "{same} {refused}");
}

#[test]
fn a_header_without_records_is_refused() {
    for recipients in [None, Some(Vec::new())] {
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let recipients = recipients.map(|recipients: Vec<flatbuffers::WIPOffset<_>>| builder.create_vector(&recipients));
        let args = cdoc2_tests::schema::HeaderArgs { recipients, ..Default::default() };
        let root = cdoc2_tests::schema::Header::create(&mut builder, &args);
        cdoc2_tests::schema::finish_header_buffer(&mut builder, root);
        assert!(oracle::read(builder.finished_data()).is_ok());
        assert_eq!(header::Header::parse(builder.finished_data()).unwrap_err(), Error::Malformed(Field::Recipients));
    }
}

#[test]
fn a_type_of_none_without_a_value_is_difference_2() {
    let mut header = one_of_each();
    header.recipients[0].capsule = Capsule::Unknown(0);
    let style = Style { force_defaults: true, share_strings: false };
    assert_eq!(compare(&oracle::write(&header, style)), Answers::Different(2));
    assert_eq!(compare(&oracle::write(&header, Style::default())), Answers::Same);
}

#[derive(Clone, Debug)]
enum Mutation {
    Octet(prop::sample::Index, u8),
    /// A word that points at, or is, a place in the header.
    Word(prop::sample::Index, prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index),
    Half(prop::sample::Index, u16),
    Truncate(prop::sample::Index),
    Extend(u8),
}

impl Mutation {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Octet(at, value) => *at.get_mut(octets) = *value,
            Self::Word(at, to) => {
                let (at, to) = (at.index(octets.len() / 4) * 4, to.index(octets.len() / 4) * 4);
                let distance = u32::try_from(to).unwrap().wrapping_sub(u32::try_from(at).unwrap());
                octets[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            Self::Copy(at, from) => {
                let (at, from) = (at.index(octets.len() / 4) * 4, from.index(octets.len() / 4) * 4);
                octets.copy_within(from..from + 4, at);
            }
            Self::Half(at, value) => {
                let at = at.index(octets.len() / 2) * 2;
                octets[at..at + 2].copy_from_slice(&value.to_le_bytes());
            }
            Self::Truncate(len) => octets.truncate(8 + len.index(octets.len())),
            Self::Extend(value) => octets.extend([*value; 9]),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, value)| Mutation::Octet(at, value)),
        4 => (at(), at()).prop_map(|(at, to)| Mutation::Word(at, to)),
        3 => (at(), at()).prop_map(|(at, from)| Mutation::Copy(at, from)),
        3 => (at(), 0..40_u16).prop_map(|(at, value)| Mutation::Half(at, value)),
        1 => at().prop_map(Mutation::Truncate),
        1 => any::<u8>().prop_map(Mutation::Extend),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_core_reads_what_the_oracle_writes(header in strategy::any_header(1..=64), style in strategy::style()) {
        let octets = oracle::write(&header, style);
        prop_assume!(octets.len() <= 1 << 20);
        let parsed = header::Header::parse(&octets).unwrap();
        prop_assert_eq!(parsed.octets(), &octets);
        prop_assert_eq!(Header::from_core(&parsed).unwrap(), header);
    }

    #[test]
    fn the_oracle_reads_what_the_core_writes(header in strategy::sound_header(1..=64)) {
        let octets = emitted(&header);
        prop_assert_eq!(oracle::read(&octets).unwrap(), header);
    }

    #[test]
    fn the_core_reads_what_it_writes(header in strategy::sound_header(1..=64)) {
        let octets = emitted(&header);
        let parsed = header::Header::parse(&octets).unwrap();
        prop_assert_eq!(Header::from_core(&parsed).unwrap(), header);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_headers_are_read_alike(
        octets in prop_oneof![
            prop::sample::select(one_of_each_written().to_vec()),
            (strategy::any_header(1..=3), strategy::style()).prop_map(|(header, style)| oracle::write(&header, style)),
            strategy::sound_header(1..=3).prop_map(|header| emitted(&header)),
        ],
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let mut octets = octets;
        for mutation in mutations {
            mutation.apply(&mut octets);
        }
        compare(&octets);
    }
}
