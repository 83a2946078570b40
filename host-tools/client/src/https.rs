//! Requests over HTTPS to servers that are known by their certificates, and what becomes of them.
//!
//! Capsule servers, shares servers and policy services are all asked this way: TLS 1.3 with [pinned certificates](crate::tls), no redirection,
//! bounded times and answers.

mod busy;
mod error;

use std::error::Error as StdError;
use std::io::{self, Read as _};
use std::iter;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cdoc2_api::expiry::{self, ExpiryTime};
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{ACCEPT, HeaderMap, LOCATION};
use reqwest::{StatusCode, Url, redirect};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use crate::tls::{self, NotPinned, Pins};

use busy::Patience;
pub(crate) use busy::{Again, pause};
pub use error::{CertificateRefusal, Error};

/// Octets of the longest answer that is read: a capsule with two fields of 2100 octets in base64 is a tenth of it.
const MAX_ANSWER_LEN: usize = 1 << 16;

/// Characters of a server's own words that are repeated.
const MAX_TEXT_LEN: usize = 200;

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until there is a connection, TLS and a signature of a card included.
    pub connect: Duration,
    /// For everything.
    pub total: Duration,
    /// For all the pauses together in which it is waited for, because it says or shows that it is too busy.
    pub busy: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        // A header has room for some 3000 recipients, and servers take some 50 requests a second.
        Self { connect: Duration::from_secs(15), total: Duration::from_secs(30), busy: Duration::from_secs(60) }
    }
}

/// A client of one address.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    host: String,
    pins: Arc<Pins>,
    patience: Patience,
}

/// An answer that was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Http {
    /// A client of `url`, whose server must show one of `pins`. A proxy that the environment names (`HTTPS_PROXY`, `NO_PROXY`) is used: it
    /// carries TLS and sees no more than the name of the server.
    pub(crate) fn new(
        url: &Url,
        pins: &[CertificateDer<'static>],
        identity: Option<Arc<dyn ResolvesClientCert>>,
        timeouts: Timeouts,
    ) -> Result<Self, Error> {
        let pins = Arc::new(Pins::new(pins, tls::provider()));
        let tls = tls::client_config(Arc::clone(&pins), identity).map_err(|error| Error::Internal(error.to_string()))?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total)
            .user_agent(concat!("cdoc2/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = client.map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self { client, host: host(url), pins, patience: Patience::new(timeouts.busy) })
    }

    /// Until when the certificate is valid that the server has shown, if it was taken.
    pub(crate) fn taken(&self) -> Option<SystemTime> {
        self.pins.taken()
    }

    /// Sends what `request` makes of the client.
    pub(crate) fn send(&self, request: impl FnOnce(&Client) -> RequestBuilder) -> Result<Answer, Error> {
        // An address may say whose key or whose share is asked for.
        let answer = request(&self.client).send().map_err(|error| self.failure(&error.without_url()))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        answer.take(MAX_ANSWER_LEN as u64 + 1).read_to_end(&mut body).map_err(|error| self.failure(&error))?;
        if body.len() > MAX_ANSWER_LEN {
            return Err(Error::Nonsense("it is too long"));
        }
        Ok(Answer { status, headers, body })
    }

    /// What a failed request means.
    fn failure(&self, error: &(dyn StdError + 'static)) -> Error {
        let host = || self.host.clone();
        if let Some(error) = find::<rustls::Error>(error) {
            return self.of_tls(error);
        }
        let is_timeout = find::<reqwest::Error>(error).is_some_and(reqwest::Error::is_timeout)
            || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
        if is_timeout {
            return Error::TimedOut { host: host() };
        }
        let is_cut = find::<reqwest::Error>(error).is_some_and(reqwest::Error::is_connect)
            && causes(error).filter_map(|error| error.downcast_ref::<io::Error>()).any(|error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                )
            });
        if is_cut { Error::Cut { host: host() } } else { Error::Connect { host: host(), reason: innermost(error) } }
    }

    fn of_tls(&self, error: &rustls::Error) -> Error {
        let host = || self.host.clone();
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<NotPinned>() {
                Some(reason) => Error::NotPinned { host: host(), reason: reason.clone() },
                None => Error::Tls { host: host(), reason: error.to_string() },
            },
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
            | rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Error::NoTls13 { host: host() },
            rustls::Error::AlertReceived(alert) => match refusal(*alert) {
                Some(refusal) => Error::Certificate(refusal),
                None => Error::Tls { host: host(), reason: error.to_string() },
            },
            _ => Error::Tls { host: host(), reason: error.to_string() },
        }
    }
}

/// Connects to `url` and compares what is shown there with `pins`: until when the certificate is valid.
///
/// # Errors
/// Nobody answers, or somebody else.
pub(crate) fn check(url: &Url, pins: &[CertificateDer<'static>], timeouts: Timeouts) -> Result<SystemTime, Error> {
    let http = Http::new(url, pins, None, timeouts)?;
    let sent = http.send(|client| client.get(url.clone()).header(ACCEPT, "application/json"));
    match (sent, http.taken()) {
        // Whatever the status, and a refusal for want of a client certificate too: it is the server.
        (Ok(_) | Err(Error::Certificate(_)), Some(not_after)) => Ok(not_after),
        (Err(error), _) => Err(error),
        (Ok(_), None) => Err(Error::Nonsense("it came without a certificate")),
    }
}

/// What an alert says about the client's certificate, if it is about that.
fn refusal(alert: AlertDescription) -> Option<CertificateRefusal> {
    Some(match alert {
        AlertDescription::CertificateRevoked => CertificateRefusal::Revoked,
        AlertDescription::CertificateExpired => CertificateRefusal::Expired,
        AlertDescription::UnknownCA => CertificateRefusal::UnknownIssuer,
        AlertDescription::DecryptError => CertificateRefusal::Signature,
        AlertDescription::BadCertificate => CertificateRefusal::Unsound,
        AlertDescription::UnsupportedCertificate => CertificateRefusal::Unsupported,
        AlertDescription::AccessDenied => CertificateRefusal::NotNow,
        AlertDescription::CertificateRequired => CertificateRefusal::Absent,
        AlertDescription::CertificateUnknown
        | AlertDescription::CertificateUnobtainable
        | AlertDescription::BadCertificateStatusResponse => CertificateRefusal::Unsaid,
        _ => return None,
    })
}

impl Answer {
    /// Fails unless the status is `wanted`, with what any other means.
    pub(crate) fn expect(&self, wanted: StatusCode) -> Result<(), Error> {
        let refused = |status| match status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Error::Refused(self.text())
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Certificate(CertificateRefusal::Absent),
            StatusCode::NOT_FOUND => Error::NotFound,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Error::Busy(self.retry_after()),
            status => Error::Status(status.as_u16()),
        };
        if self.status == wanted { Ok(()) } else { Err(refused(self.status)) }
    }

    /// The value of the header `name`, if there is exactly one and it is printable ASCII.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| Error::Nonsense("a header is not text")),
            (Some(_), Some(_)) => Err(Error::Nonsense("a header stands there twice")),
        }
    }

    /// The expiry that it names; older servers name none.
    pub(crate) fn expiry(&self) -> Result<Option<ExpiryTime>, Error> {
        let expiry = self.header(expiry::HEADER)?.map(str::parse).transpose();
        expiry.map_err(|_| Error::Nonsense("its expiry time is not a date and time"))
    }

    /// Whether the server keeps something for a shorter time than was asked for.
    pub(crate) fn is_expiry_adjusted(&self) -> Result<bool, Error> {
        Ok(self.header(expiry::ADJUSTED_HEADER)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
    }

    /// The id at the end of `Location`, which is below `path` of the server at `base` and nothing else.
    pub(crate) fn created<T: FromStr>(&self, base: &Url, path: &str) -> Result<T, Error> {
        const WRONG: Error = Error::Nonsense("its Location is not that of what it was given");
        let location = self.header(LOCATION.as_str())?.ok_or(Error::Nonsense("it has no Location"))?;
        let own = below(base, path);
        let id = [path, own.path()].iter().find_map(|path| location.strip_prefix(path)?.strip_prefix('/'));
        id.ok_or(WRONG)?.parse().map_err(|_| WRONG)
    }

    /// When the server wants to be asked again, if it says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        busy::retry_after(&self.headers)
    }

    /// The server's own words: `error` or `message` of a small JSON, or a line of plain text; shortened, and nothing in them that a terminal
    /// could take for a command.
    fn text(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Words {
            #[serde(alias = "message", alias = "detail")]
            error: String,
        }
        let words = serde_json::from_slice(&self.body).map(|words: Words| words.error);
        let words = words.unwrap_or_else(|_| {
            // A page of HTML says nothing to a person.
            let text = String::from_utf8_lossy(&self.body);
            if text.trim_start().starts_with(['<', '{', '[']) { String::new() } else { text.into_owned() }
        });
        let clean = words.trim().chars().map(|character| if character.is_control() { ' ' } else { character });
        clean.take(MAX_TEXT_LEN).collect()
    }
}

/// Host and port, as a person would write them.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// The address below `url` that `path` is.
pub(crate) fn below(url: &Url, path: &str) -> Url {
    let mut whole = url.clone();
    whole.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    whole
}

/// The first error of this type in a chain.
fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    causes(error).find_map(|error| error.downcast_ref())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// An error, what caused it, and so on. What an `io::Error` wraps is not its source, so it is looked into.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}
