//! What can go wrong, sorted by who must act. No text and no input octets: an edge (a command line, a card) says it in its own words.

use core::fmt;

/// Why an operation of this crate did not succeed.
///
/// Exhaustive on purpose: a new case must be mapped at every edge before anything builds again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The caller reads on: at least `needed` octets, counted from the start of the container, are wanted.
    Incomplete {
        /// Octets from the start of the container.
        needed: usize,
    },
    /// The sender or the channel: this field breaks a rule of the format.
    Malformed(Field),
    /// The container may be sound, but this build cannot use it.
    Unsupported(Feature),
    /// A MAC or a tag does not fit: wrong key or altered octets. Which of the two is not to be told apart.
    Rejected,
    /// The caller's limit stops here, and the caller may raise it.
    LimitExceeded(Limit),
    /// The caller's buffer is too short for the result.
    BufferTooSmall {
        /// Octets that the result takes.
        needed: usize,
    },
    /// The caller asked for something that must not be written.
    InvalidInput(Field),
    /// The caller's generator of random octets failed.
    Random,
}

/// A field of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The four octets "CDOC".
    Prelude,
    /// The length of the header.
    HeaderLength,
    /// The FlatBuffers framing of the header: root, tables, vtables.
    Header,
    /// The message authentication code of the header.
    HeaderMac,
    /// `Header.recipients`.
    Recipients,
    /// `RecipientRecord.capsule_type` and `RecipientRecord.capsule`.
    Capsule,
    /// `RecipientRecord.key_label`.
    KeyLabel,
    /// `RecipientRecord.encrypted_fmk`.
    EncryptedFmk,
    /// `RecipientRecord.fmk_encryption_method`.
    FmkEncryptionMethod,
    /// `Header.payload_encryption_method`.
    PayloadEncryptionMethod,
    /// `curve` of a capsule.
    Curve,
    /// `recipient_public_key` of a capsule.
    RecipientPublicKey,
    /// `ECCPublicKeyCapsule.sender_public_key`.
    SenderPublicKey,
    /// `RSAPublicKeyCapsule.encrypted_kek`.
    EncryptedKek,
    /// `KeyServerCapsule.recipient_key_details`.
    RecipientKeyDetails,
    /// `KeyServerCapsule.keyserver_id`.
    KeyServerId,
    /// `KeyServerCapsule.transaction_id`.
    TransactionId,
    /// `salt` of a capsule.
    Salt,
    /// `PBKDF2Capsule.password_salt`.
    PasswordSalt,
    /// `PBKDF2Capsule.kdf_algorithm_identifier`.
    KdfAlgorithmIdentifier,
    /// `PBKDF2Capsule.kdf_iterations`.
    KdfIterations,
    /// `KeySharesCapsule.shares`.
    Shares,
    /// `KeyShare.server_base_url`.
    ServerBaseUrl,
    /// `KeyShare.share_id`.
    ShareId,
    /// `KeySharesCapsule.recipient_type`.
    RecipientType,
    /// `KeySharesCapsule.shares_scheme`.
    SharesScheme,
    /// `KeySharesCapsule.recipient_id`.
    RecipientId,
    /// A private key that the caller lends.
    PrivateKey,
    /// A symmetric key or a password that the caller lends.
    Secret,
    /// Nonce, ciphertext and tag.
    Payload,
}

/// Something that this build, or the CDOC2 of today, does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// A version of the envelope other than 2.
    Version,
    /// A payload encryption method other than ChaCha20-Poly1305.
    PayloadEncryptionMethod,
    /// An FMK encryption method other than XOR.
    FmkEncryptionMethod,
    /// A capsule that this key holder, or this build, cannot open.
    Capsule,
    /// An elliptic curve.
    Curve,
    /// A key derivation function other than PBKDF2-HMAC-SHA-256.
    Kdf,
}

/// A limit that the caller set or left at its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// PBKDF2 iterations that a container asks for.
    KdfIterations {
        /// What the container asks for.
        asked: u32,
        /// The limit that it exceeds.
        limit: u32,
    },
    /// A header of more than 2^20 octets.
    HeaderLen,
    /// A payload longer than one ChaCha20-Poly1305 message can be: 2^38 - 64 octets (RFC 8439, 2.8).
    PayloadLen,
}

/// Writes the name of the case, as `Debug` does: the words are the edge's.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl core::error::Error for Error {}
