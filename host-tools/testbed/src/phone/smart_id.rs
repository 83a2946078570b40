//! The virtual Smart-ID service: version 2 of its interface for relying parties, as far as it authenticates people by their semantics identifiers.
//! Source: Smart-ID RP API 2.0 (SK ID Solutions).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use cdoc2_api::RecipientId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use simulator::holder::Holder;

use super::hash::Hash;
use super::reply::{self, Refusal};
use super::session::{Outcome, Request, Sessions, Signed};
use super::{Displayed, EndState, Service, relying_party};
use crate::background::Spawner;
use crate::{Algorithm, Error, Identity};

/// Somebody's account with Smart-ID.
pub type Account = super::Account<End>;
/// What happens when somebody is to sign by Smart-ID.
pub type Behaviour = super::Behaviour<End>;

/// Under which path everything is.
const BASE: &str = "/v2";
/// What kinds of semantics identifiers there are: by a personal number, a passport or an identity card ("etsi/:semantics-identifier").
const KINDS: [&str; 3] = ["PNO", "PAS", "IDC"];
/// The level of all accounts.
const LEVEL: &str = "QUALIFIED";
/// Status: no account of this level, but another one ("HTTP status code usage").
pub const NO_SUITABLE_ACCOUNT: u16 = 471;
/// Status: the person should look into the app or the self-service portal first.
pub const SEE_APP: u16 = 472;
/// Status: the client is too old ("HTTP status codes").
pub const TOO_OLD: u16 = 480;
/// Status: under maintenance.
pub const MAINTENANCE: u16 = 580;

/// How a session can end without a signature ("Session status end result codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The person has refused.
    UserRefused,
    /// Nobody has confirmed or refused in time.
    Timeout,
    /// The account cannot be used; the app says why.
    DocumentUnusable,
    /// Another verification code was chosen.
    WrongVc,
    /// The app knows none of the interactions.
    RequiredInteractionNotSupportedByApp,
    /// There are several accounts, and none was chosen.
    UserRefusedCertChoice,
    /// Cancelled where the PIN is typed.
    UserRefusedDisplayTextAndPin,
    /// Cancelled where the code is chosen.
    UserRefusedVcChoice,
    /// Cancelled where the text is confirmed.
    UserRefusedConfirmationMessage,
    /// Cancelled where the text is confirmed by choosing the code.
    UserRefusedConfirmationMessageWithVcChoice,
}

impl EndState for End {
    const TIMED_OUT: Self = Self::Timeout;

    fn word(self) -> &'static str {
        match self {
            Self::UserRefused => "USER_REFUSED",
            Self::Timeout => "TIMEOUT",
            Self::DocumentUnusable => "DOCUMENT_UNUSABLE",
            Self::WrongVc => "WRONG_VC",
            Self::RequiredInteractionNotSupportedByApp => "REQUIRED_INTERACTION_NOT_SUPPORTED_BY_APP",
            Self::UserRefusedCertChoice => "USER_REFUSED_CERT_CHOICE",
            Self::UserRefusedDisplayTextAndPin => "USER_REFUSED_DISPLAYTEXTANDPIN",
            Self::UserRefusedVcChoice => "USER_REFUSED_VC_CHOICE",
            Self::UserRefusedConfirmationMessage => "USER_REFUSED_CONFIRMATIONMESSAGE",
            Self::UserRefusedConfirmationMessageWithVcChoice => "USER_REFUSED_CONFIRMATIONMESSAGE_WITH_VC_CHOICE",
        }
    }

    fn is_displayed(self) -> bool {
        !matches!(self, Self::DocumentUnusable | Self::RequiredInteractionNotSupportedByApp | Self::UserRefusedCertChoice)
    }
}

/// The Smart-ID service, from outside.
pub type SmartIdService = Service<End>;

impl SmartIdService {
    pub(crate) fn start(identity: &Identity, spawner: &Spawner) -> Result<Self, Error> {
        let routes = Router::new().route("/authentication/etsi/{identifier}", post(begin)).route("/session/{id}", get(status));
        Self::serve(BASE, routes, identity, spawner)
    }

    /// Opens an account for `holder`, whose key and certificate are `identity`: see [`crate::content::smart_id`]. The certificate is not
    /// looked at. An account that the holder had is closed.
    ///
    /// # Errors
    /// The key is not RSA.
    pub fn open(&self, holder: &Holder, identity: &Identity) -> Result<Account, Error> {
        if identity.algorithm() != Algorithm::Rsa {
            return Err(Error::Key);
        }
        let name = format!("PNOEE-{}", holder.code());
        Ok(self.open_account(name.clone(), name, identity))
    }
}

/// "Authentication session", request parameters. What is not known is left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    #[serde(rename = "relyingPartyUUID")]
    relying_party_uuid: String,
    relying_party_name: String,
    certificate_level: Option<String>,
    hash: String,
    hash_type: String,
    allowed_interactions_order: Vec<AllowedInteraction>,
    nonce: Option<String>,
    #[serde(default)]
    request_properties: Map<String, Value>,
}

/// "Allowed interactions order".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllowedInteraction {
    r#type: String,
    #[serde(rename = "displayText60")]
    display_text_60: Option<String>,
    #[serde(rename = "displayText200")]
    display_text_200: Option<String>,
}

impl AllowedInteraction {
    /// Its name, and the text to display.
    fn check(&self) -> Result<(&'static str, &str), Refusal> {
        let (name, text, other, max_len) = match self.r#type.as_str() {
            "displayTextAndPIN" => ("displayTextAndPIN", &self.display_text_60, &self.display_text_200, 60),
            "verificationCodeChoice" => ("verificationCodeChoice", &self.display_text_60, &self.display_text_200, 60),
            "confirmationMessage" => ("confirmationMessage", &self.display_text_200, &self.display_text_60, 200),
            "confirmationMessageAndVerificationCodeChoice" => {
                ("confirmationMessageAndVerificationCodeChoice", &self.display_text_200, &self.display_text_60, 200)
            }
            _ => return Err(Refusal::bad_request("an interaction is of no known type")),
        };
        match (text, other) {
            (Some(text), None) if (1..=max_len).contains(&text.chars().count()) => Ok((name, text)),
            _ => Err(Refusal::bad_request(
                "an interaction has a text of 60 or of 200 characters, as its type says, and not the other one",
            )),
        }
    }
}

/// POST /authentication/etsi/:semantics-identifier
async fn begin(
    State(sessions): State<Arc<Sessions<End>>>,
    Path(identifier): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match try_begin(&sessions, &identifier, &headers, &body) {
        Ok(id) => reply::json(200, &json!({ "sessionID": id })),
        Err(refusal) => refuse(refusal),
    }
}

fn try_begin(sessions: &Sessions<End>, identifier: &str, headers: &HeaderMap, body: &Bytes) -> Result<String, Refusal> {
    sessions.admit()?;
    let is_known = KINDS.iter().any(|kind| identifier.starts_with(kind));
    if !is_known || RecipientId::of_serial_number(identifier).is_err() {
        return Err(Refusal::bad_request("this is no semantics identifier"));
    }
    let request: Authentication = reply::read(headers, body)?;
    let hash = Hash::parse(&request.hash, &request.hash_type).map_err(Refusal::bad_request)?;
    let interactions: Vec<_> =
        request.allowed_interactions_order.iter().map(AllowedInteraction::check).collect::<Result<_, _>>()?;
    // An app of today knows them all, so that it gets the first.
    let (interaction, text) = *interactions.first().ok_or(Refusal::bad_request("allowedInteractionsOrder is empty"))?;
    if request.nonce.is_some_and(|nonce| !(1..=30).contains(&nonce.chars().count())) {
        return Err(Refusal::bad_request("nonce has 1 to 30 characters"));
    }
    relying_party::check(&request.relying_party_uuid, &request.relying_party_name)?;
    match request.certificate_level.as_deref() {
        None | Some(LEVEL) => {}
        Some("ADVANCED") => {
            return Err(Refusal { status: 403, reason: "the relying party may not ask for accounts of this level" });
        }
        Some(_) => return Err(Refusal::bad_request("certificateLevel is not QUALIFIED or ADVANCED")),
    }
    let displayed = Displayed {
        code: hash.smart_id_code(),
        relying_party: request.relying_party_name,
        text: text.to_owned(),
        interaction: Some(interaction),
    };
    let ignored = request.request_properties.into_iter().map(|(name, _)| name).collect();
    let request = Request { hash, displayed, same: Some(String::from_utf8_lossy(body).into_owned()), ignored };
    let nobody = Refusal { status: 404, reason: "this person has no account" };
    sessions.begin(identifier, identifier, request).ok_or(nobody)?
}

/// GET /session/:sessionId
async fn status(State(sessions): State<Arc<Sessions<End>>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    match try_status(&sessions, &id, query.as_deref()).await {
        Ok(None) => reply::json(200, &json!({ "state": "RUNNING" })),
        Ok(Some(Outcome::Signed(signed))) => reply::json(200, &ok(&signed)),
        Ok(Some(Outcome::Ended(end))) => reply::json(200, &json!({ "state": "COMPLETE", "result": { "endResult": end.word() } })),
        Ok(Some(Outcome::Failed)) => refuse(Refusal::INTERNAL),
        Err(refusal) => refuse(refusal),
    }
}

async fn try_status(sessions: &Sessions<End>, id: &str, query: Option<&str>) -> Result<Option<Outcome<End>>, Refusal> {
    sessions.admit()?;
    let (shortest, longest) = sessions.timing().long_poll;
    // "A value halfway between maximum and minimum".
    let wait = reply::long_poll(query, shortest.saturating_add(longest) / 2)?;
    sessions.outcome(id, wait).await
}

fn ok(signed: &Signed) -> Value {
    let Signed { signature, identity, account, request } = signed;
    json!({
        "state": "COMPLETE",
        "result": { "endResult": "OK", "documentNumber": format!("{account}-MOCK-Q") },
        "signature": {
            "value": reply::base64(signature),
            "algorithm": format!("{}WithRSAEncryption", request.hash.name().to_lowercase()),
        },
        "cert": { "value": reply::base64(identity.certificate()), "certificateLevel": LEVEL },
        "ignoredProperties": request.ignored,
        "interactionFlowUsed": request.displayed.interaction,
    })
}

/// What the body is, is not documented.
fn refuse(refusal: Refusal) -> Response {
    reply::json(refusal.status, &json!({ "code": refusal.status, "message": refusal.reason }))
}
