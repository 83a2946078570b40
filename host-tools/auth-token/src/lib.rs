//! The authentication token of CDOC2: a person signs once, and shows each shares server a ticket that is worth nothing at the others. Sources:
//! specification, "Client authentication protocol"; RFC 9901 (SD-JWT); RFC 7515 (JWS).
//!
//! ```text
//! token  = header . payload . signature
//! header = {"typ": "vnd.cdoc2.auth-token.v1+sd-jwt", "alg": ...}
//! payload = {"iss": who signs, "_sd": [digest of A], "_sd_alg": "sha-256"}
//! A      = [salt, "aud", [{"...": digest of E1}, {"...": digest of E2}, ...]]
//! En     = [salt, "https://HOST:PORT/key-shares/ID?nonce=NONCE"]
//! ticket of server n = token ~ A ~ En ~
//! ```
//! Everything is in base64url without padding, and a digest is that of the text in base64url. A server learns from digests how many other servers there
//! are, but neither which, nor ids or nonces there: those stand behind salts of 16 octets.
//!
//! ```
//! use cdoc2_auth_token::{Algorithm, Audience, Ticket, Unsigned};
//! # let sign = |_: &[u8]| vec![1; 64];
//! let audiences: Vec<Audience> = [
//!     "https://css.example:443/key-shares/9a7c3717d21f5cf19d18fa4fa5adee21?nonce=AAECAwQFBgcICQoL",
//!     "https://css.example.org:8443/key-shares/ff0102030405060708090a0b0c0e0dff?nonce=DA0ODxAREhMUFRYX",
//! ]
//! .iter()
//! .map(|text| text.parse())
//! .collect::<Result<_, _>>()?;
//! let person = "etsi/PNOEE-48010010101".parse()?;
//! let unsigned = Unsigned::new(&person, Algorithm::Es256, &audiences, &mut getrandom::SysRng)?;
//! let signature = sign(unsigned.signing_input());
//! let token = unsigned.sign(signature)?;
//!
//! let ticket = Ticket::parse(&token.ticket(1).expect("one for each server"))?;
//! assert_eq!(ticket.issuer(), &person);
//! assert_eq!(ticket.audience(), &audiences[1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! There is no network and no clock in here: whose key it is, whether the nonce was given, and when, is for the server to say. Of certificates there is
//! only [what they must be for](purpose).

pub mod algorithm;
pub mod audience;
pub mod base_url;
mod disclosure;
pub mod issue;
mod json;
pub mod purpose;
pub mod ticket;

pub use algorithm::{Algorithm, Unverified};
pub use audience::Audience;
pub use base_url::BaseUrl;
pub use issue::{Token, Unsigned};
pub use ticket::{Malformed, Ticket};

/// `typ` of the header.
pub const TYPE: &str = "vnd.cdoc2.auth-token.v1+sd-jwt";

/// Servers that one token is for, at most.
pub const MAX_AUDIENCES: usize = 32;
