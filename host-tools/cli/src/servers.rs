//! Whether capsules go to a server, to which, and until when.

use std::error::Error as StdError;

use cdoc2::{Recipient, core::wire::capsule::Capsule, core::wire::header::RecipientRecord};

use cdoc2_client::capsule_server::{Error, ExpiryTime, Sender};
use cdoc2_client::config::{Config, Expires, Server};
use cdoc2_client::https::{self, CertificateRefusal, Timeouts};
use cdoc2_client::policy;
use jiff::Timestamp;

use crate::args;
use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::report::Report;
use crate::text;

/// Where capsules are to be kept: nobody was asked yet.
#[derive(Debug)]
pub(crate) struct Plan {
    config: Config,
    server: Server,
    expires: Option<Expires>,
}

impl Plan {
    /// What `args` and the configuration say; `None`: in the container.
    ///
    /// # Errors
    /// The server is not known, or the configuration is not sound.
    pub(crate) fn new(args: &args::CapsuleServer, configuration: &Configuration<'_>) -> Result<Option<Self>> {
        if args.no_server {
            return Ok(None);
        }
        let config = configuration.load()?;
        let server = match &args.server {
            Some(id) => Some(
                config
                    .server(id)
                    .map_err(|error| Failure::usage(error.to_string()).hint("cdoc2 servers list shows those that are known"))?,
            ),
            None => config.default_server(),
        };
        match server.cloned() {
            Some(server) => Ok(Some(Self { server, expires: args.expires, config })),
            None if args.expires.is_some() => Err(Failure::usage("--expires is for capsules on a server, and none is meant")
                .hint("name one with --server ID, or as default_server in the configuration")),
            None => Ok(None),
        }
    }

    /// A client of the server that puts the capsules of `recipients` there; `None` if none of them can be. The policy service is asked here, and
    /// the server not yet.
    pub(crate) fn sender<'p>(
        &'p self,
        recipients: &[Recipient],
        report: &Report,
    ) -> Result<Option<Sender<'p, impl FnMut(&str) + use<'p>>>> {
        if !recipients.iter().any(|recipient| recipient.public_key().is_some()) {
            return Ok(None);
        }
        let expiry = self.expiry()?;
        let until = expiry.map_or_else(|| "as long as it likes".to_owned(), |expiry| format!("until {expiry}"));
        report.detail(format!("the capsule server \"{}\" is asked to keep capsules {until}", self.server.id));
        let report = *report;
        let warn = move |warning: &str| report.warn(warning);
        let sender = Sender::new(&self.server, expiry, Timeouts::default(), warn);
        sender.map(Some).map_err(|error| Failure::new(Code::Server, error.to_string()))
    }

    /// The option, the policy of the organisation, or the configuration, whichever speaks first.
    fn expiry(&self) -> Result<Option<ExpiryTime>> {
        let expires = match (self.expires, self.config.policy()) {
            (Some(expires), _) => Some(expires),
            (None, Some(service)) => Some(policy::ask(service, Timeouts::default()).map_err(|error| {
                Failure::new(Code::Server, format!("the policy service {}: {error}", service.url))
                    .hint("without it nobody knows until when capsules are kept; --expires says it, --no-server does without")
            })?),
            (None, None) => self.config.expires(),
        };
        let Some(expires) = expires else { return Ok(None) };
        let now = Timestamp::now();
        let moment = expires.moment(now).map_err(|error| Failure::usage(format!("until when capsules are kept: {error}")))?;
        if moment.as_unix() <= now.as_second() {
            return Err(Failure::usage(format!("until when capsules are kept: {moment} is over")));
        }
        Ok(Some(moment))
    }
}

/// Whether the capsule of a record is on a server.
pub(crate) fn is_on_server(record: &RecipientRecord<'_>) -> bool {
    matches!(record.capsule, Capsule::KeyServer(_))
}

/// What an error of a server means, which is said as `message`; `None` if it is no server's.
pub(crate) fn failure(reason: &(dyn StdError + Send + Sync + 'static), message: &str) -> Option<Failure> {
    let (code, hint) = judged(reason.downcast_ref()?);
    let failure = Failure::new(code, message);
    Some(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

/// The exit code, and what to do.
fn judged(error: &Error) -> (Code, Option<&'static str>) {
    match error {
        // As with a record for another key: there is nothing here that opens it.
        Error::Unknown(_) => {
            (Code::NoRecord, Some("get its entry from who sent the container or runs the server; cdoc2 man servers describes it"))
        }
        Error::NoCertificate => {
            (Code::Usage, Some("--cert PATH names the certificate of --key; a PKCS#12 file or a token holds its own"))
        }
        Error::CannotAuthenticate(_) => (Code::Usage, None),
        Error::Recipient(_) | Error::CapsuleType(_) => (Code::Usage, Some("--no-server keeps the capsule in the container")),
        Error::TransactionId(_) | Error::Id => (Code::Format, None),
        Error::NotFound => {
            (Code::Server, Some("ask the sender to encrypt it again; cdoc2 inspect shows until when it was to be kept"))
        }
        Error::Https(error) => (Code::Server, hint(error)),
        _ => (Code::Server, None),
    }
}

/// What to do about a server that cannot be talked to.
pub(crate) fn hint(error: &https::Error) -> Option<&'static str> {
    Some(match error {
        https::Error::Connect { .. } | https::Error::TimedOut { .. } | https::Error::Busy(_) => {
            "try again later; cdoc2 servers check shows how the servers do"
        }
        https::Error::NotPinned { .. } => {
            "nothing was sent: somebody intercepts the connection, or the server has a new certificate, which its operator publishes"
        }
        https::Error::NoTls13 { .. } => "nothing was sent: it is no server of CDOC2, or somebody intercepts the connection",
        https::Error::Certificate(CertificateRefusal::Revoked) => {
            "only a valid card or certificate opens it, and only with the same key"
        }
        https::Error::Certificate(CertificateRefusal::Expired) => {
            "a new certificate for the same key opens it; a new card does not"
        }
        https::Error::Certificate(_) => "the server's operator says whose certificates it takes",
        https::Error::Refused(_) => "if it is about the time, --expires asks for another",
        _ => return None,
    })
}

/// Days for people: until when something is valid.
pub(crate) fn until(moment: std::time::SystemTime) -> String {
    format!("valid until {}", text::day(moment))
}
