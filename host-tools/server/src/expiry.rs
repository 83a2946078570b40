//! Until when a capsule or a share is kept: UC.KTS.01, steps 4, 4a and 4b.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use cdoc2_api::{ExpiryTime, expiry};

use crate::config::{Expiry, TooLong};
use crate::refusal::Refusal;

const EXPIRY: HeaderName = HeaderName::from_static(expiry::HEADER);
const ADJUSTED: HeaderName = HeaderName::from_static(expiry::ADJUSTED_HEADER);

/// What the server makes of a sender's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) expiry: ExpiryTime,
    /// Whether it is less than was asked for.
    pub(crate) adjusted: bool,
}

impl Granted {
    /// Tells the sender.
    pub(crate) fn write(self, headers: &mut HeaderMap) -> Result<(), Refusal> {
        write(self.expiry, headers)?;
        if self.adjusted {
            headers.insert(ADJUSTED, HeaderValue::from_static("true"));
        }
        Ok(())
    }
}

/// Says until when something is kept.
pub(crate) fn write(expiry: ExpiryTime, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let value = HeaderValue::from_str(&expiry.to_string()).map_err(|_| Refusal::Unavailable)?;
    headers.insert(EXPIRY, value);
    Ok(())
}

/// Now, in whole seconds.
pub(crate) fn now() -> Result<ExpiryTime, Refusal> {
    ExpiryTime::try_from(SystemTime::now()).map_err(|_| Refusal::Unavailable)
}

/// So long after `now`.
pub(crate) fn after(now: ExpiryTime, duration: Duration) -> Result<ExpiryTime, Refusal> {
    let seconds = i64::try_from(duration.as_secs()).ok().and_then(|seconds| now.as_unix().checked_add(seconds));
    seconds.and_then(ExpiryTime::from_unix).ok_or(Refusal::Unavailable)
}

/// Until when something is kept whose sender sends these headers.
pub(crate) fn grant(headers: &HeaderMap, rules: &Expiry, now: ExpiryTime) -> Result<Granted, Refusal> {
    let mut values = headers.get_all(EXPIRY).iter();
    let Some(value) = values.next() else {
        return Ok(Granted { expiry: after(now, rules.default)?, adjusted: false });
    };
    if values.next().is_some() {
        return Err(bad("x-expiry-time is given twice"));
    }
    let text = value.to_str().map_err(|_| bad("x-expiry-time is not text"))?;
    let wish: ExpiryTime = text.parse().map_err(|malformed| Refusal::BadRequest(format!("x-expiry-time is {malformed}").into()))?;
    if wish <= now {
        return Err(bad("x-expiry-time is in the past"));
    }
    let max = after(now, rules.max)?;
    match rules.too_long {
        _ if wish <= max => Ok(Granted { expiry: wish, adjusted: false }),
        TooLong::Reject => {
            Err(Refusal::BadRequest(format!("x-expiry-time is later than this server allows, which is {max} now").into()))
        }
        TooLong::Clamp => Ok(Granted { expiry: max, adjusted: true }),
    }
}

fn bad(what: &'static str) -> Refusal {
    Refusal::BadRequest(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2027-01-01T00:00:00Z";

    fn granted(wishes: &[&'static str], too_long: TooLong) -> Result<(String, bool), String> {
        let rules = Expiry { default: Duration::from_secs(60), max: Duration::from_secs(3600), too_long };
        let headers = wishes.iter().map(|wish| (EXPIRY, HeaderValue::from_bytes(wish.as_bytes()).unwrap())).collect();
        match grant(&headers, &rules, NOW.parse().unwrap()) {
            Ok(Granted { expiry, adjusted }) => Ok((expiry.to_string(), adjusted)),
            Err(Refusal::BadRequest(what)) => Err(what.into()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_wish_gets_the_default() {
        assert_eq!(granted(&[], TooLong::Reject), Ok(("2027-01-01T00:01:00Z".into(), false)));
    }

    #[test]
    fn wishes_within_the_limit_are_granted() {
        for wish in ["2027-01-01T00:00:01Z", "2027-01-01T01:00:00Z"] {
            for too_long in [TooLong::Reject, TooLong::Clamp] {
                assert_eq!(granted(&[wish], too_long), Ok((wish.into(), false)));
            }
        }
        assert_eq!(granted(&["2027-01-01T02:30:00.5+02:00"], TooLong::Reject), Ok(("2027-01-01T00:30:00Z".into(), false)));
    }

    #[test]
    fn too_long_is_refused_or_cut() {
        for wish in ["2027-01-01T01:00:01Z", "9999-12-30T00:00:00Z"] {
            let refused = granted(&[wish], TooLong::Reject).unwrap_err();
            assert_eq!(refused, "x-expiry-time is later than this server allows, which is 2027-01-01T01:00:00Z now");
            assert_eq!(granted(&[wish], TooLong::Clamp), Ok(("2027-01-01T01:00:00Z".into(), true)));
        }
    }

    #[test]
    fn past_and_malformed_are_refused() {
        for too_long in [TooLong::Reject, TooLong::Clamp] {
            for past in [NOW, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00.999Z", "1970-01-01T00:00:00Z"] {
                assert_eq!(granted(&[past], too_long), Err("x-expiry-time is in the past".into()), "{past}");
            }
            for malformed in ["", "tomorrow", "1798761600", "2027-01-01", "2027-02-30T00:00:00Z", "2027-01-01T00:30:00"] {
                assert!(granted(&[malformed], too_long).unwrap_err().contains("RFC 3339"), "{malformed}");
            }
            assert_eq!(granted(&["õhtul"], too_long), Err("x-expiry-time is not text".into()));
            let twice = ["2027-01-01T00:30:00Z", "2027-01-01T00:40:00Z"];
            assert_eq!(granted(&twice, too_long), Err("x-expiry-time is given twice".into()));
        }
    }
}
