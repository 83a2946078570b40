//! What a ticket is good for: `aud` of a token.

use std::fmt;
use std::str::FromStr;

use cdoc2_api::{Nonce, ShareId, id, nonce, share};

use crate::base_url::{self, BaseUrl};

/// One share, on one server, once: `https://HOST:PORT/key-shares/ID?nonce=NONCE`.
///
/// Whoever has it and the recipient's signature over it has the share: `Debug` leaves the nonce out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audience {
    /// The server.
    pub server: BaseUrl,
    /// The share.
    pub share_id: ShareId,
    /// What the server gave for it.
    pub nonce: Nonce,
}

/// Text that is no audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is no `/key-shares/ID?nonce=NONCE` at its end.
    #[error("an audience is https://HOST:PORT{}/ID?nonce=NONCE", share::PATH)]
    Form,
    /// The server's address.
    #[error(transparent)]
    Server(base_url::Malformed),
    /// The share's id.
    #[error(transparent)]
    ShareId(id::Malformed),
    /// The nonce.
    #[error(transparent)]
    Nonce(nonce::Malformed),
}

const NONCE: &str = "?nonce=";

impl FromStr for Audience {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (address, nonce) = text.rsplit_once(NONCE).ok_or(Malformed::Form)?;
        let (address, share_id) = address.rsplit_once('/').ok_or(Malformed::Form)?;
        let server = address.strip_suffix(share::PATH).ok_or(Malformed::Form)?;
        Ok(Self {
            server: server.parse().map_err(Malformed::Server)?,
            share_id: share_id.parse().map_err(Malformed::ShareId)?,
            nonce: nonce.parse().map_err(Malformed::Nonce)?,
        })
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}{NONCE}{}", self.server, share::PATH, self.share_id, self.nonce.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ff0102030405060708090a0b0c0e0dff";

    #[test]
    fn reads_back() {
        for (base, normal) in [
            ("https://localhost:8443", "https://localhost:8443"),
            ("https://localhost:8443/", "https://localhost:8443"),
            ("https://CSS.example.org", "https://css.example.org:443"),
            ("https://css.example.org/other/path/", "https://css.example.org:443/other/path"),
            ("https://css.example.org/key-shares", "https://css.example.org:443/key-shares"),
        ] {
            let audience: Audience = format!("{base}/key-shares/{ID}?nonce=AAECAwQFBgcICQoLDA4N_w").parse().unwrap();
            assert_eq!(audience.server, base.parse().unwrap());
            assert_eq!(audience.share_id.as_str(), ID);
            assert_eq!(audience.nonce.as_str(), "AAECAwQFBgcICQoLDA4N_w");
            assert_eq!(audience.to_string(), format!("{normal}/key-shares/{ID}?nonce=AAECAwQFBgcICQoLDA4N_w"));
            assert!(!format!("{audience:?}").contains("AAECAwQF"));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let read = |text: &str| text.parse::<Audience>().map(drop);
        for (text, reason) in [
            (String::new(), Malformed::Form),
            (format!("https://localhost/key-shares/{ID}"), Malformed::Form),
            (format!("https://localhost/key-shares/{ID}?NONCE=AAECAwQFBgcI"), Malformed::Form),
            (format!("https://localhost/key-capsules/{ID}?nonce=AAECAwQFBgcI"), Malformed::Form),
            (format!("https://localhost/key-shares/{ID}/?nonce=AAECAwQFBgcI"), Malformed::Form),
            (format!("http://localhost/key-shares/{ID}?nonce=AAECAwQFBgcI"), Malformed::Server(base_url::Malformed::Scheme)),
            (format!("https://localhost///key-shares/{ID}?nonce=AAECAwQFBgcI"), Malformed::Server(base_url::Malformed::Path)),
            (format!("https://localhost/?/key-shares/{ID}?nonce=AAECAwQFBgcI"), Malformed::Server(base_url::Malformed::Path)),
            ("https://localhost/key-shares/9a7c?nonce=AAECAwQFBgcI".into(), Malformed::ShareId(id::Malformed::Length)),
            (format!("https://localhost/key-shares/{ID}?a=1?nonce=AAECAwQFBgcI"), Malformed::ShareId(id::Malformed::Length)),
            (
                "https://localhost/key-shares/9EE90F2D-D946-4D54-9C3D-F4C6?nonce=AAECAwQFBgcI".into(),
                Malformed::ShareId(id::Malformed::Character),
            ),
            (format!("https://localhost/key-shares/{ID}?nonce=AAECAwQFBgc"), Malformed::Nonce(nonce::Malformed)),
            (format!("https://localhost/key-shares/{ID}?nonce=AAECAwQFBgcI&a=1"), Malformed::Nonce(nonce::Malformed)),
            (format!("https://localhost/key-shares/{ID}?nonce=AAECAwQFBgcI#a"), Malformed::Nonce(nonce::Malformed)),
        ] {
            assert_eq!(read(&text), Err(reason), "{text}");
        }
    }
}
