//! What happens to every request before and after its handler: its rate is limited, and one line about it is written.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::connection::Client;
use crate::metrics;
use crate::rate::RateLimit;
use crate::refusal::Refusal;

/// What a listener knows about its requests.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) listener: &'static str,
    pub(crate) limit: Option<RateLimit>,
    ids: Ids,
}

impl Requests {
    pub(crate) fn new(listener: &'static str, limit: Option<RateLimit>) -> Self {
        Self { listener, limit, ids: Ids::new() }
    }
}

/// Why a request was refused, where the client is not told: an extension of the answer, for its line in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason(pub(crate) &'static str);

/// The middleware.
pub(crate) async fn observe(
    State(requests): State<Arc<Requests>>,
    Extension(client): Extension<Arc<Client>>,
    request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    let id = requests.ids.next();
    let method = method(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let trace = TraceParent::of(request.headers());
    let admitted = requests.limit.as_ref().map_or(Ok(()), |limit| limit.admit(client.address.ip(), begin));
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(wait) => Refusal::TooMany(wait).into_response(),
    };
    // Clients may quote it when they complain.
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let duration = begin.elapsed();
    let route = matched.as_ref().map_or("other", MatchedPath::as_str);
    let status = response.status().as_u16();
    metrics::request_answered(requests.listener, method, route, status, duration);
    tracing::info!(
        listener = requests.listener,
        method,
        route,
        status,
        reason = response.extensions().get().map(|Reason(reason)| reason),
        duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        peer = %client.address,
        request_id = id,
        trace_id = trace.as_ref().map(|trace| trace.trace_id.as_str()),
        parent_id = trace.as_ref().map(|trace| trace.parent_id.as_str()),
        "request"
    );
    response
}

/// Clients can invent methods; the log and the metrics know these.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Names for requests: random for this start of the server, then counted.
struct Ids {
    start: u32,
    count: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        let mut start = [0; 4];
        // Without random numbers, names merely repeat after a restart.
        let _ = aws_lc_rs::rand::fill(&mut start);
        Self { start: u32::from_be_bytes(start), count: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        format!("{:08x}-{}", self.start, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

/// The caller's place in a distributed trace (W3C Trace Context, 3.2).
#[derive(Debug, PartialEq, Eq)]
struct TraceParent {
    trace_id: String,
    parent_id: String,
}

impl TraceParent {
    /// `None` unless there is exactly one, and sound: what is logged is hexadecimal digits and nothing else.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let mut parts = value.to_str().ok()?.split('-');
        let version = hexadecimal(parts.next()?, 2)?;
        let trace_id = hexadecimal(parts.next()?, 32)?;
        let parent_id = hexadecimal(parts.next()?, 16)?;
        hexadecimal(parts.next()?, 2)?;
        let sound = match version {
            "ff" => false,
            // later versions may add parts
            "00" => parts.next().is_none(),
            _ => true,
        };
        let zero = |text: &str| text.bytes().all(|digit| digit == b'0');
        (sound && !zero(trace_id) && !zero(parent_id)).then(|| Self { trace_id: trace_id.into(), parent_id: parent_id.into() })
    }
}

/// `text` if it is so many lower-case digits.
fn hexadecimal(text: &str, digits: usize) -> Option<&str> {
    (text.len() == digits && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn parse(values: &[String]) -> Option<TraceParent> {
        TraceParent::of(&values.iter().map(|value| ("traceparent".parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn sound_traces_are_taken_over() {
        for text in [format!("00-{TRACE}-{PARENT}-01"), format!("01-{TRACE}-{PARENT}-01-more")] {
            assert_eq!(parse(&[text]), Some(TraceParent { trace_id: TRACE.into(), parent_id: PARENT.into() }));
        }
    }

    #[test]
    fn others_are_ignored() {
        let sound = format!("00-{TRACE}-{PARENT}-01");
        for text in [
            String::new(),
            sound.to_uppercase(),
            format!("{sound}-more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-38001085718aaaaaa-01"),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
        ] {
            assert_eq!(parse(std::slice::from_ref(&text)), None, "{text}");
        }
        assert_eq!(parse(&[sound.clone(), sound]), None);
    }

    #[test]
    fn request_ids_differ() {
        let ids = Ids::new();
        assert_ne!(ids.next(), ids.next());
    }
}
