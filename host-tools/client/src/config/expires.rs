//! Until when a capsule is kept, as people write it.

use std::fmt;
use std::str::FromStr;

use cdoc2_api::ExpiryTime;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A time from now, or a moment.
#[derive(Clone, Copy, Debug)]
pub enum Expires {
    /// So long after the encryption.
    After(Span),
    /// Then.
    At(ExpiryTime),
}

/// Text that is neither a duration nor a date, or one that cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitExpires {
    /// Something else.
    #[error("not a duration such as 30d, 6mo or 1y, nor a date such as 2027-01-31, nor a moment such as 2027-01-31T12:00:00Z")]
    Form,
    /// Zero, or less.
    #[error("the duration is not positive")]
    NotPositive,
    /// Beyond what can be written.
    #[error("that is too far away")]
    TooFar,
}

impl Expires {
    /// The moment that is meant, seen from `now`.
    ///
    /// # Errors
    /// [`UnfitExpires::TooFar`].
    pub fn moment(&self, now: Timestamp) -> Result<ExpiryTime, UnfitExpires> {
        match self {
            Self::At(moment) => Ok(*moment),
            Self::After(span) => {
                let moment = now.to_zoned_datetime(TimeZone::UTC).checked_add(*span).map_err(|_| UnfitExpires::TooFar)?;
                ExpiryTime::from_unix(moment.timestamp().as_second()).ok_or(UnfitExpires::TooFar)
            }
        }
    }
}

/// As it can be written down again.
impl fmt::Display for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(span) => write!(f, "{span:#}"),
            Self::At(moment) => write!(f, "{moment}"),
        }
    }
}

/// A duration has its units: "30d", "6mo", "1y", "12h", "P30D". A date means its end, in UTC.
impl FromStr for Expires {
    type Err = UnfitExpires;

    fn from_str(text: &str) -> Result<Self, UnfitExpires> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        let is_date = text.len() == "2027-01-31".len() && text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'-');
        if is_date && let Ok(date) = text.parse::<Date>() {
            let end = TimeZone::UTC.to_timestamp(date.to_datetime(Time::constant(23, 59, 59, 0)));
            let end = end.map_err(|_| UnfitExpires::TooFar)?.as_second();
            return ExpiryTime::from_unix(end).map(Self::At).ok_or(UnfitExpires::TooFar);
        }
        let span: Span = text.parse().map_err(|_| UnfitExpires::Form)?;
        if !span.is_positive() {
            return Err(UnfitExpires::NotPositive);
        }
        Ok(Self::After(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moment in seconds after 1970, seen from 2026-01-31T12:00:00Z.
    fn moment(text: &str) -> Result<String, UnfitExpires> {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        text.parse::<Expires>()?.moment(now).map(|moment| moment.to_string())
    }

    #[test]
    fn durations_are_counted_from_now() {
        for (text, expected) in [
            ("30d", "2026-03-02T12:00:00Z"),
            ("30 days", "2026-03-02T12:00:00Z"),
            ("P30D", "2026-03-02T12:00:00Z"),
            ("1mo", "2026-02-28T12:00:00Z"),
            ("1y", "2027-01-31T12:00:00Z"),
            ("90s", "2026-01-31T12:01:30Z"),
        ] {
            assert_eq!(moment(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn dates_mean_their_end() {
        assert_eq!(moment("2027-01-31").as_deref(), Ok("2027-01-31T23:59:59Z"));
        assert_eq!(moment("2027-01-31T12:00:00+02:00").as_deref(), Ok("2027-01-31T10:00:00Z"));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in ["", "30", "soon", "2027-02-30", "2027-13-01", "31.01.2027", "d30"] {
            assert_eq!(moment(text), Err(UnfitExpires::Form), "{text}");
        }
        for text in ["0d", "-1d", "1d ago"] {
            assert_eq!(moment(text), Err(UnfitExpires::NotPositive), "{text}");
        }
        assert_eq!(moment("19000y"), Err(UnfitExpires::TooFar));
    }
}
