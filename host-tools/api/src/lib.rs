//! What CDOC2 servers and their clients say to each other, as types. Source: the OpenAPI file `cdoc2-key-capsules` 3.1.1.
//!
//! Parsing checks lengths and forms that the interface sets; what a key is worth is for the server to check.

pub mod capsule;
pub mod expiry;
pub mod transaction_id;

pub use capsule::{Capsule, CapsuleType};
pub use expiry::ExpiryTime;
pub use transaction_id::TransactionId;
