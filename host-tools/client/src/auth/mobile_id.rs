//! Mobile-ID, whose keys are on a SIM. Source: Mobile-ID REST API (SK ID Solutions).

use std::fmt;

use cdoc2_api::RecipientId;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::session::{Octets, Pace, Session, Signature, base64};
use super::trust::Wanted;
use super::{Algorithm, AuthSigner, EndState, Error, Interaction, PhoneNumber, Service, Signed, Untrusted, VerificationCode};
use crate::config::SigningService;

/// Signs by Mobile-ID. Most SIMs have a key on P-256; which it is, only a signature tells.
pub struct MobileId<'c> {
    config: &'c SigningService,
    phone_number: PhoneNumber,
    pace: Pace,
    algorithm: Algorithm,
}

impl<'c> MobileId<'c> {
    /// Signs by the service that `config` describes and the SIM with `phone_number`.
    #[must_use]
    pub fn new(config: &'c SigningService, phone_number: PhoneNumber, pace: Pace) -> Self {
        Self { config, phone_number, pace, algorithm: Algorithm::Es256 }
    }
}

impl fmt::Debug for MobileId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MobileId").field("config", self.config).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// "Initiating signing and authentication", request parameters.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(rename = "relyingPartyUUID")]
    relying_party_uuid: &'a str,
    relying_party_name: &'a str,
    phone_number: &'a str,
    national_identity_number: &'a str,
    hash: String,
    hash_type: &'static str,
    language: &'static str,
    display_text: &'static str,
    display_text_format: &'static str,
}

/// At most 100 characters of the GSM 7-bit alphabet.
const QUESTION: &str = "Open an encrypted file (CDOC2)?";

/// "Status of signing and authentication", once it has ended.
#[derive(Deserialize)]
struct Complete {
    result: String,
    signature: Option<Signature>,
    cert: Option<Octets>,
}

impl AuthSigner for MobileId<'_> {
    fn algorithm(&mut self, person: &RecipientId) -> Result<Algorithm, Error> {
        personal_code(person).map(|_| self.algorithm)
    }

    fn sign(
        &mut self,
        person: &RecipientId,
        signing_input: &[u8],
        algorithm: Algorithm,
        interaction: &mut dyn Interaction,
    ) -> Result<Signed, Error> {
        let personal_code = personal_code(person)?;
        if !matches!(algorithm, Algorithm::Es256 | Algorithm::Rs256) {
            return Err(Error::UnfitKey("Mobile-ID signs with ES256 or RS256"));
        }
        let hash = algorithm.digest(signing_input);
        let request = Request {
            relying_party_uuid: &self.config.relying_party_uuid,
            relying_party_name: &self.config.relying_party_name,
            phone_number: self.phone_number.as_str(),
            national_identity_number: personal_code,
            hash: base64(&hash),
            hash_type: "SHA256",
            language: "ENG",
            display_text: QUESTION,
            display_text_format: "GSM-7",
        };
        interaction.verification_code(Service::MobileId, VerificationCode::of_mobile_id(&hash));
        let mut session = Session::new(Service::MobileId, self.config, self.pace, interaction)?;
        let id = session.begin("/authentication", &request, is_busy, |_| None)?;
        let complete: Complete = session.wait("/authentication/session", &id)?;
        if let Some(state) = EndState::of_mobile_id(&complete.result) {
            return Err(session.ended(state));
        }
        let (Some(signature), Some(certificate)) = (complete.signature, complete.cert) else {
            return Err(session.nonsense("it says OK, and has no signature or no certificate"));
        };
        let actual = match signature.algorithm.as_str() {
            "SHA256WithECEncryption" => Algorithm::Es256,
            "SHA256WithRSAEncryption" => Algorithm::Rs256,
            _ => return Err(Untrusted::UnknownAlgorithm.into()),
        };
        if actual != algorithm {
            self.algorithm = actual;
            return Err(Untrusted::Algorithm(actual).into());
        }
        let signed = Signed { certificate: certificate.0, signature: signature.value.0 };
        Wanted { person, signing_input, algorithm, authorities: Some(&self.config.authorities) }.check(&signed)?;
        Ok(signed)
    }
}

/// `nationalIdentityNumber`: the service takes it without its country, which the phone number tells.
fn personal_code(person: &RecipientId) -> Result<&str, Error> {
    let identifier = person.semantics_identifier().unwrap_or_default();
    let code = identifier.strip_prefix("PNOEE-").or_else(|| identifier.strip_prefix("PNOLT-"));
    code.ok_or(Error::UnfitPerson("Mobile-ID knows people by personal codes of Estonia and Lithuania only"))
}

/// The same request again would make the phone ring again: it is repeated only where the service says that it has not taken it.
fn is_busy(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_known_by_codes_of_two_countries() {
        for (id, expected) in [
            ("etsi/PNOEE-60001017727", Some("60001017727")),
            ("etsi/PNOLT-51307149560", Some("51307149560")),
            ("etsi/PNOLV-010101-10006", None),
            ("etsi/PASEE-K1234567", None),
            ("private/JIO/70000349", None),
        ] {
            assert_eq!(personal_code(&id.parse().unwrap()).ok(), expected, "{id}");
        }
    }
}
