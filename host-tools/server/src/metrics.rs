//! What Prometheus sees. `docs/capsule-server.md` and `docs/shares-server.md` say what each metric is for.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::store;

const REQUESTS: &str = "cdoc2_requests_total";
const REQUEST_DURATION: &str = "cdoc2_request_duration_seconds";
const CONNECTIONS: &str = "cdoc2_connections";
const ACCEPT_ERRORS: &str = "cdoc2_accept_errors_total";
const HANDSHAKES: &str = "cdoc2_handshakes_total";
const HANDSHAKE_DURATION: &str = "cdoc2_handshake_duration_seconds";
const STORE_DURATION: &str = "cdoc2_store_duration_seconds";
const STORE_ERRORS: &str = "cdoc2_store_errors_total";
const OLDEST_EXPIRED: &str = "cdoc2_oldest_expired_seconds";
const CERTIFICATE_EXPIRY: &str = "cdoc2_certificate_not_after_seconds";
const LISTS_NEXT_UPDATE: &str = "cdoc2_crl_next_update_seconds";
const RELOADS: &str = "cdoc2_reloads_total";
const TICKETS: &str = "cdoc2_tickets_total";

/// From what a look-up in memory takes to what no client waits for.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The process's recorder: servers in one process share it. `None` if the process has another one, which then gets everything.
pub(crate) fn install() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_duration_seconds".into()), BUCKETS);
            let recorder = builder.ok()?.build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            describe();
            revocation::describe_metrics();
            Some(handle)
        })
        .clone()
}

fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by listener, method, route and status");
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "From a request's header to the answer");
    describe_gauge!(CONNECTIONS, "Open connections");
    describe_counter!(ACCEPT_ERRORS, "Connections that the system did not hand over");
    describe_counter!(HANDSHAKES, "TLS handshakes, by result: done, failed, timeout, limited");
    describe_histogram!(HANDSHAKE_DURATION, Unit::Seconds, "TLS handshakes that were done, revocation check included");
    describe_histogram!(STORE_DURATION, Unit::Seconds, "Answers of the database, by operation");
    describe_counter!(STORE_ERRORS, "Operations that the database did not do, by operation and error");
    describe_gauge!(OLDEST_EXPIRED, Unit::Seconds, "For how long the oldest of what expired waits to be deleted");
    describe_gauge!(CERTIFICATE_EXPIRY, Unit::Seconds, "When the server's certificate expires, in seconds since 1970");
    describe_gauge!(LISTS_NEXT_UPDATE, Unit::Seconds, "When the first of the revocation lists is outdated, in seconds since 1970");
    describe_counter!(RELOADS, "Attempts to load certificates and keys anew, by result: done, failed");
    describe_counter!(TICKETS, "Requests for shares, by outcome: accepted, or why not");
}

pub(crate) fn request_answered(listener: &'static str, method: &'static str, route: &str, status: u16, duration: Duration) {
    let route = route.to_owned();
    counter!(REQUESTS, "listener" => listener, "method" => method, "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_DURATION, "listener" => listener, "route" => route).record(duration);
}

pub(crate) fn connections(listener: &'static str) -> metrics::Gauge {
    gauge!(CONNECTIONS, "listener" => listener)
}

pub(crate) fn accept_failed(listener: &'static str) {
    counter!(ACCEPT_ERRORS, "listener" => listener).increment(1);
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handshake {
    Done(Duration),
    Failed,
    Timeout,
    /// Not begun: the address began too many.
    Limited,
}

pub(crate) fn handshake(listener: &'static str, handshake: Handshake) {
    let result = match handshake {
        Handshake::Done(duration) => {
            histogram!(HANDSHAKE_DURATION, "listener" => listener).record(duration);
            "done"
        }
        Handshake::Failed => "failed",
        Handshake::Timeout => "timeout",
        Handshake::Limited => "limited",
    };
    counter!(HANDSHAKES, "listener" => listener, "result" => result).increment(1);
}

pub(crate) fn store_answered(operation: &'static str, duration: Duration, error: Option<&store::Error>) {
    histogram!(STORE_DURATION, "operation" => operation).record(duration);
    if let Some(error) = error {
        let error = match error {
            store::Error::Unavailable(_) => "unavailable",
            store::Error::Taken => "taken",
            store::Error::Unsound(_) => "unsound",
        };
        counter!(STORE_ERRORS, "operation" => operation, "error" => error).increment(1);
    }
}

pub(crate) fn oldest_expired(seconds: f64) {
    gauge!(OLDEST_EXPIRED).set(seconds);
}

pub(crate) fn certificate_not_after(listener: &'static str, seconds: f64) {
    gauge!(CERTIFICATE_EXPIRY, "listener" => listener).set(seconds);
}

pub(crate) fn lists_next_update(seconds: f64) {
    gauge!(LISTS_NEXT_UPDATE).set(seconds);
}

pub(crate) fn reloaded(done: bool) {
    counter!(RELOADS, "result" => if done { "done" } else { "failed" }).increment(1);
}

pub(crate) fn ticket(outcome: &'static str) {
    counter!(TICKETS, "outcome" => outcome).increment(1);
}
