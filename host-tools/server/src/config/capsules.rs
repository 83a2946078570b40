//! What only a capsule server has.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::{Contradiction, Interface, Limits, Ocsp, Rule, Sections};

/// A capsule server: the sections `[sender]` and `[recipient]`.
#[derive(Clone, Debug)]
pub struct Capsules {
    /// Where senders put capsules: TLS without client authentication.
    pub sender: Sender,
    /// Where recipients fetch capsules: TLS with client certificates.
    pub recipient: Recipient,
}

/// The section `[sender]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Address and port; port 0 takes a free one.
    #[serde(default = "sender_address")]
    pub address: SocketAddr,
    /// PEM: the server's certificate, then intermediate ones.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8, SEC 1 or PKCS#1), not encrypted.
    pub key: PathBuf,
}

/// The section `[recipient]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Address and port; port 0 takes a free one.
    #[serde(default = "recipient_address")]
    pub address: SocketAddr,
    /// PEM: the server's certificate, then intermediate ones.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8, SEC 1 or PKCS#1), not encrypted.
    pub key: PathBuf,
    /// PEM files with the authorities that client certificates must chain to.
    pub client_authorities: Vec<PathBuf>,
    /// PEM files with intermediate authorities, for clients that send their own certificate only. Not trusted by themselves.
    #[serde(default)]
    pub client_intermediates: Vec<PathBuf>,
}

fn sender_address() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 8443).into()
}

fn recipient_address() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 8444).into()
}

/// Two fields of 2100 octets in base64, names and white space.
const MIN_BODY_LEN: usize = 8192;

const MISSING: &str = "is missing: a capsule server has [sender] and [recipient], a shares server has [shares]";

impl Interface for Capsules {
    fn take(sections: Sections) -> Result<Self, Contradiction> {
        match sections {
            Sections { shares: Some(_), .. } => Err(("[shares]", "belongs to a shares server: run `cdoc2-server shares`")),
            Sections { sender: None, .. } => Err(("[sender]", MISSING)),
            Sections { recipient: None, .. } => Err(("[recipient]", MISSING)),
            Sections { sender: Some(sender), recipient: Some(recipient), shares: None } => Ok(Self { sender, recipient }),
        }
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let Self { sender, recipient } = self;
        let mut paths = vec![&mut sender.certificate, &mut sender.key, &mut recipient.certificate, &mut recipient.key];
        paths.extend(recipient.client_authorities.iter_mut().chain(&mut recipient.client_intermediates));
        paths
    }

    fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        vec![("sender.address", self.sender.address), ("recipient.address", self.recipient.address)]
    }

    fn rules(&self, limits: &Limits, ocsp: &Ocsp) -> Vec<Rule> {
        vec![
            (
                !self.recipient.client_authorities.is_empty(),
                "recipient.client_authorities",
                "name at least one file: without, no client gets in",
            ),
            (
                limits.body_len >= MIN_BODY_LEN,
                "limits.body_len",
                "must be 8192 or more: the longest capsule of the interface takes that",
            ),
            (limits.header_len >= 8192, "limits.header_len", "must be 8192 or more"),
            (
                !ocsp.enabled || ocsp.timeout <= limits.handshake_timeout,
                "ocsp.timeout",
                "must not be longer than limits.handshake_timeout: a question is asked within a handshake",
            ),
        ]
    }
}
