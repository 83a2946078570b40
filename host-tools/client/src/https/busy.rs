//! Servers that are too busy, and are asked again when they want to be.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use super::{Answer, Error, Http};

/// Shortest pause, so that "at once" is not taken at its word by everybody at once.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause that nobody asked for.
const MAX_BACK_OFF: Duration = Duration::from_secs(16);

/// How often in a row a server is tried again that [cuts](Error::Cut) connections: one that always does is out of order.
const MAX_CUTS: u32 = 3;

/// After which answers a request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// After 429 alone: whoever counts requests has not yet looked into them (RFC 6585, section 4). For what works once.
    Unseen,
    /// After 503 that says when, too (RFC 9110, section 15.6.4). For what changes nothing that matters, had it been done all the same.
    Repeatable,
}

impl Again {
    fn after(self, answer: &Answer) -> bool {
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::SERVICE_UNAVAILABLE => self == Self::Repeatable && answer.retry_after().is_some(),
            _ => false,
        }
    }
}

/// What is left of [`Timeouts::busy`](super::Timeouts::busy).
#[derive(Debug)]
pub(super) struct Patience(Mutex<Duration>);

impl Patience {
    pub(super) fn new(total: Duration) -> Self {
        Self(Mutex::new(total))
    }

    /// Takes `time` off, if that much is left.
    fn spend(&self, time: Duration) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match left.checked_sub(time) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }
}

impl Http {
    /// Sends what `request` makes of the client, and sends it again as `again` allows while the server is too busy, and where nothing was sent because the
    /// connection was cut. `wait` pauses; if it says `false`, and when the [time for that](super::Timeouts::busy) is used up, the last outcome stands.
    pub(crate) fn send_patiently(
        &self,
        again: Again,
        mut wait: impl FnMut(Duration) -> bool,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let mut back_off = MIN_PAUSE;
        let mut cuts = 0;
        loop {
            let begin = Instant::now();
            let outcome = self.send(&request);
            let pause = match &outcome {
                Ok(answer) if again.after(answer) => answer.retry_after().unwrap_or(back_off).max(MIN_PAUSE),
                Err(Error::Cut { .. }) if cuts < MAX_CUTS => back_off,
                _ => return outcome,
            };
            cuts = if outcome.is_err() { cuts + 1 } else { 0 };
            back_off = (2 * back_off).min(MAX_BACK_OFF);
            // Answers that take long are pauses, too.
            if !self.patience.spend(pause.saturating_add(begin.elapsed())) || !wait(pause) {
                return outcome;
            }
        }
    }
}

/// Waits, whatever happens.
pub(crate) fn pause(time: Duration) -> bool {
    thread::sleep(time);
    true
}

/// When the server wants to be asked again (RFC 9110, section 10.2.3). A date is compared with the server's own, whose clock it is of.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit()) {
        // What is too long to be written is too long to be waited for.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let then = date(headers, RETRY_AFTER)?;
    let now = date(headers, DATE).unwrap_or_else(Timestamp::now);
    Some(Duration::from_secs(u64::try_from(then.as_second() - now.as_second()).unwrap_or(0)))
}

/// A date of HTTP (RFC 9110, section 5.6.7), but for the two forms that are obsolete. Whether it has the right day of the week does not matter.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    const PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    PARSER.parse_timestamp(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(retry_after: &str, date: Option<&str>) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        let values = [Some((RETRY_AFTER, value(retry_after))), date.map(|date| (DATE, value(date)))];
        values.into_iter().flatten().collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("Sun, 06 Nov 2994 08:49:07 GMT", Some(31_556_995_170)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("٣", None),
        ] {
            assert_eq!(retry_after(&headers(text, date)), expected.map(Duration::from_secs), "{text}");
        }
    }

    /// A server without a clock is compared with ours.
    #[test]
    fn dates_are_compared_with_now_where_the_server_does_not_say_its_own() {
        assert_eq!(retry_after(&headers("Sun, 06 Nov 1994 08:49:37 GMT", None)), Some(Duration::ZERO));
        assert!(retry_after(&headers("Wed, 01 Jan 2990 00:00:00 GMT", None)).unwrap() > Duration::from_secs(86_400));
    }

    #[test]
    fn patience_has_an_end() {
        let patience = Patience::new(Duration::from_secs(3));
        assert!(!patience.spend(Duration::from_secs(u64::MAX)));
        assert!(patience.spend(Duration::from_secs(2)));
        assert!(!patience.spend(Duration::from_secs(2)));
        assert!(patience.spend(Duration::from_secs(1)));
        assert!(!patience.spend(Duration::from_nanos(1)));
    }
}
