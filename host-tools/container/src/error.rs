//! What can go wrong with a container, in words for the person who has it in hand.

use std::io;
use std::path::PathBuf;

use cdoc2_nostd::{Feature, Field, Limit};

use crate::server::ServerError;
use crate::{archive, keys};

/// Why a container could not be written or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The octets are no container, or not a sound one.
    #[error("not a sound CDOC2 container: {}", malformed(*.0))]
    Malformed(Field),
    /// The container ends before its header does.
    #[error("the container is cut short inside its header")]
    HeaderCut,
    /// A container of tomorrow, or of another kind.
    #[error("{} is not supported", unsupported(*.0))]
    Unsupported(Feature),
    /// No record fits the key that was given.
    #[error("{0}")]
    NoRecord(NoRecord),
    /// The key, the password or the header is not the right one.
    #[error("wrong password or key, or the header was altered")]
    Rejected,
    /// A container asks for more PBKDF2 iterations than allowed.
    #[error("the container asks for {asked} rounds of password hashing, {limit} are allowed")]
    KdfIterations {
        /// Iterations that it asks for, in all records that would be tried.
        asked: u64,
        /// Iterations that are allowed.
        limit: u32,
    },
    /// The tag of the payload does not fit.
    #[error("the payload was altered: its authentication tag does not fit")]
    PayloadAltered,
    /// The payload is shorter than it was or than any can be.
    #[error("the payload is cut short")]
    PayloadCut,
    /// What stands inside the payload breaks a rule.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// The container cannot be read.
    #[error("the container cannot be read: {0}")]
    ReadContainer(#[source] io::Error),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    WriteOutput(#[source] io::Error),
    /// One file was to be written to one output.
    #[error("the container holds {count} files; only a single one can be written to one output")]
    NotSingle {
        /// How many there are.
        count: usize,
    },
    /// A file or folder cannot be read.
    #[error("{}: {source}", path.display())]
    Input {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be taken into a container as it is.
    #[error("{}: {reason}", path.display())]
    UnfitInput {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is nobody to encrypt for.
    #[error("no recipient was given")]
    NoRecipients,
    /// A recipient cannot be written down.
    #[error("recipient {index}: {reason}")]
    Recipient {
        /// Its place among the recipients, from 1.
        index: usize,
        /// Why.
        reason: String,
    },
    /// The capsule server does not take a recipient, or did not keep a capsule.
    #[error("recipient {index}: the capsule server {server:?}: {reason}")]
    Server {
        /// The recipient's place, from 1.
        index: usize,
        /// The server's id.
        server: String,
        /// Why, by whoever talks to the server.
        reason: ServerError,
    },
    /// A shares server does not take a recipient, or did not keep a share.
    #[error("recipient {index}: the shares server {server}: {reason}")]
    SharesServer {
        /// The recipient's place, from 1.
        index: usize,
        /// The server's base URL.
        server: String,
        /// Why, by whoever talks to the server.
        reason: ServerError,
    },
    /// The capsule of a record cannot be had from the server that keeps it.
    #[error("the capsule server {server:?}: {reason}")]
    NotFetched {
        /// The server's id as it stands in the container.
        server: String,
        /// Why, by whoever talks to the server.
        reason: ServerError,
    },
    /// The header would be longer than the format allows.
    #[error("too many recipients: the header would exceed 1 MiB")]
    HeaderTooLong,
    /// The content is longer than the cipher allows.
    #[error("the content is longer than one container can hold (256 GiB)")]
    PayloadTooLong,
    /// The system gave no random octets.
    #[error("the system's generator of random octets failed")]
    Random,
    /// A defect of this program: a case that its own types should have excluded.
    #[error("internal error: {0}")]
    Internal(cdoc2_nostd::Error),
}

/// Why no record fits.
#[derive(Debug, thiserror::Error)]
pub enum NoRecord {
    /// No record is for this key, or of its kind.
    #[error("the container has no record for this {what}")]
    ForKey {
        /// "key", "password" or "secret".
        what: &'static str,
    },
    /// The record is for this key, but its capsule is on a server.
    #[error("the record for this key is kept on the capsule server {server:?}")]
    OnServer {
        /// The server's id as it stands in the container.
        server: String,
    },
    /// No record has the label that was asked for.
    #[error("the container has no record with the label {label:?}")]
    Label {
        /// What was asked for.
        label: String,
    },
    /// There is no record of this number.
    #[error("the container has {count} records, none of them number {index}")]
    Index {
        /// What was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The record that was asked for is of another kind, or for another key.
    #[error("record {index} is not for this {what}")]
    Mismatch {
        /// Its number, from 1.
        index: usize,
        /// "key", "password" or "secret".
        what: &'static str,
    },
}

/// Classes of errors, by what a script would do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the caller asked for cannot be done.
    Usage,
    /// Not a sound or not a supported container.
    Format,
    /// No record for the key.
    NoRecord,
    /// Wrong password or key, or altered header.
    Rejected,
    /// Payload altered or cut short.
    Payload,
    /// Archive malformed or unsafe.
    Archive,
    /// A limit exceeded.
    Limit,
    /// Input or output.
    Io,
    /// A server.
    Server,
}

impl Error {
    /// The class of this error.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Malformed(_) | Self::HeaderCut | Self::Unsupported(_) | Self::KdfIterations { .. } => Kind::Format,
            Self::NoRecord(_) => Kind::NoRecord,
            Self::Rejected => Kind::Rejected,
            Self::PayloadAltered | Self::PayloadCut => Kind::Payload,
            Self::Archive(error) => match error.kind() {
                archive::ErrorKind::Archive => Kind::Archive,
                archive::ErrorKind::Limit => Kind::Limit,
                archive::ErrorKind::Io => Kind::Io,
            },
            Self::Server { .. } | Self::SharesServer { .. } | Self::NotFetched { .. } => Kind::Server,
            Self::HeaderTooLong | Self::PayloadTooLong => Kind::Limit,
            Self::Key(keys::Error::Io(_))
            | Self::ReadContainer(_)
            | Self::WriteOutput(_)
            | Self::Input { .. }
            | Self::Random
            | Self::Internal(_) => Kind::Io,
            Self::Key(_) | Self::NotSingle { .. } | Self::UnfitInput { .. } | Self::NoRecipients | Self::Recipient { .. } => {
                Kind::Usage
            }
        }
    }
}

/// The core's errors in this crate's words. What concerns one recipient or one record is mapped where it happens.
impl From<cdoc2_nostd::Error> for Error {
    fn from(error: cdoc2_nostd::Error) -> Self {
        match error {
            cdoc2_nostd::Error::Incomplete { .. } => Self::HeaderCut,
            cdoc2_nostd::Error::Malformed(field) => Self::Malformed(field),
            cdoc2_nostd::Error::Unsupported(feature) => Self::Unsupported(feature),
            cdoc2_nostd::Error::Rejected => Self::Rejected,
            cdoc2_nostd::Error::LimitExceeded(Limit::KdfIterations { asked, limit }) => {
                Self::KdfIterations { asked: asked.into(), limit }
            }
            cdoc2_nostd::Error::LimitExceeded(Limit::HeaderLen) => Self::HeaderTooLong,
            cdoc2_nostd::Error::LimitExceeded(Limit::PayloadLen) => Self::PayloadTooLong,
            cdoc2_nostd::Error::Random => Self::Random,
            cdoc2_nostd::Error::BufferTooSmall { .. } | cdoc2_nostd::Error::InvalidInput(_) => Self::Internal(error),
        }
    }
}

fn malformed(field: Field) -> &'static str {
    match field {
        Field::Prelude => "it does not begin with \"CDOC\"",
        Field::HeaderLength => "its header length is out of range",
        Field::Header => "its header is damaged",
        Field::HeaderMac => "the authentication code of its header is damaged",
        Field::Recipients => "its header lists no sound recipient",
        Field::Capsule => "a recipient's capsule is damaged",
        Field::KeyLabel => "a recipient's label is damaged",
        Field::EncryptedFmk => "a recipient's encrypted file key is damaged or not 32 octets long",
        Field::FmkEncryptionMethod => "the method of a recipient's encrypted file key is damaged",
        Field::PayloadEncryptionMethod => "the method of the payload's encryption is damaged",
        Field::Curve => "the curve of a recipient is damaged",
        Field::RecipientPublicKey => "a recipient's public key is damaged",
        Field::SenderPublicKey => "the sender's public key is not a point of the recipient's curve",
        Field::EncryptedKek => "a recipient's encrypted key is damaged",
        Field::RecipientKeyDetails => "the key of a server's recipient is damaged",
        Field::KeyServerId => "the id of a capsule server is damaged",
        Field::TransactionId => "the transaction id of a capsule server is damaged",
        Field::Salt => "a recipient's salt is damaged",
        Field::PasswordSalt => "a password's salt is damaged or empty",
        Field::KdfAlgorithmIdentifier => "the id of a password's hashing is damaged",
        Field::KdfIterations => "the number of rounds of a password's hashing is not positive",
        Field::Shares => "a recipient's list of key shares is damaged",
        Field::ServerBaseUrl => "the address of a shares server is damaged",
        Field::ShareId => "the id of a key share is damaged",
        Field::RecipientType => "the kind of a shares recipient is damaged",
        Field::SharesScheme => "the scheme of key shares is damaged",
        Field::RecipientId => "the id of a shares recipient is damaged",
        Field::PrivateKey => "the private key is not one of its curve",
        Field::Secret => "the secret cannot be used",
        Field::Payload => "its payload is damaged",
    }
}

fn unsupported(feature: Feature) -> &'static str {
    match feature {
        Feature::Version => "this version of the container format (only CDOC version 2 is)",
        Feature::PayloadEncryptionMethod => "the encryption method of the payload",
        Feature::FmkEncryptionMethod => "the encryption method of the recipient's file key",
        Feature::Capsule => "the recipient's kind of capsule",
        Feature::Curve => "the recipient's curve",
        Feature::Kdf => "the password hashing of the recipient",
    }
}
