//! Mari, whose phone has Smart-ID and Mobile-ID, and what signs for her.

use std::fs;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64ct::{Base64, Encoding as _};
use cdoc2_api::RecipientId;
use cdoc2_client::auth::{
    Algorithm, AuthSigner, Error, Interaction, MobileId, Pace, Service as Kind, Signed, SmartId, VerificationCode,
};
use cdoc2_client::config::{Config, SigningService};
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm as KeyAlgorithm, Authority, Content, Holder, Identity, PersonalCode, Subject};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{Reply, Request, Service};

pub(crate) const PHONE: &str = "+37200000766";
pub(crate) const UUID: &str = "11111111-2222-4333-8444-555555555555";
/// What is signed: it looks like a token, and no signer looks closer.
pub(crate) const INPUT: &[u8] = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtYXJpIn0";

pub(crate) struct World {
    folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) server: Identity,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Test", None).unwrap();
        let content = Content::server(Subject::named("signing service").unwrap(), SystemTime::now()).unwrap();
        let server = authority.identity(&content, KeyAlgorithm::P256).unwrap();
        fs::write(folder.path().join("root.pem"), authority.root_pem()).unwrap();
        fs::write(folder.path().join("people.pem"), authority.intermediate_pem()).unwrap();
        Self { folder, authority, server }
    }

    /// A service that answers like this.
    pub(crate) fn service(&self, answer: impl Fn(&Request, usize) -> Reply + Send + 'static) -> Service {
        Service::new(&self.server, answer)
    }

    /// What the client is told of `service`.
    pub(crate) fn config(&self, service: &Service) -> SigningService {
        self.config_at(&service.address.to_string(), "root.pem")
    }

    pub(crate) fn config_at(&self, address: &str, pin: &str) -> SigningService {
        let path = self.folder.path().join("config.toml");
        let text = format!(
            "[smart_id]\nurl = \"https://{address}/rp/\"\nrelying_party_uuid = \"{UUID}\"\nrelying_party_name = \"DEMO\"\n\
             certificates = [\"{pin}\"]\nauthorities = [\"people.pem\"]\n"
        );
        fs::write(&path, text).unwrap();
        Config::read(&path).unwrap().smart_id().unwrap().clone()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Her key in Smart-ID.
    pub(crate) fn smart_id(&self) -> Identity {
        self.authority.identity(&content::for_rsa(mari_content()), KeyAlgorithm::Rsa).unwrap()
    }

    /// Her key on the SIM.
    pub(crate) fn mobile_id(&self) -> Identity {
        let content = Content { purposes: Vec::new(), ..mari_content() };
        self.authority.identity(&content, KeyAlgorithm::P256).unwrap()
    }
}

pub(crate) fn mari() -> RecipientId {
    "etsi/PNOEE-60001017727".parse().unwrap()
}

pub(crate) fn mari_content() -> Content {
    content::person(&holder("MAASIKAS,MARI", "60001017727"), Document::MobileId).unwrap()
}

pub(crate) fn holder(name: &str, code: &str) -> Holder {
    Holder::new(name, PersonalCode::parse(code).unwrap()).unwrap()
}

/// Somebody who reads the code, and may give up.
pub(crate) struct Terminal<'a> {
    pub(crate) codes: Vec<(Kind, VerificationCode)>,
    gives_up: Box<dyn FnMut() -> bool + 'a>,
}

impl<'a> Terminal<'a> {
    pub(crate) fn new() -> Self {
        Self::giving_up(|| false)
    }

    /// `when` is asked as often as the signer asks.
    pub(crate) fn giving_up(when: impl FnMut() -> bool + 'a) -> Self {
        Self { codes: Vec::new(), gives_up: Box::new(when) }
    }
}

impl Interaction for Terminal<'_> {
    fn verification_code(&mut self, service: Kind, code: VerificationCode) {
        self.codes.push((service, code));
    }

    fn is_cancelled(&mut self) -> bool {
        (self.gives_up)()
    }
}

/// Fast enough for tests; nothing here waits for a limit but who tests the limit.
pub(crate) fn pace() -> Pace {
    Pace { interval: Duration::ZERO, back_off: Duration::from_millis(1), ..Pace::default() }
}

/// Lets the service of `config` sign as Smart-ID.
pub(crate) fn by_smart_id(config: &SigningService) -> Result<Signed, Error> {
    SmartId::new(config, pace()).sign(&mari(), INPUT, Algorithm::Rs256, &mut Terminal::new())
}

/// Lets the service of `config` sign as Mobile-ID.
pub(crate) fn by_mobile_id(config: &SigningService) -> Result<Signed, Error> {
    MobileId::new(config, PHONE.parse().unwrap(), pace()).sign(&mari(), INPUT, Algorithm::Es256, &mut Terminal::new())
}

pub(crate) const SESSION: &str = "de305d54-75b4-431b-adb2-eb6b9e546015";

/// A session that begins, and whose first status is `status`.
pub(crate) fn session(status: impl Fn() -> Reply + Send + 'static) -> impl Fn(&Request, usize) -> Reply + Send + 'static {
    move |request, _| match request.method.as_str() {
        "POST" => Reply::Json(json!({ "sessionID": SESSION })),
        _ => status(),
    }
}

pub(crate) fn rs256(identity: &Identity, message: &[u8]) -> Vec<u8> {
    let pair = RsaKeyPair::from_pkcs8(identity.key()).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

pub(crate) fn es256(identity: &Identity, message: &[u8]) -> Vec<u8> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, identity.key()).unwrap();
    pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
}

/// A session of Smart-ID that has ended well.
pub(crate) fn smart_id_ok(certificate: &[u8], signature: &[u8]) -> Value {
    json!({
        "state": "COMPLETE",
        "result": { "endResult": "OK", "documentNumber": "PNOEE-60001017727-MOCK-Q" },
        "signature": { "value": Base64::encode_string(signature), "algorithm": "sha256WithRSAEncryption" },
        "cert": { "value": Base64::encode_string(certificate), "certificateLevel": "QUALIFIED" },
        "interactionFlowUsed": "verificationCodeChoice",
    })
}

/// A session of Mobile-ID that has ended well.
pub(crate) fn mobile_id_ok(certificate: &[u8], signature: &[u8], algorithm: &str) -> Value {
    json!({
        "state": "COMPLETE",
        "result": "OK",
        "signature": { "value": Base64::encode_string(signature), "algorithm": algorithm },
        "cert": Base64::encode_string(certificate),
        "time": "2019-07-23T10:52:20",
        "traceId": "d8de38e7bb5d8f8a",
    })
}
