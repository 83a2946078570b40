//! CDOC2 containers on a host: files in, files out, over the protocol core `cdoc2-nostd`.
//!
//! - [`encrypt`] writes a container of [`InputFile`]s for [`Recipient`]s, as a stream and in constant memory.
//! - [`Container`] opens one, and releases no octet of plaintext before the whole payload was authenticated.
//! - [`keys`] reads private keys, public keys and certificates; [`label`] says what records call their recipients; [`archive`] is the tar and
//!   zlib inside; [`unpack`] and [`pending`] see to it that files appear complete or not at all.

pub mod archive;
pub mod keys;
pub mod label;
pub mod pending;
pub mod unpack;

mod container;
mod encrypt;
mod error;
mod holder;
mod input;
mod payload;
mod recipient;
mod record;
mod selection;
mod server;
mod shares;
mod spool;
mod upload;

pub use container::{Authentic, Container, Unlocked};
pub use encrypt::{Summary, encrypt, encrypt_with_servers};
pub use error::{Error, Kind, NoRecord};
pub use holder::{Holder, Unlock, UnlockError};
pub use input::{InputFile, check_distinct, collect};
pub use recipient::{MIN_SYMMETRIC_KEY_LEN, Recipient};
pub use selection::Selection;
pub use server::{CapsuleServer, MAX_TRANSACTION_ID_LEN, Receipt, ServerCapsule, ServerError};
pub use shares::{MAX_SHARE_ID_LEN, NotKept, ShareReceipt, SharesServers, SplitKey};
pub use upload::Servers;

pub use cdoc2_nostd as core;
