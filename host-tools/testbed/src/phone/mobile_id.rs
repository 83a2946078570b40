//! The virtual Mobile-ID service, as far as it authenticates people. Source: Mobile-ID REST API (SK ID Solutions).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::holder::Holder;

use super::hash::Hash;
use super::reply::{self, Refusal};
use super::session::{Outcome, Request, Sessions, Signed};
use super::{Displayed, EndState, Service, relying_party};
use crate::background::Spawner;
use crate::{Algorithm, Error, Identity};

/// Somebody's SIM with Mobile-ID.
pub type Account = super::Account<End>;
/// What happens when somebody is to sign by Mobile-ID.
pub type Behaviour = super::Behaviour<End>;

/// Under which path everything is.
const BASE: &str = "/mid-api";
/// For how long an answer is kept back if nothing is said ("Long polling").
const LONG_POLL: Duration = Duration::from_secs(10);
/// Digits of phone numbers, with the code of the country.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// How a session can end without a signature ("Session end result codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody has confirmed or refused in time.
    Timeout,
    /// There are no certificates that are active. Whoever is not known ends like this, too.
    NotMidClient,
    /// The person has refused.
    UserCancelled,
    /// SIM and service do not agree.
    SignatureHashMismatch,
    /// The SIM cannot be reached.
    PhoneAbsent,
    /// The message could not be sent.
    DeliveryError,
    /// The SIM has answered something else.
    SimError,
}

impl EndState for End {
    const TIMED_OUT: Self = Self::Timeout;

    fn word(self) -> &'static str {
        match self {
            Self::Timeout => "TIMEOUT",
            Self::NotMidClient => "NOT_MID_CLIENT",
            Self::UserCancelled => "USER_CANCELLED",
            Self::SignatureHashMismatch => "SIGNATURE_HASH_MISMATCH",
            Self::PhoneAbsent => "PHONE_ABSENT",
            Self::DeliveryError => "DELIVERY_ERROR",
            Self::SimError => "SIM_ERROR",
        }
    }

    fn is_displayed(self) -> bool {
        !matches!(self, Self::NotMidClient | Self::PhoneAbsent | Self::DeliveryError)
    }
}

/// The Mobile-ID service, from outside.
pub type MobileIdService = Service<End>;

impl MobileIdService {
    pub(crate) fn start(identity: &Identity, spawner: &Spawner) -> Result<Self, Error> {
        let routes = Router::new().route("/authentication", post(begin)).route("/authentication/session/{id}", get(status));
        Self::serve(BASE, routes, identity, spawner)
    }

    /// Gives `holder` a SIM with the phone number `phone_number`, such as `+37200000766`, whose key and certificate are `identity`: see
    /// [`crate::content::mobile_id`]. The certificate is not looked at. Whoever had the number loses it.
    ///
    /// # Errors
    /// The key is neither RSA nor on P-256.
    pub fn open(&self, holder: &Holder, phone_number: &str, identity: &Identity) -> Result<Account, Error> {
        if !matches!(identity.algorithm(), Algorithm::Rsa | Algorithm::P256) {
            return Err(Error::Key);
        }
        Ok(self.open_account(phone_number.to_owned(), holder.code().to_string(), identity))
    }
}

/// "Initiating signing and authentication", request parameters. What is not known is left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    #[serde(rename = "relyingPartyUUID")]
    relying_party_uuid: String,
    relying_party_name: String,
    phone_number: String,
    national_identity_number: String,
    hash: String,
    hash_type: String,
    language: String,
    #[serde(default)]
    display_text: String,
    display_text_format: Option<String>,
}

impl Authentication {
    /// What can be said without knowing anybody.
    fn check(&self) -> Result<Hash, Refusal> {
        let is_number = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        let phone = self.phone_number.strip_prefix('+').unwrap_or_default();
        if !is_number(phone) || !DIGITS.contains(&phone.len()) {
            return Err(Refusal::bad_request("phoneNumber is no + with digits"));
        }
        if !is_number(&self.national_identity_number) || self.national_identity_number.len() != 11 {
            return Err(Refusal::bad_request("nationalIdentityNumber has not 11 digits"));
        }
        if !["EST", "ENG", "RUS", "LIT"].contains(&self.language.as_str()) {
            return Err(Refusal::bad_request("language is not EST, ENG, RUS or LIT"));
        }
        let max_len = match self.display_text_format.as_deref() {
            None | Some("GSM-7") => 100,
            Some("UCS-2") => 50,
            Some(_) => return Err(Refusal::bad_request("displayTextFormat is not GSM-7 or UCS-2")),
        };
        if self.display_text.chars().count() > max_len {
            return Err(Refusal::bad_request("displayText is longer than displayTextFormat allows"));
        }
        Hash::parse(&self.hash, &self.hash_type).map_err(Refusal::bad_request)
    }
}

/// POST /authentication
async fn begin(State(sessions): State<Arc<Sessions<End>>>, headers: HeaderMap, body: Bytes) -> Response {
    match try_begin(&sessions, &headers, &body) {
        Ok(id) => reply::json(200, &json!({ "sessionID": id })),
        Err(refusal) => refuse(refusal),
    }
}

fn try_begin(sessions: &Sessions<End>, headers: &HeaderMap, body: &Bytes) -> Result<String, Refusal> {
    sessions.admit()?;
    let request: Authentication = reply::read(headers, body)?;
    let hash = request.check()?;
    relying_party::check(&request.relying_party_uuid, &request.relying_party_name)?;
    let displayed = Displayed {
        code: hash.mobile_id_code(),
        relying_party: request.relying_party_name,
        text: request.display_text,
        interaction: None,
    };
    let wanted = Request { hash, displayed, same: None, ignored: Vec::new() };
    let begun = sessions.begin(&request.phone_number, &request.national_identity_number, wanted.clone());
    begun.unwrap_or_else(|| sessions.begin_ended(wanted, End::NotMidClient))
}

/// GET /authentication/session/:sessionId
async fn status(State(sessions): State<Arc<Sessions<End>>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    match try_status(&sessions, &id, query.as_deref()).await {
        Ok(None) => answer(200, json!({ "state": "RUNNING" })),
        Ok(Some(Outcome::Signed(signed))) => answer(200, ok(&signed)),
        Ok(Some(Outcome::Ended(end))) => answer(200, json!({ "state": "COMPLETE", "result": end.word() })),
        Ok(Some(Outcome::Failed)) => refuse(Refusal::INTERNAL),
        Err(refusal) => refuse(refusal),
    }
}

async fn try_status(sessions: &Sessions<End>, id: &str, query: Option<&str>) -> Result<Option<Outcome<End>>, Refusal> {
    sessions.admit()?;
    sessions.outcome(id, reply::long_poll(query, LONG_POLL)?).await
}

fn ok(signed: &Signed) -> Value {
    let kind = if signed.identity.algorithm() == Algorithm::Rsa { "RSA" } else { "EC" };
    json!({
        "state": "COMPLETE",
        "result": "OK",
        "signature": {
            "value": reply::base64(&signed.signature),
            "algorithm": format!("{}With{kind}Encryption", signed.request.hash.name()),
        },
        "cert": reply::base64(signed.identity.certificate()),
    })
}

fn refuse(refusal: Refusal) -> Response {
    answer(refusal.status, json!({ "error": refusal.reason }))
}

/// With what every answer has for the service's own sake, but one that begins a session.
fn answer(code: u16, mut value: Value) -> Response {
    value["time"] = reply::time().into();
    value["traceId"] = "0000000000000000".into();
    reply::json(code, &value)
}
