//! Capsules: what lets one recipient compute the KEK. Specification: appendix B (recipients.fbs) and "Capsule types".
//!
//! Every value that a schema of tomorrow may add stays visible as `Unknown`, so that one such record does not keep the other
//! recipients out.

use core::fmt;

use crate::wire::flat::{Table, Tables};
use crate::{Curve, Error, Field};

/// A string of the header: its octets, which are UTF-8 if the sender kept to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'b>(pub &'b [u8]);

impl<'b> Text<'b> {
    /// The string, if it is UTF-8.
    #[must_use]
    pub fn as_str(self) -> Option<&'b str> {
        core::str::from_utf8(self.0).ok()
    }
}

impl<'b> From<&'b str> for Text<'b> {
    fn from(text: &'b str) -> Self {
        Self(text.as_bytes())
    }
}

/// What is not UTF-8 is shown as U+FFFD. Nothing else is escaped: control characters are the terminal's danger and the caller's task.
impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{FFFD}")?;
            }
        }
        Ok(())
    }
}

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $value:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$case_doc])* $case,)+
            /// A value that the schema does not list, or 0, which it calls UNKNOWN.
            Unknown(i8),
        }

        impl $name {
            pub(crate) fn from_wire(value: i8) -> Self {
                match value {
                    $($value => Self::$case,)+
                    other => Self::Unknown(other),
                }
            }

            /// The value on the wire.
            #[must_use]
            pub fn to_wire(self) -> i8 {
                match self {
                    $(Self::$case => $value,)+
                    Self::Unknown(value) => value,
                }
            }
        }
    };
}

wire_enum! {
    /// `FMKEncryptionMethod`.
    FmkEncryptionMethod {
        /// FMK xor KEK.
        Xor = 1,
    }
}
wire_enum! {
    /// `PayloadEncryptionMethod`.
    PayloadEncryptionMethod {
        /// ChaCha20-Poly1305 (RFC 8439).
        ChaCha20Poly1305 = 1,
    }
}
wire_enum! {
    /// `KDFAlgorithmIdentifier`.
    KdfAlgorithmIdentifier {
        /// PBKDF2 with HMAC-SHA-256 (RFC 8018).
        Pbkdf2WithHmacSha256 = 1,
    }
}
wire_enum! {
    /// `KeyShareRecipientType`.
    KeyShareRecipientType {
        /// Smart-ID or Mobile-ID.
        SidMid = 1,
    }
}
wire_enum! {
    /// `SharesScheme`.
    SharesScheme {
        /// All shares are needed.
        NOfN = 1,
    }
}

/// `EllipticCurve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EllipticCurve {
    /// A curve that CDOC2 uses: value 1 in the specification, 2 and 3 in libcdoc's schema only.
    Known(Curve),
    /// A value that neither schema lists, or 0, which they call UNKNOWN.
    Unknown(i8),
}

impl EllipticCurve {
    fn from_wire(value: i8) -> Self {
        match value {
            1 => Self::Known(Curve::Secp384r1),
            2 => Self::Known(Curve::Secp256r1),
            3 => Self::Known(Curve::Secp521r1),
            other => Self::Unknown(other),
        }
    }

    /// The value on the wire.
    #[must_use]
    pub fn to_wire(self) -> i8 {
        match self {
            Self::Known(Curve::Secp384r1) => 1,
            Self::Known(Curve::Secp256r1) => 2,
            Self::Known(Curve::Secp521r1) => 3,
            Self::Unknown(value) => value,
        }
    }
}

/// `Capsule`: one of the six kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capsule<'b> {
    /// For the holder of an elliptic-curve key (schemes SC.01 and, from a capsule server, SC.03).
    EccPublicKey(EccPublicKeyCapsule<'b>),
    /// For the holder of an RSA key (SC.02 and, from a capsule server, SC.04).
    RsaPublicKey(RsaPublicKeyCapsule<'b>),
    /// To be fetched from a capsule server (SC.03 and SC.04).
    KeyServer(KeyServerCapsule<'b>),
    /// For whoever has the symmetric key (SC.05).
    SymmetricKey(SymmetricKeyCapsule<'b>),
    /// For whoever knows the password (SC.06).
    Pbkdf2(Pbkdf2Capsule<'b>),
    /// To be combined from several shares servers (SC.07).
    KeyShares(KeySharesCapsule<'b>),
    /// A kind that the schema does not list, or none at all (0).
    Unknown(u8),
}

/// Recipient identified by an elliptic-curve public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EccPublicKeyCapsule<'b> {
    /// The curve of both keys.
    pub curve: EllipticCurve,
    /// The recipient's point, `04 || X || Y` if the sender kept to the specification.
    pub recipient_public_key: &'b [u8],
    /// The sender's ephemeral point, in the same form.
    pub sender_public_key: &'b [u8],
}

/// Recipient identified by an RSA public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RsaPublicKeyCapsule<'b> {
    /// DER of `RSAPublicKey` (RFC 8017, A.1.1).
    pub recipient_public_key: &'b [u8],
    /// The KEK under RSA-OAEP with SHA-256, MGF1 with SHA-256 and an empty label.
    pub encrypted_kek: &'b [u8],
}

/// A capsule that waits on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyServerCapsule<'b> {
    /// The key that the recipient authenticates with.
    pub recipient_key_details: KeyDetails<'b>,
    /// Which server, by the name that it has in the recipient's own configuration.
    pub keyserver_id: Text<'b>,
    /// Which capsule.
    pub transaction_id: Text<'b>,
}

/// `KeyDetailsUnion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDetails<'b> {
    /// An elliptic-curve key.
    Ecc {
        /// Its curve.
        curve: EllipticCurve,
        /// Its point.
        recipient_public_key: &'b [u8],
    },
    /// An RSA key.
    Rsa {
        /// DER of `RSAPublicKey`.
        recipient_public_key: &'b [u8],
    },
    /// A kind that the schema does not list, or none at all (0).
    Unknown(u8),
}

/// Recipient identified by the key label alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymmetricKeyCapsule<'b> {
    /// Salt of the KEK derivation.
    pub salt: &'b [u8],
}

/// Recipient who knows a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pbkdf2Capsule<'b> {
    /// Salt of the KEK derivation.
    pub salt: &'b [u8],
    /// Salt of PBKDF2.
    pub password_salt: &'b [u8],
    /// The function.
    pub kdf_algorithm_identifier: KdfAlgorithmIdentifier,
    /// Its iterations as they stand there: zero and negative numbers are not sound.
    pub kdf_iterations: i32,
}

/// Recipient who signs in at several shares servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySharesCapsule<'b> {
    /// Where the shares are.
    pub shares: Shares<'b>,
    /// Salt of the sender's KEK derivation.
    pub salt: &'b [u8],
    /// How the recipient signs in.
    pub recipient_type: KeyShareRecipientType,
    /// How many shares are needed.
    pub shares_scheme: SharesScheme,
    /// For example "etsi/PNOEE-48010010101".
    pub recipient_id: Text<'b>,
}

/// `KeyShare`: where one share is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLocation<'b> {
    /// The server, as a URL.
    pub server_base_url: Text<'b>,
    /// The share on that server.
    pub share_id: Text<'b>,
}

/// The list of shares: one that was parsed, or one that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Shares<'b>(SharesSource<'b>);

#[derive(Clone, Copy, Debug)]
enum SharesSource<'b> {
    /// The capsule's table, in which every share was checked.
    Parsed(Table<'b>),
    Given(&'b [ShareLocation<'b>]),
}

impl<'b> Shares<'b> {
    /// A list to be written.
    #[must_use]
    pub fn new(shares: &'b [ShareLocation<'b>]) -> Self {
        Self(SharesSource::Given(shares))
    }

    /// The shares in their order.
    pub fn iter(&self) -> impl Iterator<Item = ShareLocation<'b>> + use<'b> {
        let (parsed, given) = match self.0 {
            SharesSource::Parsed(capsule) => (share_tables(&capsule).ok(), &[][..]),
            SharesSource::Given(given) => (None, given),
        };
        // `parse` went through the same walk to its end, so nothing is left out here.
        let parsed = parsed.into_iter().flatten().map_while(|share| ShareLocation::parse(&share.ok()?).ok());
        parsed.chain(given.iter().copied())
    }
}

impl PartialEq for Shares<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Shares<'_> {}

fn share_tables<'b>(capsule: &Table<'b>) -> Result<Tables<'b>, Error> {
    capsule.tables(0, Field::Shares)?.ok_or(Error::Malformed(Field::Shares))
}

/// How many shares the capsules of one header may list altogether.
///
/// Each share of its own takes eight octets and more, so no sound header meets the bound. It keeps the work linear where many
/// records point at one long list.
#[derive(Debug)]
pub(super) struct ShareBudget(pub(super) usize);

impl<'b> Capsule<'b> {
    /// The kind on the wire: 1 to 6, or what stood there.
    #[must_use]
    pub fn capsule_type(&self) -> u8 {
        match self {
            Self::EccPublicKey(_) => 1,
            Self::RsaPublicKey(_) => 2,
            Self::KeyServer(_) => 3,
            Self::SymmetricKey(_) => 4,
            Self::Pbkdf2(_) => 5,
            Self::KeyShares(_) => 6,
            Self::Unknown(capsule_type) => *capsule_type,
        }
    }

    /// Reads the union of `record` in the slots `TYPE` and `VALUE`.
    pub(super) fn parse(record: &Table<'b>, budget: &mut ShareBudget) -> Result<Self, Error> {
        let Some((capsule_type, table)) = union(record, 0, Field::Capsule, 1..=6)? else {
            return Ok(Self::Unknown(0));
        };
        let Some(table) = table else {
            return Ok(Self::Unknown(capsule_type));
        };
        match capsule_type {
            1 => EccPublicKeyCapsule::parse(&table).map(Self::EccPublicKey),
            2 => RsaPublicKeyCapsule::parse(&table).map(Self::RsaPublicKey),
            3 => KeyServerCapsule::parse(&table).map(Self::KeyServer),
            4 => SymmetricKeyCapsule::parse(&table).map(Self::SymmetricKey),
            5 => Pbkdf2Capsule::parse(&table).map(Self::Pbkdf2),
            6 => KeySharesCapsule::parse(&table, budget).map(Self::KeyShares),
            other => Ok(Self::Unknown(other)),
        }
    }
}

/// A union is two slots, its type and its value, present or absent together. The value of a type outside `known` is not looked into.
fn union<'b>(
    table: &Table<'b>,
    slot: usize,
    field: Field,
    known: core::ops::RangeInclusive<u8>,
) -> Result<Option<(u8, Option<Table<'b>>)>, Error> {
    let value = slot.saturating_add(1);
    match (table.octet(slot, field)?, table.has_target(value, field)?) {
        (None | Some(0), false) => Ok(None),
        (Some(kind), true) if known.contains(&kind) => Ok(Some((kind, table.table(value, field)?))),
        (Some(kind), true) => Ok(Some((kind, None))),
        (None, true) | (Some(_), false) => Err(Error::Malformed(field)),
    }
}

impl<'b> EccPublicKeyCapsule<'b> {
    fn parse(table: &Table<'b>) -> Result<Self, Error> {
        Ok(Self {
            curve: EllipticCurve::from_wire(table.byte(0, Field::Curve)?),
            recipient_public_key: table.octets(1, Field::RecipientPublicKey)?,
            sender_public_key: table.octets(2, Field::SenderPublicKey)?,
        })
    }
}

impl<'b> RsaPublicKeyCapsule<'b> {
    fn parse(table: &Table<'b>) -> Result<Self, Error> {
        Ok(Self {
            recipient_public_key: table.octets(0, Field::RecipientPublicKey)?,
            encrypted_kek: table.octets(1, Field::EncryptedKek)?,
        })
    }
}

impl<'b> KeyServerCapsule<'b> {
    fn parse(table: &Table<'b>) -> Result<Self, Error> {
        Ok(Self {
            recipient_key_details: KeyDetails::parse(table)?,
            keyserver_id: Text(table.string(2, Field::KeyServerId)?),
            transaction_id: Text(table.string(3, Field::TransactionId)?),
        })
    }
}

impl<'b> KeyDetails<'b> {
    fn parse(capsule: &Table<'b>) -> Result<Self, Error> {
        match union(capsule, 0, Field::RecipientKeyDetails, 1..=2)? {
            Some((1, Some(details))) => Ok(Self::Ecc {
                curve: EllipticCurve::from_wire(details.byte(0, Field::Curve)?),
                recipient_public_key: details.octets(1, Field::RecipientPublicKey)?,
            }),
            Some((_, Some(details))) => Ok(Self::Rsa { recipient_public_key: details.octets(0, Field::RecipientPublicKey)? }),
            Some((other, None)) => Ok(Self::Unknown(other)),
            None => Ok(Self::Unknown(0)),
        }
    }
}

impl<'b> SymmetricKeyCapsule<'b> {
    fn parse(table: &Table<'b>) -> Result<Self, Error> {
        Ok(Self { salt: table.octets(0, Field::Salt)? })
    }
}

impl<'b> Pbkdf2Capsule<'b> {
    fn parse(table: &Table<'b>) -> Result<Self, Error> {
        let kdf = table.byte(2, Field::KdfAlgorithmIdentifier)?;
        Ok(Self {
            salt: table.octets(0, Field::Salt)?,
            password_salt: table.octets(1, Field::PasswordSalt)?,
            kdf_algorithm_identifier: KdfAlgorithmIdentifier::from_wire(kdf),
            kdf_iterations: table.int32(3, Field::KdfIterations)?,
        })
    }
}

impl<'b> KeySharesCapsule<'b> {
    fn parse(table: &Table<'b>, budget: &mut ShareBudget) -> Result<Self, Error> {
        let shares = share_tables(table)?;
        budget.0 = budget.0.checked_sub(shares.len()).ok_or(Error::Malformed(Field::Shares))?;
        for share in shares {
            ShareLocation::parse(&share?)?;
        }
        Ok(Self {
            shares: Shares(SharesSource::Parsed(*table)),
            salt: table.octets(1, Field::Salt)?,
            recipient_type: KeyShareRecipientType::from_wire(table.byte(2, Field::RecipientType)?),
            shares_scheme: SharesScheme::from_wire(table.byte(3, Field::SharesScheme)?),
            recipient_id: Text(table.string(4, Field::RecipientId)?),
        })
    }
}

impl<'b> ShareLocation<'b> {
    fn parse(table: &Table<'b>) -> Result<Self, Error> {
        Ok(Self { server_base_url: Text(table.string(0, Field::ServerBaseUrl)?), share_id: Text(table.string(1, Field::ShareId)?) })
    }
}
