//! Any octets as an HTTP request, to both interfaces of the capsule server over a SQLite file. What is wrong gets a small answer of the interface;
//! what is accepted is fetched by the owner of its key, and by nobody else.
#![no_main]

mod interface;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::http::header::LOCATION;
use axum::http::{Method, Request, StatusCode};
use cdoc2_api::{Capsule, CapsuleType, ExpiryTime, TransactionId, capsule};
use cdoc2_server::Config;
use cdoc2_server::routes::Routes;
use cdoc2_server::store::{Sqlite, Store, StoredCapsule};
use interface::{Answer, ask, request};
use libfuzzer_sys::{Corpus, fuzz_target};
use rcgen::{
    CertificateParams, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    PublicKeyData, SignatureAlgorithm,
};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The files are not opened.
const CONFIG: &str = r#"
    sender = { certificate = "server.pem", key = "server.key" }
    recipient = { certificate = "server.pem", key = "server.key", client_authorities = ["authority.pem"] }
    store = { sqlite = "capsules.sqlite" }
"#;

/// Ids that the seeds know: of what is kept for Mari, and of what was.
const KEPT: &str = "KC000000000000000001";
const EXPIRED: &str = "KC000000000000000002";

thread_local! {
    /// Not a `static`: what belongs to the thread is dropped when the fuzzer ends, and the file with it.
    static WORLD: World = World::new();
}

struct World {
    sender: Router,
    mari: Router,
    stranger: Router,
    nobody: Router,
    of_mari: Capsule,
    authority: Issuer<'static, KeyPair>,
    store: Arc<dyn Store>,
    config: Config,
    runtime: Runtime,
    _folder: TempDir,
}

/// A public key that somebody may have.
struct PublicKey<'k>(&'k [u8], &'static SignatureAlgorithm);

impl PublicKeyData for PublicKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.1
    }
}

fn path(id: &str) -> String {
    format!("{}/{id}", capsule::PATH)
}

fn certificate(key: &impl PublicKeyData, authority: &Issuer<'_, KeyPair>) -> CertificateDer<'static> {
    CertificateParams::default().signed_by(key, authority).unwrap().der().clone()
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("capsules.sqlite");
        let config = Config::parse(CONFIG, &folder.path().join("server.toml")).unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&file).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let authority = Issuer::new(CertificateParams::default(), KeyPair::generate().unwrap());
        let [mari, stranger] = [(); 2].map(|()| KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
        let of_mari = Capsule {
            recipient_id: mari.public_key_raw().into(),
            ephemeral_key_material: stranger.public_key_raw().into(),
            capsule_type: CapsuleType::EccSecp384r1,
        };
        let now = ExpiryTime::try_from(SystemTime::now()).unwrap().as_unix();
        for (id, expiry) in [(KEPT, now + 1_000_000), (EXPIRED, now - 1)] {
            let stored = StoredCapsule { capsule: of_mari.clone(), expiry: ExpiryTime::from_unix(expiry).unwrap() };
            runtime.block_on(store.put_capsule(&id.parse().unwrap(), &stored)).unwrap();
        }
        let routes = |key| Routes::new(store.clone(), &config, Some(&certificate(key, &authority)));
        let Routes { sender, recipient: mari } = routes(&mari);
        let stranger = routes(&stranger).recipient;
        let nobody = Routes::new(store.clone(), &config, None).recipient;
        Self { sender, mari, stranger, nobody, of_mari, authority, store, config, runtime, _folder: folder }
    }

    fn ask(&self, router: &Router, request: Request<Vec<u8>>) -> Answer {
        ask(&self.runtime, router, request)
    }

    fn get(&self, router: &Router, path: &str) -> Answer {
        self.ask(router, Request::get(path).body(Vec::new()).unwrap())
    }

    fn put(&self, request: Request<Vec<u8>>) {
        let (path, body) = (request.uri().path().to_owned(), request.body().clone());
        let answer = self.ask(&self.sender, request);
        assert_ne!(answer.status, StatusCode::OK);
        if answer.status != StatusCode::CREATED {
            return;
        }
        assert_eq!(path, capsule::PATH);
        let put: Capsule = serde_json::from_slice(&body).unwrap();
        let location = answer.header(LOCATION.as_str());
        let id = location.strip_prefix(&self::path("")).unwrap();
        assert!(id.parse::<TransactionId>().is_ok(), "{id}");

        let (own, other) = match put.capsule_type {
            CapsuleType::EccSecp256r1 => (&PKCS_ECDSA_P256_SHA256, &PKCS_RSA_SHA256),
            CapsuleType::EccSecp384r1 => (&PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P256_SHA256),
            CapsuleType::EccSecp521r1 => (&PKCS_ECDSA_P521_SHA512, &PKCS_ECDSA_P384_SHA384),
            CapsuleType::Rsa => (&PKCS_RSA_SHA256, &PKCS_ECDSA_P521_SHA512),
            CapsuleType::Unknown(name) => panic!("{name}"),
        };
        let [owner, namesake] = [own, other].map(|algorithm| {
            let certificate = certificate(&PublicKey(&put.recipient_id, algorithm), &self.authority);
            Routes::new(self.store.clone(), &self.config, Some(&certificate)).recipient
        });
        let fetched = self.get(&owner, location);
        assert_eq!(fetched.status, StatusCode::OK);
        assert_eq!(serde_json::from_slice::<Capsule>(&fetched.body).unwrap(), put);
        assert_eq!(fetched.expiry(), answer.expiry());
        // The same octets as another kind of key are somebody else.
        for router in [&namesake, &self.mari] {
            assert_eq!(self.get(router, location).status, StatusCode::NOT_FOUND);
        }
        assert_eq!(self.get(&self.nobody, location).status, StatusCode::UNAUTHORIZED);
    }

    fn fetch(&self, request: &Request<Vec<u8>>) {
        let answer = self.ask(&self.mari, request.clone());
        assert_ne!(answer.status, StatusCode::CREATED);
        if answer.status == StatusCode::OK && request.method() == Method::GET {
            assert_eq!(serde_json::from_slice::<Capsule>(&answer.body).unwrap(), self.of_mari);
        }
        if request.method() == Method::GET {
            assert!(request.uri().path() != path(KEPT) || answer.status == StatusCode::OK);
            assert!(request.uri().path() != path(EXPIRED) || answer.status == StatusCode::NOT_FOUND);
        }
        for router in [&self.stranger, &self.nobody] {
            assert!(self.ask(router, request.clone()).status.is_client_error());
        }
    }
}

fuzz_target!(|octets: &[u8]| -> Corpus {
    let Some(request) = request(octets) else { return Corpus::Reject };
    WORLD.with(|world| {
        world.fetch(&request);
        world.put(request);
    });
    Corpus::Keep
});
