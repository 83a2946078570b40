//! Any octets as an HTTP request to a shares server over a SQLite file, and as a change to a good ticket or to the certificate that goes with it. What is
//! wrong gets a small answer of the interface; a share is given for what its recipient signed, once, and to nobody else.
#![no_main]

mod interface;
mod key;
mod person;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::http::header::LOCATION;
use axum::http::{Method, Request, StatusCode};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use cdoc2_api::share::{CERTIFICATE_HEADER, TICKET_HEADER, TOKEN_HEADER};
use cdoc2_api::{ExpiryTime, KeyShare, NonceResponse, Share, ShareId, share};
use cdoc2_auth_token::Audience;
use cdoc2_server::config::Shares;
use cdoc2_server::store::{self, Sqlite, Store, StoredShare};
use cdoc2_server::{Config, routes};
use interface::{Answer, ask, request};
use key::Key;
use libfuzzer_sys::fuzz_target;
use person::{Person, signed};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, SerialNumber};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The files are not opened.
const CONFIG: &str = r#"
    shares = { certificate = "server.pem", key = "server.key", url = "https://localhost:8443", authorities = ["authority.pem"] }
    store = { sqlite = "shares.sqlite" }
"#;

/// Ids that the seeds know: of what is kept for Mari, of what was, and of what is kept for Jaak.
const KEPT: &str = "9a7c3717d21f5cf19d18fa4fa5adee21";
const EXPIRED: &str = "9a7c3717d21f5cf19d18fa4fa5adee22";
const OF_JAAK: &str = "9a7c3717d21f5cf19d18fa4fa5adee23";

/// The nonce that stands in the seeds' tickets.
const NONCE: &str = "AAECAwQFBgcICQoL";
/// What each token is for besides.
const OTHER: &str = "https://css.example.org:443/key-shares/ff0102030405060708090a0b0c0e0dff?nonce=DA0ODxAREhMUFRYX";

const MARI: &str = "PNOEE-60001017727";
const JAAK: &str = "PNOEE-38001085718";

thread_local! {
    /// Not a `static`: what belongs to the thread is dropped when the fuzzer ends, and the file with it.
    static WORLD: World = World::new();
}

struct World {
    router: Router,
    authority: Issuer<'static, Key>,
    mari: Person,
    certificate: CertificateDer<'static>,
    /// Signed by Mari, for each share that is or was here.
    good: Vec<String>,
    of_mari: KeyShare,
    store: Arc<dyn Store>,
    runtime: Runtime,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let config = Config::<Shares>::parse(CONFIG, &folder.path().join("server.toml")).unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("shares.sqlite")).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.serial_number = Some(SerialNumber::from_slice(&[1]));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&Key::new(6)).unwrap().der().clone();
        let authority = Issuer::new(params, Key::new(6));
        let router = routes::shares(store.clone(), &config, &[root]).unwrap();

        let mari = Person::new(7, &format!("etsi/{MARI}"));
        let certificate = certificate(&mari, &authority);
        let good = [KEPT, EXPIRED, OF_JAAK].map(|id| ticket(&mari, id, NONCE)).into();
        let of_mari = KeyShare { share: Share::new(vec![0x5A; 32]).unwrap(), recipient: mari.id.clone() };
        let of_jaak = KeyShare { recipient: format!("etsi/{JAAK}").parse().unwrap(), ..of_mari.clone() };
        let now = now().as_unix();
        for (id, share, expiry) in
            [(KEPT, &of_mari, now + 1_000_000), (EXPIRED, &of_mari, now - 1), (OF_JAAK, &of_jaak, now + 1_000_000)]
        {
            let stored = StoredShare { share: share.clone(), expiry: ExpiryTime::from_unix(expiry).unwrap() };
            runtime.block_on(store.put_share(&id.parse().unwrap(), &stored)).unwrap();
        }
        let world = Self { router, authority, mari, certificate, good, of_mari, store, runtime, _folder: folder };
        [KEPT, EXPIRED, OF_JAAK].into_iter().for_each(|id| world.give(id));
        world
    }

    /// Gives the nonce that the seeds know, if it is not there.
    fn give(&self, id: &str) {
        let expiry = ExpiryTime::from_unix(now().as_unix() + 1_000_000).unwrap();
        let given = self.runtime.block_on(self.store.put_nonce(&id.parse().unwrap(), &NONCE.parse().unwrap(), expiry));
        assert!(matches!(given, Ok(()) | Err(store::Error::Taken)), "{given:?}");
    }

    fn ask(&self, request: Request<Vec<u8>>) -> Answer {
        ask(&self.runtime, &self.router, request)
    }

    /// Asks for a nonce of a share that is there.
    fn nonce(&self, id: &str) -> String {
        let answer = self.ask(Request::post(format!("{}{}", path(id), share::NONCE_PATH)).body(Vec::new()).unwrap());
        assert_eq!(answer.status, StatusCode::OK);
        let NonceResponse { nonce } = serde_json::from_slice(&answer.body).unwrap();
        nonce.as_str().to_owned()
    }

    /// Asks for share `id` with what is presented, in the newer form of the interface.
    fn present(&self, id: &str, ticket: &[u8], certificate: &[u8]) -> Option<Request<Vec<u8>>> {
        let x5c = Base64UrlUnpadded::encode_string(certificate);
        Request::get(path(id)).header(TOKEN_HEADER, ticket).header(CERTIFICATE_HEADER, x5c).body(Vec::new()).ok()
    }

    /// Whether `person` gets share `id`, with a new nonce.
    fn fetch(&self, person: &Person, id: &str) -> Answer {
        let ticket = ticket(person, id, &self.nonce(id));
        let certificate = certificate(person, &self.authority);
        self.ask(self.present(id, ticket.as_bytes(), &certificate).unwrap())
    }

    /// Any request that puts nothing.
    fn any(&self, request: &Request<Vec<u8>>) -> StatusCode {
        let answer = self.ask(request.clone());
        if answer.status != StatusCode::OK {
            return answer.status;
        }
        if request.method() == Method::POST {
            assert!(serde_json::from_slice::<NonceResponse>(&answer.body).is_ok_and(|given| given.nonce.as_str().len() == 16));
            assert!(request.uri().path() != path(EXPIRED) + share::NONCE_PATH);
            return answer.status;
        }
        // It is Mari's share, by what Mari signed for it, and by her certificate as it is.
        if request.method() == Method::GET {
            assert_eq!(serde_json::from_slice::<KeyShare>(&answer.body).unwrap(), self.of_mari);
        }
        let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        let ticket = field(TOKEN_HEADER).or(field(TICKET_HEADER)).unwrap();
        assert_eq!(signed(ticket), signed(&self.good[0]));
        let x5c = field(CERTIFICATE_HEADER).unwrap();
        let expected = match field(TICKET_HEADER) {
            None => Base64UrlUnpadded::encode_string(&self.certificate),
            Some(_) => format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", Base64::encode_string(&self.certificate)),
        };
        assert_eq!(x5c.trim_end_matches('='), expected.trim_end_matches('='));
        assert_eq!(self.ask(request.clone()).status, StatusCode::NOT_FOUND, "a nonce is good once");
        self.give(KEPT);
        answer.status
    }

    /// Puts a share, if the request does: its recipient gets it, and nobody else.
    fn put(&self, request: Request<Vec<u8>>) {
        let (path, body) = (request.uri().path().to_owned(), request.body().clone());
        if request.method() != Method::POST || path != share::PATH {
            self.any(&request);
            return;
        }
        let answer = self.ask(request);
        assert_ne!(answer.status, StatusCode::OK);
        if answer.status != StatusCode::CREATED {
            return;
        }
        let put: KeyShare = serde_json::from_slice(&body).unwrap();
        let id = answer.header(LOCATION.as_str()).strip_prefix(&format!("{}/", share::PATH)).unwrap();
        assert!(id.parse::<ShareId>().is_ok() && id.len() == 32, "{id}");
        // What a company calls its people is in no certificate.
        if put.recipient.semantics_identifier().is_some() {
            let owner = Person { key: Key::new(9), id: put.recipient.clone() };
            let fetched = self.fetch(&owner, id);
            assert_eq!(fetched.status, StatusCode::OK);
            assert_eq!(serde_json::from_slice::<KeyShare>(&fetched.body).unwrap(), put);
            assert_eq!(fetched.expiry(), answer.expiry());
        }
        if put.recipient != self.mari.id {
            assert_eq!(self.fetch(&self.mari, id).status, StatusCode::NOT_FOUND);
        }
    }

    /// The first octet chooses a ticket or the certificate, the next two where the rest goes over it.
    fn alter(&self, octets: &[u8]) {
        let Some(([which, at @ ..], patch)) = octets.split_first_chunk::<3>() else { return };
        let mut ticket = self.good[0].clone().into_bytes();
        let mut certificate = self.certificate.to_vec();
        let altered = if which & 1 == 0 { &mut ticket } else { &mut certificate };
        let at = usize::from(u16::from_le_bytes(*at)) % altered.len();
        for (octet, value) in altered[at..].iter_mut().zip(patch) {
            *octet ^= value;
        }
        let is_good = ticket == self.good[0].as_bytes() && certificate == *self.certificate;
        // Not every octet may stand in a header.
        let Some(request) = self.present(KEPT, &ticket, &certificate) else { return };
        let expected = match (is_good, ticket.is_ascii()) {
            (true, _) => StatusCode::OK,
            (false, true) => StatusCode::NOT_FOUND,
            // A field that is no text is none.
            (false, false) => StatusCode::UNAUTHORIZED,
        };
        assert_eq!(self.any(&request), expected);
    }
}

fn path(id: &str) -> String {
    format!("{}/{id}", share::PATH)
}

fn now() -> ExpiryTime {
    ExpiryTime::try_from(SystemTime::now()).unwrap()
}

/// A ticket for share `id` on this server.
fn ticket(person: &Person, id: &str, nonce: &str) -> String {
    let here: Audience = format!("https://localhost:8443{}?nonce={nonce}", path(id)).parse().unwrap();
    person.token(&[here, OTHER.parse().unwrap()]).ticket(0).unwrap().to_string()
}

fn certificate(person: &Person, authority: &Issuer<'_, Key>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    let serial_number = person.id.semantics_identifier().unwrap();
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), serial_number);
    params.serial_number = Some(SerialNumber::from_slice(&[2]));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.signed_by(&person.key, authority).unwrap().der().clone()
}

fuzz_target!(|octets: &[u8]| {
    WORLD.with(|world| {
        world.alter(octets);
        if let Some(request) = request(octets) {
            world.put(request);
        }
    });
});
