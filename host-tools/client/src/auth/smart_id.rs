//! Smart-ID, whose keys are shared between an app and its service. Source: Smart-ID RP API 2.0 (SK ID Solutions).

use std::fmt;

use cdoc2_api::RecipientId;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::session::{Octets, Pace, Session, Signature, base64, is_passing};
use super::trust::Wanted;
use super::{Algorithm, AuthSigner, EndState, Error, Interaction, Service, Signed, Untrusted, VerificationCode};
use crate::config::SigningService;

/// Signs by Smart-ID, with RS256: what version 2 of its interface has.
pub struct SmartId<'c> {
    config: &'c SigningService,
    pace: Pace,
}

impl<'c> SmartId<'c> {
    /// Signs by the service that `config` describes.
    #[must_use]
    pub fn new(config: &'c SigningService, pace: Pace) -> Self {
        Self { config, pace }
    }
}

impl fmt::Debug for SmartId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmartId").field("config", self.config).finish_non_exhaustive()
    }
}

/// The level of certificates that is asked for, and the only one that is taken.
const LEVEL: &str = "QUALIFIED";

/// "Authentication session".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(rename = "relyingPartyUUID")]
    relying_party_uuid: &'a str,
    relying_party_name: &'a str,
    certificate_level: &'static str,
    hash: String,
    hash_type: &'static str,
    allowed_interactions_order: [AllowedInteraction; 2],
}

/// "Allowed interactions order". In each of them the person picks the code that this program shows: who only confirms might confirm what somebody
/// else has begun.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum AllowedInteraction {
    #[serde(rename_all = "camelCase")]
    ConfirmationMessageAndVerificationCodeChoice { display_text_200: &'static str },
    #[serde(rename_all = "camelCase")]
    VerificationCodeChoice { display_text_60: &'static str },
}

/// At most 60 characters.
const QUESTION: &str = "Open an encrypted file (CDOC2)?";

/// "Session status", once it has ended.
#[derive(Deserialize)]
struct Complete {
    result: EndResult,
    signature: Option<Signature>,
    cert: Option<Cert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndResult {
    end_result: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cert {
    value: Octets,
    certificate_level: String,
}

impl AuthSigner for SmartId<'_> {
    fn algorithm(&mut self, person: &RecipientId) -> Result<Algorithm, Error> {
        identifier(person).map(|_| Algorithm::Rs256)
    }

    fn sign(
        &mut self,
        person: &RecipientId,
        signing_input: &[u8],
        algorithm: Algorithm,
        interaction: &mut dyn Interaction,
    ) -> Result<Signed, Error> {
        let identifier = identifier(person)?;
        if algorithm != Algorithm::Rs256 {
            return Err(Error::UnfitKey("Smart-ID signs with RS256"));
        }
        let hash = algorithm.digest(signing_input);
        let request = Request {
            relying_party_uuid: &self.config.relying_party_uuid,
            relying_party_name: &self.config.relying_party_name,
            certificate_level: LEVEL,
            hash: base64(&hash),
            hash_type: "SHA256",
            allowed_interactions_order: [
                AllowedInteraction::ConfirmationMessageAndVerificationCodeChoice { display_text_200: QUESTION },
                AllowedInteraction::VerificationCodeChoice { display_text_60: QUESTION },
            ],
        };
        interaction.verification_code(Service::SmartId, VerificationCode::of_smart_id(&hash));
        let mut session = Session::new(Service::SmartId, self.config, self.pace, interaction)?;
        // The same request within 15 seconds finds the session that it began ("Idempotent behaviour"), so that it may be repeated.
        let id = session.begin(&format!("/authentication/etsi/{identifier}"), &request, is_passing, end_state)?;
        let complete: Complete = session.wait("/session", &id)?;
        if let Some(state) = EndState::of_smart_id(&complete.result.end_result) {
            return Err(session.ended(state));
        }
        let (Some(signature), Some(cert)) = (complete.signature, complete.cert) else {
            return Err(session.nonsense("it says OK, and has no signature or no certificate"));
        };
        if cert.certificate_level != LEVEL {
            return Err(Untrusted::Level.into());
        }
        if signature.algorithm != "sha256WithRSAEncryption" {
            return Err(Untrusted::UnknownAlgorithm.into());
        }
        let signed = Signed { certificate: cert.value.0, signature: signature.value.0 };
        Wanted { person, signing_input, algorithm, authorities: Some(&self.config.authorities) }.check(&signed)?;
        Ok(signed)
    }
}

fn identifier(person: &RecipientId) -> Result<&str, Error> {
    person
        .semantics_identifier()
        .ok_or(Error::UnfitPerson("Smart-ID knows people, and this recipient's id is one that a company gave"))
}

/// "HTTP status code usage".
fn end_state(status: StatusCode) -> Option<EndState> {
    match status.as_u16() {
        404 => Some(EndState::NoAccount),
        471 => Some(EndState::NoFitAccount),
        472 => Some(EndState::SeeApp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_service_reads() {
        let request = Request {
            relying_party_uuid: "00000000-0000-4000-8000-000000000000",
            relying_party_name: "DEMO",
            certificate_level: LEVEL,
            hash: base64(&[0xFF; 3]),
            hash_type: "SHA256",
            allowed_interactions_order: [
                AllowedInteraction::ConfirmationMessageAndVerificationCodeChoice { display_text_200: "a" },
                AllowedInteraction::VerificationCodeChoice { display_text_60: "b" },
            ],
        };
        let json = serde_json::to_value(&request).unwrap();
        let expected = serde_json::json!({
            "relyingPartyUUID": "00000000-0000-4000-8000-000000000000",
            "relyingPartyName": "DEMO",
            "certificateLevel": "QUALIFIED",
            "hash": "////",
            "hashType": "SHA256",
            "allowedInteractionsOrder": [
                { "type": "confirmationMessageAndVerificationCodeChoice", "displayText200": "a" },
                { "type": "verificationCodeChoice", "displayText60": "b" },
            ],
        });
        assert_eq!(json, expected);
        assert!(QUESTION.len() <= 60);
    }
}
