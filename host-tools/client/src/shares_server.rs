//! Shares servers: a key is split over several of them when a container is made, and put together when it is opened by whoever signs in.
//!
//! - [`Sender`] is the [`cdoc2::SharesServers`] of one set of the configuration.
//! - [`SharesHolder`] is a [`KeyHolder`](cdoc2::core::holder::KeyHolder) that lets a person sign, once, and fetches the shares of a record for them.
//! - [`check`] tells how a server does.
//!
//! ```text
//! record          -> places of its shares; each server stands in the configuration
//! nonces          <- POST /key-shares/ID/nonce, all servers at once
//! token           = one signature of the person over the digests of all places and nonces
//! ticket n        = the token, and the place and nonce of server n alone
//! shares          <- GET /key-shares/ID with ticket n, all servers at once
//! KEK             = share 1 xor .. xor share n
//! ```
//!
//! Sources: the OpenAPI file `cdoc2-key-shares` 1.2.1, with the headers of older versions; specification, "CDOC2 CSS" and "Client authentication protocol".
//! Session tokens of `cdoc2-auth-server`, which 1.2.1 drafts, are not known here.

mod check;
mod error;
mod fetch;
mod holder;
mod record;
mod sender;

pub use cdoc2_api::RecipientId;
pub use check::check;
pub use error::{Error, Reason, Unsound};
pub use holder::SharesHolder;
pub use record::recipient;
pub use sender::Sender;
