//! An organisation's policy service: an HTTPS server that says how long capsules are kept.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::background::Spawner;
use crate::{Error, Identity, https};

/// What it answers at first: the document that `cdoc2-client` describes.
pub const DOCUMENT: &str = r#"{"version":1,"capsule_expires":"30d"}"#;
/// The path of the document.
const PATH: &str = "/cdoc2.json";

/// The service, from outside.
#[derive(Clone, Debug)]
pub struct PolicyService {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    status: u16,
    body: String,
    requests: u64,
}

impl PolicyService {
    pub(crate) fn start(identity: &Identity, spawner: &Spawner) -> Result<Self, Error> {
        let shared = Arc::new(Mutex::new(Shared { status: 200, body: DOCUMENT.into(), requests: 0 }));
        let router = Router::new().route(PATH, get(answer)).with_state(shared.clone());
        let address = https::serve(identity, router, spawner)?;
        Ok(Self { address, shared })
    }

    /// Where the document is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}{PATH}", self.address.port())
    }

    /// From now on, this is what it answers. At first it is [`DOCUMENT`], with the status 200.
    pub fn set(&self, status: u16, body: &str) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (shared.status, shared.body) = (status, body.into());
    }

    /// How many requests it got.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).requests
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.requests += 1;
    let status = StatusCode::from_u16(shared.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], shared.body.clone()).into_response()
}
