//! What a person changes from outside while the test bed runs: plain HTTP on this machine, for curl.

use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::background::Spawner;
use crate::ocsp::{MODES, Ocsp, STANDINGS};
use crate::{Error, loopback};

/// The control, from outside.
#[derive(Clone, Debug)]
pub struct Control {
    address: SocketAddr,
}

impl Control {
    pub(crate) fn start(ocsp: &Ocsp, spawner: &Spawner) -> Result<Self, Error> {
        let router = Router::new()
            .route("/", get(usage))
            .route("/ocsp/{mode}", post(set_mode))
            .route("/ocsp/{code}/{standing}", post(set_standing))
            .with_state(ocsp.clone());
        let (listener, address) = loopback::listen(spawner)?;
        spawner.spawn(async move {
            // Ends with the runtime.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address })
    }

    /// Where it listens: `http://127.0.0.1:PORT`. What is there for GET says what else there is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// How the responder does, and what it could be told.
async fn usage(State(ocsp): State<Ocsp>) -> String {
    let mut text = format!("the OCSP responder is \"{}\"\n\nPOST /ocsp/MODE, where MODE is\n", ocsp.mode().name());
    for (mode, what) in MODES {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {:<13} {what}", mode.name());
    }
    text += "\nPOST /ocsp/CODE/STANDING, for all certificates of whoever has this code, where STANDING is\n";
    for (standing, what) in STANDINGS {
        let _ = writeln!(text, "  {:<13} {what}", standing.name());
    }
    text
}

async fn set_mode(State(ocsp): State<Ocsp>, Path(name): Path<String>) -> (StatusCode, String) {
    match MODES.into_iter().find(|(mode, _)| mode.name() == name) {
        Some((mode, _)) => {
            ocsp.set_mode(mode);
            (StatusCode::OK, format!("the OCSP responder is \"{name}\" now\n"))
        }
        None => (StatusCode::NOT_FOUND, "not a mode of the OCSP responder; GET / lists them\n".to_owned()),
    }
}

async fn set_standing(State(ocsp): State<Ocsp>, Path((code, name)): Path<(String, String)>) -> (StatusCode, String) {
    let Some((standing, _)) = STANDINGS.into_iter().find(|(standing, _)| standing.name() == name) else {
        return (StatusCode::NOT_FOUND, "not a standing of certificates; GET / lists them\n".to_owned());
    };
    match ocsp.set_all(&code, standing) {
        0 => (StatusCode::NOT_FOUND, "nobody here has this code\n".to_owned()),
        count => (StatusCode::OK, format!("{count} certificates of {code} are \"{name}\" now\n")),
    }
}
