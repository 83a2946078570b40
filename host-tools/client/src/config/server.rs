//! Capsule servers as a configuration lists them.

use std::time::SystemTime;

use cdoc2_api::CapsuleType;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use toml::Spanned;

use super::{Document, Error};
use crate::tls::not_after;

/// The kinds of capsules that version 3.1.1 of the interface has: what a server takes whose entry names none.
pub const ALL_CAPSULE_TYPES: [CapsuleType; 4] =
    [CapsuleType::EccSecp256r1, CapsuleType::EccSecp384r1, CapsuleType::EccSecp521r1, CapsuleType::Rsa];

/// A capsule server. Containers name its id and nothing else (specification, "Server identification and trust").
#[derive(Clone, Debug)]
pub struct Server {
    /// What containers call it.
    pub id: String,
    /// Who runs it.
    pub owner: Option<String>,
    /// Where capsules are sent to.
    pub sender_url: Url,
    /// Where they are fetched from.
    pub recipient_url: Url,
    /// Certificates of which the server must show one, or one that was issued by one of them.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The kinds of capsules that it takes.
    pub capsule_types: Vec<CapsuleType>,
}

impl Server {
    /// Until when each of the pinned certificates is valid.
    #[must_use]
    pub fn pins_not_after(&self) -> Vec<SystemTime> {
        self.certificates.iter().filter_map(|pin| not_after(pin)).collect()
    }
}

/// `[[server]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    id: Spanned<String>,
    owner: Option<String>,
    sender_url: Spanned<String>,
    recipient_url: Spanned<String>,
    certificates: Spanned<Vec<Spanned<String>>>,
    capsule_types: Option<Vec<Spanned<String>>>,
}

/// The servers, no two of one id.
pub(super) fn all(document: &Document, sections: Vec<Section>) -> Result<Vec<Server>, Error> {
    let mut servers: Vec<Server> = Vec::with_capacity(sections.len());
    for section in sections {
        let id = section.id.get_ref();
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(document.invalid(section.id.span(), "id", "the id of a server is a line of text that is not empty"));
        }
        if servers.iter().any(|server| server.id == *id) {
            return Err(document.invalid(section.id.span(), "id", format!("two servers are called {id:?}")));
        }
        servers.push(Server {
            sender_url: document.https(&section.sender_url, "sender_url")?,
            recipient_url: document.https(&section.recipient_url, "recipient_url")?,
            certificates: document.certificates(&section.certificates, "certificates")?,
            capsule_types: capsule_types(document, section.capsule_types)?,
            owner: section.owner,
            id: section.id.into_inner(),
        });
    }
    Ok(servers)
}

fn capsule_types(document: &Document, names: Option<Vec<Spanned<String>>>) -> Result<Vec<CapsuleType>, Error> {
    let Some(names) = names else { return Ok(ALL_CAPSULE_TYPES.to_vec()) };
    let known = |name: Spanned<String>| match CapsuleType::from(name.get_ref().as_str()) {
        CapsuleType::Unknown(_) => {
            let list = ALL_CAPSULE_TYPES.each_ref().map(CapsuleType::name).join(", ");
            Err(document.invalid(name.span(), "capsule_types", format!("not a kind of capsule that is known here: {list} are")))
        }
        known => Ok(known),
    };
    names.into_iter().map(known).collect()
}
