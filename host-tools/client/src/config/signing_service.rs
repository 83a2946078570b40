//! Smart-ID and Mobile-ID, as a configuration describes them.

use std::fmt;

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use toml::Spanned;

use super::{Document, Error};
use crate::tls::is_authority;

/// Octets of the longest name of a relying party (Smart-ID RP API 2.0, "relyingPartyName handling").
const MAX_NAME_LEN: usize = 32;

/// A service that signs by people's phones, and who this program is to it.
#[derive(Clone)]
pub struct SigningService {
    /// The base of its addresses.
    pub url: Url,
    /// By what it knows the relying party. Mobile-ID calls it a secret: `Debug` leaves it out.
    pub relying_party_uuid: String,
    /// What the phone shows: who asks.
    pub relying_party_name: String,
    /// Certificates of which the service must show one, or one that was issued by one of them.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Who issues people's certificates: each of them itself, not the root above it alone.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl fmt::Debug for SigningService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningService").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// `[smart_id]` and `[mobile_id]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    url: Spanned<String>,
    relying_party_uuid: Spanned<String>,
    relying_party_name: Spanned<String>,
    certificates: Spanned<Vec<Spanned<String>>>,
    authorities: Spanned<Vec<Spanned<String>>>,
}

impl Section {
    /// The service that the section called `name` describes.
    pub(super) fn read(self, document: &Document, name: &str) -> Result<SigningService, Error> {
        let key = |key: &str| format!("{name}.{key}");
        if !is_uuid(self.relying_party_uuid.get_ref()) {
            return Err(document.invalid(
                self.relying_party_uuid.span(),
                key("relying_party_uuid"),
                "not a UUID such as 00000000-0000-4000-8000-000000000000, in small letters",
            ));
        }
        let party = self.relying_party_name.get_ref();
        if party.is_empty() || party.len() > MAX_NAME_LEN || party.chars().any(char::is_control) {
            return Err(document.invalid(
                self.relying_party_name.span(),
                key("relying_party_name"),
                format!("the name of a relying party is a line of 1 to {MAX_NAME_LEN} octets"),
            ));
        }
        let authorities = document.certificates(&self.authorities, &key("authorities"))?;
        if !authorities.iter().all(|certificate| is_authority(certificate)) {
            let reason = "a certificate that is no authority's: whoever has its key could not issue people's certificates";
            return Err(document.invalid(self.authorities.span(), key("authorities"), reason));
        }
        Ok(SigningService {
            url: document.https(&self.url, &key("url"))?,
            certificates: document.certificates(&self.certificates, &key("certificates"))?,
            authorities,
            relying_party_uuid: self.relying_party_uuid.into_inner(),
            relying_party_name: self.relying_party_name.into_inner(),
        })
    }
}

/// The canonical form of RFC 4122, section 3, in small letters: Mobile-ID tells them from capital ones.
fn is_uuid(text: &str) -> bool {
    let lens = text.split('-').map(str::len);
    lens.eq([8, 4, 4, 4, 12]) && text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}
