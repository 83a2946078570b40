//! What operators and their machines ask: is it alive, is it ready, how is it doing. Nothing here is secret.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use cdoc2_api::ExpiryTime;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::refusal::Refusal;
use crate::watched::Watched;

/// What the handlers share.
pub(crate) struct Operations {
    pub(crate) store: Watched,
    pub(crate) metrics: Option<PrometheusHandle>,
    /// Cancelled when the server was told to stop.
    pub(crate) stopping: CancellationToken,
}

/// The operators' interface.
pub(crate) fn router(operations: Arc<Operations>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .with_state(operations)
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
}

/// Answers if anything does.
async fn healthz() -> Json<Report> {
    Json(Report { status: "alive" })
}

/// Whether this server should get requests: it is not stopping, and its database answers.
async fn readyz(State(operations): State<Arc<Operations>>) -> (StatusCode, Json<Report>) {
    let (code, status) = if operations.stopping.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if operations.store.check().await.is_err() {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
    } else {
        (StatusCode::OK, "ready")
    };
    (code, Json(Report { status }))
}

async fn render(State(operations): State<Arc<Operations>>) -> Result<Response, Refusal> {
    let handle = operations.metrics.as_ref().ok_or(Refusal::NotFound("this process counts elsewhere"))?;
    let now = ExpiryTime::try_from(SystemTime::now()).map_err(|_| Refusal::Unavailable)?;
    // A database that does not answer shows in the metrics; it must not hide them.
    if let Ok(oldest) = operations.store.oldest_expired(now).await {
        metrics::oldest_expired(oldest.map_or(0.0, |oldest| (now.as_unix() - oldest.as_unix()) as f64));
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response())
}
