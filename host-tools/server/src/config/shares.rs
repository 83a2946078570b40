//! What only a shares server has.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cdoc2_auth_token::BaseUrl;
use serde::Deserialize;

use super::{Contradiction, Interface, Limits, Ocsp, Rule, Sections, duration};

/// A shares server: the section `[shares]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Address and port; port 0 takes a free one.
    #[serde(default = "address")]
    pub address: SocketAddr,
    /// PEM: the server's certificate, then intermediate ones.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8, SEC 1 or PKCS#1), not encrypted.
    pub key: PathBuf,
    /// Where clients find this server: what a ticket must be for. A path in it comes before `/key-shares`.
    pub url: BaseUrl,
    /// PEM files with the authorities that the certificates which sign tickets must chain to.
    pub authorities: Vec<PathBuf>,
    /// PEM files with intermediate authorities: a client shows one certificate only. Not trusted by themselves.
    #[serde(default)]
    pub intermediates: Vec<PathBuf>,
    /// How long a nonce may be used.
    #[serde(default = "nonce_lifetime", with = "duration")]
    pub nonce_lifetime: Duration,
}

fn address() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 8443).into()
}

/// The specification's example.
fn nonce_lifetime() -> Duration {
    Duration::from_secs(300)
}

/// Longer than anybody takes to find a phone.
const MAX_NONCE_LIFETIME: Duration = Duration::from_secs(60 * 60);

impl Interface for Shares {
    fn take(sections: Sections) -> Result<Self, Contradiction> {
        let belongs = "belongs to a capsule server: run `cdoc2-server capsule`";
        match sections {
            Sections { sender: Some(_), .. } => Err(("[sender]", belongs)),
            Sections { recipient: Some(_), .. } => Err(("[recipient]", belongs)),
            Sections { shares, .. } => shares.ok_or(("[shares]", "is missing: it says where a shares server listens")),
        }
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let Self { certificate, key, authorities, intermediates, .. } = self;
        let mut paths = vec![certificate, key];
        paths.extend(authorities.iter_mut().chain(intermediates));
        paths
    }

    fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        vec![("shares.address", self.address)]
    }

    fn rules(&self, limits: &Limits, _ocsp: &Ocsp) -> Vec<Rule> {
        vec![
            (!self.authorities.is_empty(), "shares.authorities", "name at least one file: without, nobody can sign in"),
            (
                (Duration::from_secs(1)..=MAX_NONCE_LIFETIME).contains(&self.nonce_lifetime),
                "shares.nonce_lifetime",
                "must be from 1s to 1h",
            ),
            (limits.body_len >= 1024, "limits.body_len", "must be 1024 or more: the longest share takes that"),
            (limits.header_len >= 16 * 1024, "limits.header_len", "must be 16384 or more: a ticket and a certificate take that"),
        ]
    }
}
