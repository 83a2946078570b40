//! Capsules that are kept on a server instead of in the container (specification, "CDOC2 encryption schemes", SC.03 and SC.04).

use crate::keys::PublicKey;
use crate::recipient::Recipient;

/// Characters of the longest transaction id that servers give (interface "cdoc2-key-capsules" 3.1.1).
pub const MAX_TRANSACTION_ID_LEN: usize = 34;

/// What a server is to keep for one recipient. None of it is secret to the server alone: it takes the recipient's private key to make a key of it.
#[derive(Clone, Copy, Debug)]
pub struct ServerCapsule<'a> {
    /// The recipient's public key; [`PublicKey::capsule_octets`] are the octets that identify the recipient.
    pub recipient: &'a PublicKey,
    /// The ephemeral point `04 || X || Y` of an elliptic-curve capsule, or the KEK encrypted to the RSA key.
    pub ephemeral_key_material: &'a [u8],
}

/// What a server says of a capsule that it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// By what the recipient asks for it: 1 to [`MAX_TRANSACTION_ID_LEN`] characters.
    pub transaction_id: String,
    /// When it expires, in seconds after 1970, if that is known. Stands in the record's label.
    pub expiry: Option<u64>,
}

/// Why a server does not keep a capsule.
pub type ServerError = Box<dyn std::error::Error + Send + Sync>;

/// A server that keeps capsules: the network is the implementor's.
pub trait CapsuleServer {
    /// What the recipient's configuration calls it. Containers name nothing else of it.
    fn id(&self) -> &str;

    /// Whether it keeps capsules for `recipient`, one with a public key. Asked about every recipient before the first [`put`](Self::put).
    ///
    /// # Errors
    /// It does not, or the recipient could not fetch it.
    fn check(&self, recipient: &Recipient) -> Result<(), ServerError>;

    /// Gives `capsule`, which is for `recipient`, to the server. Done means kept.
    ///
    /// # Errors
    /// It does not keep it, as far as is known.
    fn put(&mut self, capsule: &ServerCapsule<'_>, recipient: &Recipient) -> Result<Receipt, ServerError>;
}
