//! One question over plain HTTP, as OCSP is spoken: its answers are signed. RFC 6960, appendix A "OCSP over HTTP".

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client as Connections;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::ocsp::{MAX_LEN, REQUEST_TYPE, RESPONSE_TYPE};

/// For how long a connection that is not used is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Whether a responder can be asked there: an `http` URL with a host.
#[must_use]
pub fn is_address(url: &str) -> bool {
    address(url).is_some()
}

fn address(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    // A port that is no number is a part of neither.
    let sound = !authority.host().is_empty() && (authority.port_u16().is_some() || authority.as_str().ends_with(authority.host()));
    (uri.scheme_str() == Some("http") && sound).then_some(uri)
}

/// Connections to responders.
#[derive(Clone, Debug)]
pub(crate) struct Client(Connections<HttpConnector, Full<Bytes>>);

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The address is none, or not one of plain HTTP.
    #[error("not an http address")]
    Address,
    /// It cannot be reached, or hangs up, or does not speak HTTP.
    #[error("the connection failed")]
    Connection,
    /// It takes too long.
    #[error("timed out")]
    Timeout,
    /// It answers with an error.
    #[error("HTTP status {0}")]
    Status(u16),
    /// It answers with something else.
    #[error("the answer is not of the type {RESPONSE_TYPE}")]
    Type,
    /// It answers with too much.
    #[error("the answer is longer than {MAX_LEN} octets")]
    TooLong,
}

impl Client {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Connections::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).build(connector))
    }

    /// Posts a question; the body of the answer. Redirections are not followed.
    pub(crate) async fn post(&self, url: &str, question: Vec<u8>, timeout: Duration) -> Result<Bytes, HttpError> {
        let uri = address(url).ok_or(HttpError::Address)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(CONTENT_TYPE, REQUEST_TYPE)
            .header(ACCEPT, RESPONSE_TYPE)
            .body(Full::new(Bytes::from(question)))
            .map_err(|_| HttpError::Address)?;
        tokio::time::timeout(timeout, self.exchange(request)).await.unwrap_or(Err(HttpError::Timeout))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, HttpError> {
        let response = self.0.request(request).await.map_err(|_| HttpError::Connection)?;
        if response.status() != StatusCode::OK {
            return Err(HttpError::Status(response.status().as_u16()));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(RESPONSE_TYPE) {
            return Err(HttpError::Type);
        }
        match Limited::new(response.into_body(), MAX_LEN).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TooLong),
            Err(_) => Err(HttpError::Connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_plain_http() {
        for url in [
            "http://ocsp.example.org",
            "http://ocsp.example.org/",
            "http://127.0.0.1:8080/ocsp?a=b",
            "http://[::1]",
            "http://[::1]:80/",
        ] {
            assert!(is_address(url), "{url}");
        }
        for url in [
            "",
            "http",
            "http:",
            "http://",
            "http:///path",
            "http://:80/",
            "http://ocsp.example.org:99999/",
            "http://ocsp.example.org:http/",
            "http://ocsp example.org",
            "https://ocsp.example.org",
            "ldap://ocsp.example.org",
            "ocsp.example.org",
            "/ocsp",
            "*",
        ] {
            assert!(!is_address(url), "{url}");
        }
    }
}
