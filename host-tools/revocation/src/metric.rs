//! What is counted, through the `metrics` facade. No label names a certificate.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const REQUESTS: &str = "ocsp_requests_total";
const SECONDS: &str = "ocsp_request_duration_seconds";
const CACHE: &str = "ocsp_cache_total";
const DECISIONS: &str = "ocsp_decisions_total";
const PENDING: &str = "ocsp_pending_requests";
const BREAKER: &str = "ocsp_breaker_open";
const CERTIFICATES: &str = "client_certificates_total";

/// Tells the recorder what each metric is. To be called once, after the recorder was installed.
pub fn describe() {
    describe_counter!(REQUESTS, "Questions that were to be put to OCSP responders, by outcome");
    describe_histogram!(SECONDS, Unit::Seconds, "How long OCSP responders took");
    describe_counter!(CACHE, "Look-ups of remembered OCSP answers: hit, expired, miss");
    describe_counter!(DECISIONS, "What became of certificates whose revocation was looked up, by decision");
    describe_gauge!(PENDING, "Questions to OCSP responders under way");
    describe_gauge!(BREAKER, "1 while a responder that failed repeatedly is left alone");
    describe_counter!(CERTIFICATES, "Client certificates that were verified, by outcome");
}

pub(crate) fn request(outcome: &'static str) {
    counter!(REQUESTS, "outcome" => outcome).increment(1);
}

pub(crate) fn seconds(responder: &str, elapsed: std::time::Duration) {
    histogram!(SECONDS, "responder" => responder.to_owned()).record(elapsed);
}

pub(crate) fn cache(result: &'static str) {
    counter!(CACHE, "result" => result).increment(1);
}

pub(crate) fn decision(decision: &'static str) {
    counter!(DECISIONS, "decision" => decision).increment(1);
}

pub(crate) fn pending(by: f64) {
    gauge!(PENDING).increment(by);
}

pub(crate) fn breaker(responder: &str, open: bool) {
    gauge!(BREAKER, "responder" => responder.to_owned()).set(if open { 1.0 } else { 0.0 });
}

pub(crate) fn certificate(outcome: &'static str) {
    counter!(CERTIFICATES, "outcome" => outcome).increment(1);
}
