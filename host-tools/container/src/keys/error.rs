//! Why a key cannot be loaded or used.

use std::io;

use der::asn1::ObjectIdentifier;
use x509_cert::der::oid::db::DB;

use super::format::{Format, Wanted, advice};
use super::{MAX_FILE_LEN, RSA_MAX_BITS, RSA_MIN_BITS};

/// Why a key cannot be loaded or used. The text names no file: the caller knows which one it is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is longer than [`MAX_FILE_LEN`].
    #[error("longer than {MAX_FILE_LEN} octets, so neither a key nor a certificate")]
    FileTooLarge,
    /// The file holds something else than what is needed.
    #[error("holds {found} where {wanted} is needed{}", advice(*.found, *.wanted))]
    WrongFormat {
        /// What is needed.
        wanted: Wanted,
        /// What is there: the first block of a PEM file.
        found: Format,
    },
    /// The file holds several of what is needed, and nothing tells which one is meant.
    #[error("holds {count} candidates for {wanted}; put the one that is meant into a file of its own")]
    Several {
        /// What is needed.
        wanted: Wanted,
        /// How many of them are there.
        count: usize,
    },
    /// The private key is encrypted, and there is nobody to ask for the passphrase.
    #[error("is encrypted: its passphrase is needed")]
    PassphraseNeeded,
    /// The passphrase does not decrypt the file.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The encryption of PEM files before PKCS#8, `Proc-Type: 4,ENCRYPTED`: one round of MD5 protects the passphrase.
    #[error(
        "is encrypted in the old way of OpenSSL (Proc-Type: 4,ENCRYPTED), which is unsafe; \
         convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW"
    )]
    LegacyEncryption,
    /// The file is encrypted in a way that is not supported.
    #[error("is encrypted with {0}, which is not supported; openssl pkcs8 or openssl pkcs12 can convert it")]
    UnsupportedEncryption(String),
    /// Opening the file would take more work than any honest writer asks for.
    #[error("asks for too much work to check its passphrase ({0})")]
    TooMuchWork(&'static str),
    /// A key of a kind that CDOC2 does not use.
    #[error("holds a key of the kind {0}; CDOC2 takes RSA and the curves P-256, P-384 and P-521")]
    UnsupportedAlgorithm(String),
    /// A curve that CDOC2 does not use.
    #[error("holds a key on the curve {0}; CDOC2 takes P-256 (secp256r1), P-384 and P-521")]
    UnsupportedCurve(String),
    /// The curve is spelled out instead of named.
    #[error(
        "spells out the parameters of its curve instead of naming it; \
         convert it: openssl ec -param_enc named_curve -in OLD -out NEW (with -pubin -pubout for a public key)"
    )]
    ExplicitCurve,
    /// An RSA modulus shorter than [`RSA_MIN_BITS`].
    #[error("holds an RSA key of {bits} bits; at least {RSA_MIN_BITS} are needed")]
    RsaTooSmall {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An RSA modulus longer than [`RSA_MAX_BITS`].
    #[error("holds an RSA key of {bits} bits; at most {RSA_MAX_BITS} are supported")]
    RsaTooLarge {
        /// Bits of the modulus.
        bits: usize,
    },
    /// BER with indefinite lengths, where DER is needed. Some browsers write PKCS#12 in that way.
    #[error(
        "is in BER with indefinite lengths, not in DER; rewrite a PKCS#12 file: openssl pkcs12 -in OLD -out TEXT, \
         then openssl pkcs12 -export -in TEXT -out NEW"
    )]
    IndefiniteLength,
    /// The file begins like a key or a certificate, but breaks off or breaks the rules.
    #[error("is damaged: {0}")]
    Malformed(&'static str),
    /// A public key that is not a point on the curve it should be on, or not in a form that is taken.
    #[error("holds a public key that is no point on its curve")]
    InvalidPoint,
    /// The generator of random octets failed.
    #[error("the system gives no random octets")]
    Random,
    /// The KEK cannot be decrypted: another key, or altered octets. Which of the two is not to be told apart.
    #[error("the key does not decrypt this")]
    Decryption,
}

/// The name of an algorithm or a curve, or its number where it has no name.
pub(super) fn name(oid: ObjectIdentifier) -> String {
    DB.by_oid(&oid).map_or_else(|| oid.to_string(), str::to_owned)
}
