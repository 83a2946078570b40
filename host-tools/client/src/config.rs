//! What a person or an organisation sets once: capsule servers, sets of shares servers, the policy service, directories, the services that sign people in.
//!
//! One file in TOML. The option `--config` names it, or the variable `CDOC2_CONFIG`, or else it is `cdoc2/config.toml` in the folder for
//! configurations (`XDG_CONFIG_HOME`, `~/.config`). Paths in it are relative to it. Keys that are not known are errors: a name that was
//! mistyped must not switch a pin off.
//!
//! ```toml
//! default_server = "ria"
//! expires = "30d"
//!
//! [[server]]
//! id = "ria"
//! owner = "Information System Authority"
//! sender_url = "https://capsules.example:8443"
//! recipient_url = "https://capsules.example:8444"
//! certificates = ["ria.pem"]
//!
//! [[shares_set]]
//! id = "default"
//!
//! [[shares_set.server]]
//! url = "https://shares.example:8443"
//! owner = "Information System Authority"
//! certificates = ["ria-shares.pem"]
//!
//! [[shares_set.server]]
//! url = "https://shares.example.org:8443"
//! owner = "Another Organisation"
//! certificates = ["another.pem"]
//! interface = "ticket"
//!
//! [[directory]]
//! name = "SK"
//! url = "ldaps://esteid.ldap.sk.ee"
//! base = "c=EE"
//! authorities = ["directory-ca.pem"]
//! queries = ["person"]
//! issuers = ["people-ca.pem"]
//!
//! [policy]
//! url = "https://policy.example/cdoc2.json"
//! authorities = ["organisation-ca.pem"]
//!
//! [smart_id]
//! url = "https://rp-api.smart-id.com/v2"
//! relying_party_uuid = "00000000-0000-4000-8000-000000000000"
//! relying_party_name = "EXAMPLE"
//! certificates = ["smart-id.pem"]
//! authorities = ["people-ca.pem"]
//!
//! [mobile_id]
//! url = "https://mid.sk.ee/mid-api"
//! relying_party_uuid = "00000000-0000-4000-8000-000000000000"
//! relying_party_name = "EXAMPLE"
//! certificates = ["mobile-id.pem"]
//! authorities = ["people-ca.pem"]
//! ```

mod directory;
mod document;
mod expires;
mod place;
mod server;
mod shares;
mod signing_service;

use std::fmt;
use std::path::{Path, PathBuf};

use cdoc2_auth_token::BaseUrl;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use toml::Spanned;

use crate::directory::Directory;

use document::Document;
pub use document::Error;
pub use expires::{Expires, UnfitExpires};
pub use place::Place;
pub use server::{ALL_CAPSULE_TYPES, Server};
pub use shares::{SharesInterface, SharesServer, SharesSet};
pub use signing_service::SigningService;

/// Octets of the longest file that is taken for a configuration or for its certificates.
pub const MAX_FILE_LEN: usize = 1 << 20;

/// A configuration that was read, all of it sound.
#[derive(Clone, Debug, Default)]
pub struct Config {
    place: Place,
    is_there: bool,
    default_server: Option<String>,
    default_shares_set: Option<String>,
    expires: Option<Expires>,
    policy: Option<Policy>,
    servers: Vec<Server>,
    shares_sets: Vec<SharesSet>,
    directories: Vec<Directory>,
    smart_id: Option<SigningService>,
    mobile_id: Option<SigningService>,
}

/// Where an organisation says how long capsules and shares are kept.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The address of the document, over HTTPS.
    pub url: Url,
    /// Certificates of which the service must show one, or one that was issued by one of them.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// Something that the configuration does not list.
#[derive(Debug, thiserror::Error)]
#[error("the {kind} {name:?} is not known: {}", self.remedy())]
pub struct Unlisted {
    /// What it would be.
    pub kind: Listed,
    /// What it was asked for by.
    pub name: String,
    /// Where it would be listed.
    pub path: PathBuf,
    /// Whether there is a configuration at all.
    pub is_there: bool,
}

/// What a configuration lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// `[[server]]`, by its id.
    Server,
    /// `[[shares_set]]`, by its id.
    SharesSet,
    /// `[[shares_set.server]]`, by its URL.
    SharesServer,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "capsule server",
            Self::SharesSet => "set of shares servers",
            Self::SharesServer => "shares server",
        })
    }
}

impl Unlisted {
    /// Where it would have to be listed, in words.
    #[must_use]
    pub fn remedy(&self) -> String {
        let path = self.path.display();
        let entry = match self.kind {
            Listed::Server => "[[server]] with this id",
            Listed::SharesSet => "[[shares_set]] with this id",
            Listed::SharesServer => "[[shares_set.server]] with this url",
        };
        if self.is_there { format!("{path} has no {entry}") } else { format!("there is no configuration, which would be {path}") }
    }
}

/// The file as it stands there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_server: Option<Spanned<String>>,
    default_shares_set: Option<Spanned<String>>,
    expires: Option<Spanned<String>>,
    policy: Option<PolicySection>,
    #[serde(default)]
    server: Vec<server::Section>,
    #[serde(default)]
    shares_set: Vec<shares::Section>,
    #[serde(default)]
    directory: Vec<directory::Section>,
    smart_id: Option<signing_service::Section>,
    mobile_id: Option<signing_service::Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicySection {
    url: Spanned<String>,
    authorities: Spanned<Vec<Spanned<String>>>,
}

impl Config {
    /// Reads the configuration at `path`, and the certificates that it names.
    ///
    /// # Errors
    /// The file, or one that it names, cannot be read or is not sound; says where and what.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&Document::read(path)?, Place::named(path))
    }

    /// Reads the configuration that `place` means. Where nobody named one and there is none, it is empty.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn load(place: Place) -> Result<Self, Error> {
        match Document::read(&place.path) {
            Ok(document) => Self::parse(&document, place),
            Err(Error::Missing { .. }) if !place.is_named => Ok(Self { place, ..Self::default() }),
            Err(error) => Err(error),
        }
    }

    fn parse(document: &Document, place: Place) -> Result<Self, Error> {
        let file: File = document.parse()?;
        let servers = server::all(document, file.server)?;
        let shares_sets = shares::all(document, file.shares_set)?;
        let directories = directory::all(document, file.directory)?;
        let policy = file.policy.map(|section| {
            let url = document.https(&section.url, "policy.url")?;
            let authorities = document.certificates(&section.authorities, "policy.authorities")?;
            Ok(Policy { url, authorities })
        });
        let default_server = file.default_server.map(|id| {
            if servers.iter().any(|server: &Server| server.id == *id.get_ref()) {
                return Ok(id.into_inner());
            }
            Err(document.invalid(id.span(), "default_server", "no [[server]] has this id"))
        });
        let default_shares_set = file.default_shares_set.map(|id| {
            if shares_sets.iter().any(|set: &SharesSet| set.id == *id.get_ref()) {
                return Ok(id.into_inner());
            }
            Err(document.invalid(id.span(), "default_shares_set", "no [[shares_set]] has this id"))
        });
        let expires = file.expires.map(|text| {
            text.get_ref().parse().map_err(|error: UnfitExpires| document.invalid(text.span(), "expires", error.to_string()))
        });
        let smart_id = file.smart_id.map(|section| section.read(document, "smart_id"));
        let mobile_id = file.mobile_id.map(|section| section.read(document, "mobile_id"));
        Ok(Self {
            place,
            is_there: true,
            default_server: default_server.transpose()?,
            default_shares_set: default_shares_set.transpose()?,
            expires: expires.transpose()?,
            policy: policy.transpose()?,
            servers,
            shares_sets,
            directories,
            smart_id: smart_id.transpose()?,
            mobile_id: mobile_id.transpose()?,
        })
    }

    /// Where it was read from, or would be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// The server that capsules go to where nothing else is said.
    #[must_use]
    pub fn default_server(&self) -> Option<&Server> {
        let id = self.default_server.as_deref()?;
        self.servers.iter().find(|server| server.id == id)
    }

    /// The set of shares servers that is meant where nothing else is said: the one that is named so, or the only one.
    #[must_use]
    pub fn default_shares_set(&self) -> Option<&SharesSet> {
        match (&self.default_shares_set, &self.shares_sets[..]) {
            (Some(id), sets) => sets.iter().find(|set| set.id == *id),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// How long capsules and shares are kept where nothing else is said.
    #[must_use]
    pub fn expires(&self) -> Option<Expires> {
        self.expires
    }

    /// The policy service.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// The servers, in the order of the file.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The directories, in the order of the file.
    #[must_use]
    pub fn directories(&self) -> &[Directory] {
        &self.directories
    }

    /// Smart-ID.
    #[must_use]
    pub fn smart_id(&self) -> Option<&SigningService> {
        self.smart_id.as_ref()
    }

    /// Mobile-ID.
    #[must_use]
    pub fn mobile_id(&self) -> Option<&SigningService> {
        self.mobile_id.as_ref()
    }

    /// The sets of shares servers, in the order of the file.
    #[must_use]
    pub fn shares_sets(&self) -> &[SharesSet] {
        &self.shares_sets
    }

    /// The server called `id`.
    ///
    /// # Errors
    /// There is none.
    pub fn server(&self, id: &str) -> Result<&Server, Unlisted> {
        self.servers.iter().find(|server| server.id == id).ok_or_else(|| self.unlisted(Listed::Server, id))
    }

    /// The set of shares servers called `id`.
    ///
    /// # Errors
    /// There is none.
    pub fn shares_set(&self, id: &str) -> Result<&SharesSet, Unlisted> {
        self.shares_sets.iter().find(|set| set.id == id).ok_or_else(|| self.unlisted(Listed::SharesSet, id))
    }

    /// The shares server at `base_url`, of whichever set.
    ///
    /// # Errors
    /// There is none.
    pub fn shares_server(&self, base_url: &BaseUrl) -> Result<&SharesServer, Unlisted> {
        let mut servers = self.shares_sets.iter().flat_map(|set| &set.servers);
        let found = servers.find(|server| server.base_url == *base_url);
        found.ok_or_else(|| self.unlisted(Listed::SharesServer, &base_url.to_string()))
    }

    fn unlisted(&self, kind: Listed, name: &str) -> Unlisted {
        Unlisted { kind, name: name.to_owned(), path: self.place.path.clone(), is_there: self.is_there }
    }
}

#[cfg(test)]
mod tests;
