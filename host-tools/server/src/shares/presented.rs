//! What a recipient shows: a ticket, and the certificate that signed it.

use axum::http::HeaderMap;
use base64ct::{Base64, Base64Url, Base64UrlUnpadded, Encoding as _};
use cdoc2_api::share::{CERTIFICATE_HEADER, TICKET_HEADER, TOKEN_HEADER};
use rustls::pki_types::CertificateDer;

use super::rejection::Rejection;

/// Characters of the longest certificate that is read: twice what Smart-ID's have.
const MAX_CERTIFICATE_LEN: usize = 8192;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Both, as they came. Nothing of it is known to be true.
pub(super) struct Presented<'h> {
    pub(super) ticket: &'h str,
    pub(super) certificate: CertificateDer<'static>,
}

impl<'h> Presented<'h> {
    /// Reads the headers of either version of the interface: the newer has a "token" and DER in base64url, the older a "ticket" and PEM without line
    /// ends. Two that contradict each other are not chosen from.
    pub(super) fn of(headers: &'h HeaderMap) -> Result<Self, Rejection> {
        let token = one(headers, TOKEN_HEADER)?;
        let ticket = one(headers, TICKET_HEADER)?;
        let certificate = one(headers, CERTIFICATE_HEADER)?.ok_or(Rejection::NoTicket)?;
        let (ticket, der) = match (token, ticket) {
            (Some(token), None) => (token, of_base64url(certificate)),
            (None, Some(ticket)) => (ticket, of_pem(certificate)),
            (None, None) | (Some(_), Some(_)) => return Err(Rejection::NoTicket),
        };
        Ok(Self { ticket, certificate: der.ok_or(Rejection::Certificate)?.into() })
    }
}

/// The header `name`, if there is one.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Rejection::NoTicket),
    }
}

/// The interface does not say whether there is padding.
fn of_base64url(text: &str) -> Option<Vec<u8>> {
    let decode = if text.ends_with('=') { Base64Url::decode_vec } else { Base64UrlUnpadded::decode_vec };
    (text.len() <= MAX_CERTIFICATE_LEN).then(|| decode(text).ok())?
}

fn of_pem(text: &str) -> Option<Vec<u8>> {
    let base64 = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    (base64.len() <= MAX_CERTIFICATE_LEN).then(|| Base64::decode_vec(base64).ok())?
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const TOKEN: &str = TOKEN_HEADER;
    const TICKET: &str = TICKET_HEADER;
    const X5C: &str = CERTIFICATE_HEADER;
    const PEM: &str = "-----BEGIN CERTIFICATE-----+/8=-----END CERTIFICATE-----";

    fn read(fields: &[(&'static str, &[u8])]) -> Result<(String, Vec<u8>), Rejection> {
        let field =
            |(name, value): &(&'static str, &[u8])| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        let headers: HeaderMap = fields.iter().map(field).collect();
        Presented::of(&headers).map(|presented| (presented.ticket.to_owned(), presented.certificate.to_vec()))
    }

    #[test]
    fn both_versions_are_read() {
        let sound = Ok(("a.b.c~d~".to_owned(), vec![0xFB, 0xFF]));
        assert_eq!(read(&[(TOKEN, b"a.b.c~d~"), (X5C, b"-_8")]), sound);
        assert_eq!(read(&[(TOKEN, b"a.b.c~d~"), (X5C, b"-_8=")]), sound);
        assert_eq!(read(&[(X5C, PEM.as_bytes()), (TICKET, b"a.b.c~d~")]), sound);
        let session: [(_, &[u8]); 4] =
            [(TOKEN, b"a.b.c~d~"), (X5C, b"-_8"), ("x-cdoc2-session-token", b"?"), ("x-cdoc2-session-x5c", b"?")];
        assert_eq!(read(&session), sound, "what newer drafts add is left alone");
    }

    #[test]
    fn one_ticket_and_one_certificate() {
        let fields: [&[(_, &[u8])]; 9] = [
            &[],
            &[(TOKEN, b"a")],
            &[(TICKET, b"a")],
            &[(X5C, b"-_8")],
            &[(TOKEN, b"a"), (TOKEN, b"a"), (X5C, b"-_8")],
            &[(TICKET, b"a"), (TICKET, b"a"), (X5C, PEM.as_bytes())],
            &[(TOKEN, b"a"), (X5C, b"-_8"), (X5C, b"-_8")],
            &[(TOKEN, b"a"), (TICKET, b"a"), (X5C, b"-_8")],
            &[(TOKEN, b"\xC3\xB5"), (X5C, b"-_8")],
        ];
        for fields in fields {
            assert_eq!(read(fields), Err(Rejection::NoTicket), "{fields:?}");
        }
    }

    #[test]
    fn certificates_of_the_other_version_are_refused() {
        let long = "A".repeat(MAX_CERTIFICATE_LEN + 4);
        let long_pem = format!("{BEGIN}{long}{END}");
        for x5c in ["", PEM, "+/8", "+/8=", "-_8==", "-_9", "-_", "-_8 ", &long] {
            let token = read(&[(TOKEN, b"a"), (X5C, x5c.as_bytes())]);
            // No octets are no certificate; that is for whoever reads them.
            assert!(token == Err(Rejection::Certificate) || token == Ok(("a".into(), vec![])), "{x5c}");
        }
        for x5c in ["", "-_8", "+/8=", &PEM.replace("+/", "-_"), &PEM.replace('=', ""), &PEM[1..], &long_pem] {
            assert_eq!(read(&[(TICKET, b"a"), (X5C, x5c.as_bytes())]), Err(Rejection::Certificate), "{x5c}");
        }
    }
}
