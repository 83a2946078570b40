//! Tickets and certificates with every octet of them wrong, one at a time.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request, StatusCode};
use cdoc2_api::{NonceResponse, ShareId};
use cdoc2_auth_token::{Algorithm, Audience};
use cdoc2_server::config::Shares;
use cdoc2_server::store::Sqlite;
use cdoc2_server::{Config, routes};
use tokio::runtime::Runtime;
use tower::Service as _;

use super::bed::{Person, URL, body, mari, share_of};
use crate::support::Files;

struct Scene {
    router: Router,
    runtime: Runtime,
    _files: Files,
    person: Person,
    id: ShareId,
}

impl Scene {
    fn new(algorithm: Algorithm) -> Self {
        let files = Files::new();
        let config: Config<Shares> = files.parse(&files.shares_text(""));
        let store = Arc::new(Sqlite::open(&files.path("shares.sqlite")).unwrap());
        let router = routes::shares(store, &config, &[files.authority.certificate.der().clone()]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let person = Person::new(&files.authority, algorithm);
        let mut scene = Self { router, runtime, _files: files, person, id: "0".repeat(32).parse().unwrap() };
        let request = Request::post("/key-shares").header("content-type", "application/json");
        let (head, _) = scene.ask(request.body(Body::from(body(&mari()))).unwrap());
        scene.id = head.headers["location"].to_str().unwrap().strip_prefix("/key-shares/").unwrap().parse().unwrap();
        scene
    }

    fn ask(&self, request: Request<Body>) -> (axum::http::response::Parts, Vec<u8>) {
        self.runtime.block_on(async {
            let (head, body) = self.router.clone().call(request).await.unwrap().into_parts();
            (head, to_bytes(body, 1 << 16).await.unwrap().to_vec())
        })
    }

    /// Both values as the newer version of the interface has them.
    fn sound(&self) -> [Vec<u8>; 2] {
        let (_, body) = self.ask(Request::post(format!("/key-shares/{}/nonce", self.id)).body(Body::empty()).unwrap());
        let NonceResponse { nonce } = serde_json::from_slice(&body).unwrap();
        let ticket = self.person.ticket(&Audience { server: URL.parse().unwrap(), share_id: self.id.clone(), nonce });
        let fields = self.person.newer(&ticket);
        [0, 1].map(|index| fields[index].split_once(": ").unwrap().1.as_bytes().to_vec())
    }

    /// What comes of these values; `None` if they can be in no header.
    fn get(&self, [token, x5c]: &[Vec<u8>; 2]) -> Option<(StatusCode, Vec<u8>)> {
        let request = Request::get(format!("/key-shares/{}", self.id))
            .header("x-cdoc2-auth-token", HeaderValue::from_bytes(token).ok()?)
            .header("x-cdoc2-auth-x5c", HeaderValue::from_bytes(x5c).ok()?);
        let (head, body) = self.ask(request.body(Body::empty()).unwrap());
        Some((head.status, body))
    }
}

#[test]
fn every_octet_may_be_wrong() {
    for algorithm in Algorithm::ALL {
        let scene = Scene::new(algorithm);
        let sound = scene.sound();
        let mut count = 0;
        for which in [0, 1] {
            for at in 0..sound[which].len() {
                for bit in [0x01, 0x02, 0x20] {
                    let mut wrong = sound.clone();
                    wrong[which][at] ^= bit;
                    let Some((status, body)) = scene.get(&wrong) else { continue };
                    assert_eq!(
                        status,
                        StatusCode::NOT_FOUND,
                        "{algorithm:?}, octet {at}: {}",
                        String::from_utf8_lossy(&wrong[which])
                    );
                    assert_eq!(body, br#"{"error":"there is no such share"}"#);
                    count += 1;
                }
                let mut short = sound.clone();
                short[which].truncate(at);
                assert_eq!(scene.get(&short).unwrap().0, StatusCode::NOT_FOUND, "{algorithm:?}, the first {at} octets");
            }
        }
        assert!(count > 3000, "{count}");
        // None of that used the nonce up.
        let (status, body) = scene.get(&sound).unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(serde_json::from_slice::<cdoc2_api::KeyShare>(&body).unwrap(), share_of(&mari()));
        assert_eq!(scene.get(&sound).unwrap().0, StatusCode::NOT_FOUND);
    }
}
