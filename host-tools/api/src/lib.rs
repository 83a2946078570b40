//! What CDOC2 servers and their clients say to each other, as types. Sources: the OpenAPI files `cdoc2-key-capsules` 3.1.1 and `cdoc2-key-shares`
//! 1.2.1.
//!
//! Parsing checks lengths and forms that the interfaces set; what a key or a signature is worth is for the server to check.

pub mod capsule;
pub mod expiry;
pub mod id;
pub mod nonce;
pub mod recipient_id;
pub mod share;

pub use capsule::{Capsule, CapsuleType};
pub use expiry::ExpiryTime;
pub use id::{ShareId, TransactionId};
pub use nonce::{Nonce, NonceResponse};
pub use recipient_id::RecipientId;
pub use share::{KeyShare, Share};
