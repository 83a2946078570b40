//! Which servers keep what a container lacks, and until when; and what their errors mean.

use std::error::Error as StdError;

use cdoc2::{CapsuleServer, Recipient, Servers, SharesServers};
use cdoc2::{core::wire::capsule::Capsule, core::wire::header::RecipientRecord};

use cdoc2_client::capsule_server::{self, Error, ExpiryTime};
use cdoc2_client::config::{Config, Expires, Server, SharesSet};
use cdoc2_client::https::{self, CertificateRefusal, Timeouts};
use cdoc2_client::policy;
use cdoc2_client::shares_server::{self, Reason};
use jiff::Timestamp;

use crate::args;
use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::report::Report;
use crate::text;

/// What is to be kept where: nobody was asked yet.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    config: Config,
    /// Keeps capsules.
    server: Option<Server>,
    /// Keeps shares.
    set: Option<SharesSet>,
    expires: Option<Expires>,
}

/// Tells the person what they should know.
type Warn<'r> = Box<dyn FnMut(&str) + 'r>;

/// Clients of the servers that get something. None of them has anything yet.
#[derive(Default)]
pub(crate) struct Senders<'p> {
    capsules: Option<capsule_server::Sender<'p, Warn<'p>>>,
    shares: Option<shares_server::Sender<'p, Warn<'p>>>,
}

impl Senders<'_> {
    pub(crate) fn servers(&mut self) -> Servers<'_> {
        Servers {
            capsules: self.capsules.as_mut().map(|server| -> &mut dyn CapsuleServer { server }),
            shares: self.shares.as_mut().map(|servers| -> &mut dyn SharesServers { servers }),
        }
    }
}

impl Plan {
    /// What `args` and the configuration say. `needs_shares`: somebody signs in.
    ///
    /// # Errors
    /// A server is not known, or none is where one is needed; or the configuration is not sound.
    pub(crate) fn new(args: &args::Keepers, needs_shares: bool, configuration: &Configuration<'_>) -> Result<Self> {
        const LIST: &str = "cdoc2 servers list shows those that are known";
        if args.no_server && !needs_shares && args.shares_set.is_none() {
            return if args.expires.is_some() { Err(nothing_expires()) } else { Ok(Self::default()) };
        }
        let config = configuration.load()?;
        let unknown = |error: cdoc2_client::config::Unlisted| Failure::usage(error.to_string()).hint(LIST);
        let server = match &args.server {
            _ if args.no_server => None,
            Some(id) => Some(config.server(id).map_err(unknown)?),
            None => config.default_server(),
        };
        let set = match &args.shares_set {
            Some(id) => Some(config.shares_set(id).map_err(unknown)?),
            None if needs_shares => Some(default_set(&config)?),
            None => None,
        };
        if args.expires.is_some() && server.is_none() && set.is_none() {
            return Err(nothing_expires());
        }
        let (server, set) = (server.cloned(), set.cloned());
        Ok(Self { server, set, expires: args.expires, config })
    }

    /// Clients of the servers that get something of `recipients`. The policy service is asked here, and the servers not yet.
    pub(crate) fn senders(&self, recipients: &[Recipient], report: &Report) -> Result<Senders<'_>> {
        let has_keys = recipients.iter().any(|recipient| recipient.public_key().is_some());
        let has_shares = recipients.iter().any(|recipient| recipient.shares_recipient_id().is_some());
        let (server, set) = (self.server.as_ref().filter(|_| has_keys), self.set.as_ref().filter(|_| has_shares));
        if server.is_none() && set.is_none() {
            return Ok(Senders::default());
        }
        let expiry = self.expiry()?;
        let until = expiry.map_or_else(|| "as long as is usual there".to_owned(), |expiry| format!("until {expiry}"));
        let failed = |error: String| Failure::new(Code::Server, error);
        let warn = || -> Warn<'_> {
            let report = *report;
            Box::new(move |warning: &str| report.warn(warning))
        };
        let capsules = server.map(|server| {
            report.detail(format!("the capsule server \"{}\" is asked to keep capsules {until}", server.id));
            capsule_server::Sender::new(server, expiry, Timeouts::default(), warn()).map_err(|error| failed(error.to_string()))
        });
        let shares = set.map(|set| {
            report.detail(format!("the {} shares servers of \"{}\" are asked to keep shares {until}", set.servers.len(), set.id));
            shares_server::Sender::new(set, expiry, Timeouts::default(), warn()).map_err(|error| failed(error.to_string()))
        });
        Ok(Senders { capsules: capsules.transpose()?, shares: shares.transpose()? })
    }

    /// The option, the policy of the organisation, or the configuration, whichever speaks first.
    fn expiry(&self) -> Result<Option<ExpiryTime>> {
        let expires = match (self.expires, self.config.policy()) {
            (Some(expires), _) => Some(expires),
            (None, Some(service)) => Some(policy::ask(service, Timeouts::default()).map_err(|error| {
                Failure::new(Code::Server, format!("the policy service {}: {error}", service.url))
                    .hint("without it nobody knows until when capsules and shares are kept; --expires says it, --no-server does without capsules")
            })?),
            (None, None) => self.config.expires(),
        };
        let Some(expires) = expires else { return Ok(None) };
        let now = Timestamp::now();
        let failed = |why: String| Failure::usage(format!("until when capsules and shares are kept: {why}"));
        let moment = expires.moment(now).map_err(|error| failed(error.to_string()))?;
        if moment.as_unix() <= now.as_second() {
            return Err(failed(format!("{moment} is over")));
        }
        Ok(Some(moment))
    }
}

/// The set that is meant where none is named.
fn default_set(config: &Config) -> Result<&SharesSet> {
    config.default_shares_set().ok_or_else(|| {
        let path = text::path(config.path());
        let why = match (config.is_there(), config.shares_sets().len()) {
            (false, _) => format!("there is no configuration, which would be {path}"),
            (true, 0) => format!("{path} has no [[shares_set]]"),
            (true, _) => format!("{path} has several and no default_shares_set"),
        };
        Failure::usage(format!("a recipient signs in, and no set of shares servers is known: {why}"))
            .hint("name one with --shares-set ID, or as default_shares_set; cdoc2 man servers describes the configuration")
    })
}

fn nothing_expires() -> Failure {
    Failure::usage("--expires is for capsules and shares on servers, and none is meant")
        .hint("name a server with --server ID, or as default_server in the configuration")
}

/// Whether the capsule of a record is on a server.
pub(crate) fn is_on_server(record: &RecipientRecord<'_>) -> bool {
    matches!(record.capsule, Capsule::KeyServer(_))
}

/// Whether the key of a record is split over shares servers.
pub(crate) fn is_split(record: &RecipientRecord<'_>) -> bool {
    matches!(record.capsule, Capsule::KeyShares(_))
}

/// What an error of a server means, which is said as `message`; `None` if it is no server's.
pub(crate) fn failure(reason: &(dyn StdError + Send + Sync + 'static), message: &str) -> Option<Failure> {
    let (code, hint) = match reason.downcast_ref() {
        Some(error) => judged(error),
        None => judged_shares(reason.downcast_ref()?),
    };
    let failure = Failure::new(code, message);
    Some(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

/// What to do about a server that the configuration does not list.
pub(crate) const GET_ENTRY: &str = "get its entry from who sent the container or runs the server; cdoc2 man servers describes it";

/// The exit code, and what to do.
fn judged(error: &Error) -> (Code, Option<&'static str>) {
    match error {
        // As with a record for another key: there is nothing here that opens it.
        Error::Unknown(_) => (Code::NoRecord, Some(GET_ENTRY)),
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

/// The same for a shares server.
pub(crate) fn judged_shares(reason: &Reason) -> (Code, Option<&'static str>) {
    match reason {
        Reason::Https(error) => (Code::Server, hint(error)),
        Reason::Missing => {
            (Code::Server, Some("ask the sender to encrypt it again; cdoc2 inspect shows until when it was to be kept"))
        }
        Reason::Refused => (Code::Server, Some("whoever runs the server finds the reason in its log")),
        Reason::OtherRecipient | Reason::Length(_) => {
            (Code::Server, Some("the server is not sound, or lies: tell whoever runs it"))
        }
        Reason::Recipient(_) => (Code::Usage, None),
        _ => (Code::Server, None),
    }
}

/// What to do about a server that cannot be talked to.
pub(crate) fn hint(error: &https::Error) -> Option<&'static str> {
    Some(match error {
        passing if passing.is_passing() => "try again later; cdoc2 servers check shows how the servers do",
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
        https::Error::Certificate(CertificateRefusal::NotNow) => {
            "try again later; if it stays so, whoever runs the server finds the reason in its log"
        }
        https::Error::Certificate(
            CertificateRefusal::UnknownIssuer
            | CertificateRefusal::Signature
            | CertificateRefusal::Unsound
            | CertificateRefusal::Unsupported
            | CertificateRefusal::Absent
            | CertificateRefusal::Unsaid,
        ) => "the server's operator says whose certificates it takes",
        https::Error::Refused(_) => "if it is about the time, --expires asks for another",
        _ => return None,
    })
}

/// Days for people: until when something is valid.
pub(crate) fn until(moment: std::time::SystemTime) -> String {
    format!("valid until {}", text::day(moment))
}
