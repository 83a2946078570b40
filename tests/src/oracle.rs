//! Headers through the `flatbuffers` crate and the code that `flatc` makes of the two schemas.

use cdoc2_nostd::wire;
use flatbuffers::{FlatBufferBuilder, InvalidFlatbuffer, UnionWIPOffset, VerifierOptions, WIPOffset};

use crate::header::{Capsule, Header, KeyDetails, Record, Share};
use crate::schema;

/// What a FlatBuffers writer may choose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Writes values that are the default of their field, too.
    pub force_defaults: bool,
    /// Writes equal strings once.
    pub share_strings: bool,
}

/// Checks `octets` with the generated verifier, and reads their values.
///
/// Its limit on the apparent size is lifted: many records may share one long label. Those on tables and depth stay.
///
/// # Errors
/// What the verifier says.
pub fn read(octets: &[u8]) -> Result<Header, InvalidFlatbuffer> {
    let options = VerifierOptions { max_apparent_size: usize::MAX, ..VerifierOptions::default() };
    let header = schema::root_as_header_with_opts(&options, octets)?;
    Ok(Header {
        recipients: header.recipients().into_iter().flatten().map(read_record).collect(),
        payload_encryption_method: header.payload_encryption_method().0,
    })
}

fn read_record(record: schema::RecipientRecord<'_>) -> Record {
    Record {
        capsule: read_capsule(&record),
        key_label: record.key_label().to_owned(),
        encrypted_fmk: record.encrypted_fmk().bytes().to_vec(),
        fmk_encryption_method: record.fmk_encryption_method().0,
    }
}

fn read_capsule(record: &schema::RecipientRecord<'_>) -> Capsule {
    if let Some(capsule) = record.capsule_as_eccpublic_key_capsule() {
        Capsule::EccPublicKey {
            curve: capsule.curve().0,
            recipient_public_key: capsule.recipient_public_key().bytes().to_vec(),
            sender_public_key: capsule.sender_public_key().bytes().to_vec(),
        }
    } else if let Some(capsule) = record.capsule_as_rsapublic_key_capsule() {
        Capsule::RsaPublicKey {
            recipient_public_key: capsule.recipient_public_key().bytes().to_vec(),
            encrypted_kek: capsule.encrypted_kek().bytes().to_vec(),
        }
    } else if let Some(capsule) = record.capsule_as_key_server_capsule() {
        Capsule::KeyServer {
            recipient_key_details: read_key_details(&capsule),
            keyserver_id: capsule.keyserver_id().to_owned(),
            transaction_id: capsule.transaction_id().to_owned(),
        }
    } else if let Some(capsule) = record.capsule_as_symmetric_key_capsule() {
        Capsule::SymmetricKey { salt: capsule.salt().bytes().to_vec() }
    } else if let Some(capsule) = record.capsule_as_pbkdf2_capsule() {
        Capsule::Pbkdf2 {
            salt: capsule.salt().bytes().to_vec(),
            password_salt: capsule.password_salt().bytes().to_vec(),
            kdf_algorithm_identifier: capsule.kdf_algorithm_identifier().0,
            kdf_iterations: capsule.kdf_iterations(),
        }
    } else if let Some(capsule) = record.capsule_as_key_shares_capsule() {
        let share = |share: schema::KeyShare<'_>| Share {
            server_base_url: share.server_base_url().to_owned(),
            share_id: share.share_id().to_owned(),
        };
        Capsule::KeyShares {
            shares: capsule.shares().iter().map(share).collect(),
            salt: capsule.salt().bytes().to_vec(),
            recipient_type: capsule.recipient_type().0,
            shares_scheme: capsule.shares_scheme().0,
            recipient_id: capsule.recipient_id().to_owned(),
        }
    } else {
        Capsule::Unknown(record.capsule_type().0)
    }
}

fn read_key_details(capsule: &schema::KeyServerCapsule<'_>) -> KeyDetails {
    if let Some(details) = capsule.recipient_key_details_as_ecc_key_details() {
        KeyDetails::Ecc { curve: details.curve().0, recipient_public_key: details.recipient_public_key().bytes().to_vec() }
    } else if let Some(details) = capsule.recipient_key_details_as_rsa_key_details() {
        KeyDetails::Rsa { recipient_public_key: details.recipient_public_key().bytes().to_vec() }
    } else {
        KeyDetails::Unknown(capsule.recipient_key_details_type().0)
    }
}

/// The octets that the generated builder writes. An unknown type gets a `SymmetricKeyCapsule` or `RsaKeyDetails` for a value.
#[must_use]
pub fn write(header: &Header, style: Style) -> Vec<u8> {
    let mut writer = Writer { builder: FlatBufferBuilder::new(), style };
    writer.builder.force_defaults(style.force_defaults);
    let recipients: Vec<_> = header.recipients.iter().map(|record| writer.record(record)).collect();
    let recipients = Some(writer.builder.create_vector(&recipients));
    let payload_encryption_method = schema::PayloadEncryptionMethod(header.payload_encryption_method);
    let root = schema::Header::create(&mut writer.builder, &schema::HeaderArgs { recipients, payload_encryption_method });
    schema::finish_header_buffer(&mut writer.builder, root);
    writer.builder.finished_data().to_vec()
}

struct Writer {
    builder: FlatBufferBuilder<'static>,
    style: Style,
}

type Octets = Option<WIPOffset<flatbuffers::Vector<'static, u8>>>;

impl Writer {
    fn octets(&mut self, octets: &[u8]) -> Octets {
        Some(self.builder.create_vector(octets))
    }

    fn string(&mut self, text: &str) -> Option<WIPOffset<&'static str>> {
        Some(if self.style.share_strings { self.builder.create_shared_string(text) } else { self.builder.create_string(text) })
    }

    fn record(&mut self, record: &Record) -> WIPOffset<schema::RecipientRecord<'static>> {
        let (capsule_type, capsule) = self.capsule(&record.capsule);
        let args = schema::RecipientRecordArgs {
            capsule_type,
            capsule,
            key_label: self.string(&record.key_label),
            encrypted_fmk: self.octets(&record.encrypted_fmk),
            fmk_encryption_method: schema::FMKEncryptionMethod(record.fmk_encryption_method),
        };
        schema::RecipientRecord::create(&mut self.builder, &args)
    }

    fn capsule(&mut self, capsule: &Capsule) -> (schema::Capsule, Option<WIPOffset<UnionWIPOffset>>) {
        match capsule {
            Capsule::EccPublicKey { curve, recipient_public_key, sender_public_key } => {
                let args = schema::ECCPublicKeyCapsuleArgs {
                    curve: schema::EllipticCurve(*curve),
                    recipient_public_key: self.octets(recipient_public_key),
                    sender_public_key: self.octets(sender_public_key),
                };
                let capsule = schema::ECCPublicKeyCapsule::create(&mut self.builder, &args);
                (schema::Capsule::ECCPublicKeyCapsule, Some(capsule.as_union_value()))
            }
            Capsule::RsaPublicKey { recipient_public_key, encrypted_kek } => {
                let args = schema::RSAPublicKeyCapsuleArgs {
                    recipient_public_key: self.octets(recipient_public_key),
                    encrypted_kek: self.octets(encrypted_kek),
                };
                let capsule = schema::RSAPublicKeyCapsule::create(&mut self.builder, &args);
                (schema::Capsule::RSAPublicKeyCapsule, Some(capsule.as_union_value()))
            }
            Capsule::KeyServer { recipient_key_details, keyserver_id, transaction_id } => {
                let (recipient_key_details_type, recipient_key_details) = self.key_details(recipient_key_details);
                let args = schema::KeyServerCapsuleArgs {
                    recipient_key_details_type,
                    recipient_key_details,
                    keyserver_id: self.string(keyserver_id),
                    transaction_id: self.string(transaction_id),
                };
                let capsule = schema::KeyServerCapsule::create(&mut self.builder, &args);
                (schema::Capsule::KeyServerCapsule, Some(capsule.as_union_value()))
            }
            Capsule::SymmetricKey { salt } => {
                let args = schema::SymmetricKeyCapsuleArgs { salt: self.octets(salt) };
                let capsule = schema::SymmetricKeyCapsule::create(&mut self.builder, &args);
                (schema::Capsule::SymmetricKeyCapsule, Some(capsule.as_union_value()))
            }
            Capsule::Pbkdf2 { salt, password_salt, kdf_algorithm_identifier, kdf_iterations } => {
                let args = schema::PBKDF2CapsuleArgs {
                    salt: self.octets(salt),
                    password_salt: self.octets(password_salt),
                    kdf_algorithm_identifier: schema::KDFAlgorithmIdentifier(*kdf_algorithm_identifier),
                    kdf_iterations: *kdf_iterations,
                };
                let capsule = schema::PBKDF2Capsule::create(&mut self.builder, &args);
                (schema::Capsule::PBKDF2Capsule, Some(capsule.as_union_value()))
            }
            Capsule::KeyShares { shares, salt, recipient_type, shares_scheme, recipient_id } => {
                let shares: Vec<_> = shares.iter().map(|share| self.share(share)).collect();
                let args = schema::KeySharesCapsuleArgs {
                    shares: Some(self.builder.create_vector(&shares)),
                    salt: self.octets(salt),
                    recipient_type: schema::KeyShareRecipientType(*recipient_type),
                    shares_scheme: schema::SharesScheme(*shares_scheme),
                    recipient_id: self.string(recipient_id),
                };
                let capsule = schema::KeySharesCapsule::create(&mut self.builder, &args);
                (schema::Capsule::KeySharesCapsule, Some(capsule.as_union_value()))
            }
            Capsule::Unknown(0) => (schema::Capsule::NONE, None),
            Capsule::Unknown(kind) => {
                let (_, value) = self.capsule(&Capsule::SymmetricKey { salt: vec![1] });
                (schema::Capsule(*kind), value)
            }
        }
    }

    fn key_details(&mut self, details: &KeyDetails) -> (schema::KeyDetailsUnion, Option<WIPOffset<UnionWIPOffset>>) {
        match details {
            KeyDetails::Ecc { curve, recipient_public_key } => {
                let args = schema::EccKeyDetailsArgs {
                    curve: schema::EllipticCurve(*curve),
                    recipient_public_key: self.octets(recipient_public_key),
                };
                let details = schema::EccKeyDetails::create(&mut self.builder, &args);
                (schema::KeyDetailsUnion::EccKeyDetails, Some(details.as_union_value()))
            }
            KeyDetails::Rsa { recipient_public_key } => {
                let args = schema::RsaKeyDetailsArgs { recipient_public_key: self.octets(recipient_public_key) };
                let details = schema::RsaKeyDetails::create(&mut self.builder, &args);
                (schema::KeyDetailsUnion::RsaKeyDetails, Some(details.as_union_value()))
            }
            KeyDetails::Unknown(0) => (schema::KeyDetailsUnion::NONE, None),
            KeyDetails::Unknown(kind) => {
                let (_, value) = self.key_details(&KeyDetails::Rsa { recipient_public_key: vec![1] });
                (schema::KeyDetailsUnion(*kind), value)
            }
        }
    }

    fn share(&mut self, share: &Share) -> WIPOffset<schema::KeyShare<'static>> {
        let args =
            schema::KeyShareArgs { server_base_url: self.string(&share.server_base_url), share_id: self.string(&share.share_id) };
        schema::KeyShare::create(&mut self.builder, &args)
    }
}

/// Both readers on the same octets.
#[derive(Debug, PartialEq, Eq)]
pub enum Answers {
    /// The core accepts; the oracle does too, with equal values.
    Same,
    /// The core accepts, and difference 1 or 2 applies.
    Different(u8),
    /// The core refuses.
    Refused,
}

/// Asks both readers. What the core accepts, the generated verifier accepts, and both see the same values. These are all the differences that
/// way round:
///
/// 1. The core does not check that strings are UTF-8.
/// 2. A union whose type is there and 0, and whose value is not there, is none for the core and for the C++ verifier. The Rust verifier
///    refuses it, though its builder writes just that with `force_defaults`.
/// 3. The generated verifier bounds the apparent size, which grows when records share a string. That bound is lifted here.
///
/// The other way round the core may refuse more; what a FlatBuffers builder writes, it accepts.
///
/// # Panics
/// Where the readers differ in a way that is not listed.
pub fn compare(octets: &[u8]) -> Answers {
    let Ok(parsed) = wire::header::Header::parse(octets) else { return Answers::Refused };
    match (Header::from_core(&parsed), read(octets)) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(ours, theirs);
            Answers::Same
        }
        (Err(_), Err(InvalidFlatbuffer::Utf8Error { .. })) => Answers::Different(1),
        (_, Err(InvalidFlatbuffer::InconsistentUnion { .. })) if has_no_union(&parsed) => Answers::Different(2),
        (ours, theirs) => panic!("the core reads {ours:?}, flatbuffers {theirs:?}"),
    }
}

fn has_no_union(header: &wire::header::Header<'_>) -> bool {
    header.records().any(|record| match record.capsule {
        wire::capsule::Capsule::Unknown(0) => true,
        wire::capsule::Capsule::KeyServer(capsule) => capsule.recipient_key_details == wire::capsule::KeyDetails::Unknown(0),
        _ => false,
    })
}
