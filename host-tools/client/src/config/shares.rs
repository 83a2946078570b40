//! Sets of shares servers as a configuration lists them.

use std::time::SystemTime;

use cdoc2_auth_token::{BaseUrl, MAX_AUDIENCES};
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use toml::Spanned;

use super::{Document, Error};
use crate::tls::not_after;

/// Shares servers of different owners, over which a key is split: all of them are needed to have it back (specification, "CDOC2 CSS").
#[derive(Clone, Debug)]
pub struct SharesSet {
    /// What it is called here. Containers do not name it.
    pub id: String,
    /// Two or more.
    pub servers: Vec<SharesServer>,
}

/// A shares server. Containers name its base URL, by which it is looked up: one that is not listed is never contacted.
#[derive(Clone, Debug)]
pub struct SharesServer {
    /// Where it is, in the form in which two of one server are equal.
    pub base_url: BaseUrl,
    /// The same as it stands in the configuration, and as containers get it: other programs compare it letter by letter.
    pub written: String,
    /// The same for requests.
    pub url: Url,
    /// Who runs it.
    pub owner: String,
    /// Certificates of which the server must show one, or one that was issued by one of them.
    pub certificates: Vec<CertificateDer<'static>>,
    /// How it wants to be shown who fetches a share.
    pub interface: SharesInterface,
}

/// The headers of a request for a share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SharesInterface {
    /// `x-cdoc2-auth-token`, and the certificate in base64url: the interface since 1.2.
    #[default]
    Token,
    /// `x-cdoc2-auth-ticket`, and the certificate in PEM without line ends: the interface before that.
    Ticket,
}

impl SharesInterface {
    /// Its name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Ticket => "ticket",
        }
    }
}

impl SharesServer {
    /// Until when each of the pinned certificates is valid.
    #[must_use]
    pub fn pins_not_after(&self) -> Vec<SystemTime> {
        self.certificates.iter().filter_map(|pin| not_after(pin)).collect()
    }

    /// Whether `other`, an entry of the same server in another set, says the same of it.
    fn agrees_with(&self, other: &Self) -> bool {
        self.owner == other.owner && self.certificates == other.certificates && self.interface == other.interface
    }
}

/// `[[shares_set]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    id: Spanned<String>,
    #[serde(default)]
    server: Vec<ServerSection>,
}

/// `[[shares_set.server]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerSection {
    url: Spanned<String>,
    owner: Spanned<String>,
    certificates: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    interface: SharesInterface,
}

/// The sets, no two of one id.
pub(super) fn all(document: &Document, sections: Vec<Section>) -> Result<Vec<SharesSet>, Error> {
    let mut sets: Vec<SharesSet> = Vec::with_capacity(sections.len());
    for section in sections {
        let (span, id) = (section.id.span(), section.id.into_inner());
        let invalid = |reason: String| document.invalid(span.clone(), "id", reason);
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(invalid("the id of a set is a line of text that is not empty".to_owned()));
        }
        if sets.iter().any(|set| set.id == id) {
            return Err(invalid(format!("two sets are called {id:?}")));
        }
        let mut servers = Vec::with_capacity(section.server.len());
        for section in section.server {
            let server = server(document, section, &servers, &sets)?;
            servers.push(server);
        }
        match servers.len() {
            0 | 1 => return Err(invalid("a set has two servers at least: one alone could open what is split".to_owned())),
            count if count > MAX_AUDIENCES => return Err(invalid(format!("a set has {MAX_AUDIENCES} servers at most"))),
            _ => sets.push(SharesSet { id, servers }),
        }
    }
    Ok(sets)
}

/// A server that has nothing in common with `others` of its set, and is the same in all of `sets`.
fn server(document: &Document, section: ServerSection, others: &[SharesServer], sets: &[SharesSet]) -> Result<SharesServer, Error> {
    let (url_span, owner_span) = (section.url.span(), section.owner.span());
    let url = document.https(&section.url, "url")?;
    let written = section.url.into_inner();
    let base_url = written.parse::<BaseUrl>().map_err(|error| document.invalid(url_span.clone(), "url", error.to_string()))?;
    if others.iter().any(|other| other.base_url == base_url) {
        return Err(document.invalid(url_span, "url", "the set has this server twice"));
    }
    let owner = section.owner.into_inner();
    if owner.trim().is_empty() || owner.chars().any(char::is_control) {
        return Err(document.invalid(owner_span, "owner", "the owner of a server is a line of text that is not empty"));
    }
    let is_same = |other: &SharesServer| other.owner.trim().to_lowercase() == owner.trim().to_lowercase();
    if others.iter().any(is_same) {
        let reason = format!("two servers of the set are of {owner:?}: different owners are what keeps the shares apart");
        return Err(document.invalid(owner_span, "owner", reason));
    }
    let certificates = document.certificates(&section.certificates, "certificates")?;
    let server = SharesServer { base_url, written, url, owner, certificates, interface: section.interface };
    let mut elsewhere = sets.iter().flat_map(|set| &set.servers).filter(|other| other.base_url == server.base_url);
    if elsewhere.any(|other| !other.agrees_with(&server)) {
        return Err(document.invalid(url_span, "url", "another set has this server with another owner, certificate or interface"));
    }
    Ok(server)
}
