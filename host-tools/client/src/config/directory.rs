//! Directories as a configuration lists them.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;
use serde::Deserialize;
use toml::Spanned;

use super::{Document, Error};
use crate::directory::{DEFAULT_SIZE_LIMIT, DEFAULT_TIMEOUT, Directory, QueryKind, Settings, SettingsError};

/// `[[directory]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    name: Spanned<String>,
    url: Spanned<String>,
    #[serde(default)]
    start_tls: bool,
    base: String,
    authorities: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    system_authorities: bool,
    queries: Option<Vec<QueryName>>,
    timeout: Option<Spanned<String>>,
    size_limit: Option<Spanned<u32>>,
    issuers: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum QueryName {
    Person,
    Organisation,
    Name,
}

impl From<QueryName> for QueryKind {
    fn from(name: QueryName) -> Self {
        match name {
            QueryName::Person => Self::Person,
            QueryName::Organisation => Self::Organisation,
            QueryName::Name => Self::Name,
        }
    }
}

/// The directories, no two of one name.
pub(super) fn all(document: &Document, sections: Vec<Section>) -> Result<Vec<Directory>, Error> {
    let mut directories: Vec<Directory> = Vec::with_capacity(sections.len());
    for section in sections {
        let name = section.name.get_ref();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(document.invalid(
                section.name.span(),
                "name",
                "the name of a directory is a line of text that is not empty",
            ));
        }
        if directories.iter().any(|directory| directory.name() == name) {
            return Err(document.invalid(section.name.span(), "name", format!("two directories are called {name:?}")));
        }
        directories.push(directory(document, section)?);
    }
    Ok(directories)
}

fn directory(document: &Document, section: Section) -> Result<Directory, Error> {
    let name_span = section.name.span();
    let url_span = section.url.span();
    let authorities_span = section.authorities.as_ref().map_or(name_span.clone(), Spanned::span);
    let issuers_span = section.issuers.as_ref().map_or(name_span.clone(), Spanned::span);
    let size_limit_span = section.size_limit.as_ref().map_or(name_span, Spanned::span);
    let url = Url::parse(section.url.get_ref())
        .map_err(|error| document.invalid(url_span.clone(), "url", format!("not a URL: {error}")))?;
    let authorities = section.authorities.map(|list| document.certificates(&list, "authorities")).transpose()?;
    let issuers = section.issuers.map(|list| document.certificates(&list, "issuers")).transpose()?;
    let timeout = section.timeout.map(|text| timeout(document, &text)).transpose()?;
    let queries = section.queries.unwrap_or(vec![QueryName::Person, QueryName::Organisation, QueryName::Name]);
    let settings = Settings {
        name: section.name.into_inner(),
        url,
        start_tls: section.start_tls,
        base: section.base,
        authorities: authorities.unwrap_or_default(),
        system_authorities: section.system_authorities,
        queries: queries.into_iter().map(QueryKind::from).collect(),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        size_limit: section.size_limit.map_or(DEFAULT_SIZE_LIMIT, Spanned::into_inner),
        issuers,
    };
    Directory::new(settings).map_err(|error| {
        let (span, key) = match error {
            SettingsError::Url | SettingsError::UrlParts | SettingsError::StartTls => (url_span, "url"),
            SettingsError::NoAuthority | SettingsError::Authority(_) => (authorities_span, "authorities"),
            SettingsError::SystemAuthorities => (authorities_span, "system_authorities"),
            SettingsError::Issuer => (issuers_span, "issuers"),
            SettingsError::Limit => (size_limit_span, "size_limit"),
        };
        document.invalid(span, key, error.to_string())
    })
}

/// At least a second: what is less is a mistake of units.
fn timeout(document: &Document, text: &Spanned<String>) -> Result<Duration, Error> {
    let invalid = || document.invalid(text.span(), "timeout", "not a duration such as 10s or 1m, of a second at least");
    let duration: SignedDuration = text.get_ref().parse().map_err(|_| invalid())?;
    Duration::try_from(duration).ok().filter(|duration| *duration >= Duration::from_secs(1)).ok_or_else(invalid)
}
