//! Expiry times, as the headers of requests and answers carry them.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::{Timestamp, Unit};

/// The header with the expiry that a sender asks for, and with the one that a server set.
pub const HEADER: &str = "x-expiry-time";
/// The header that says "true" if the server set another than asked for.
pub const ADJUSTED_HEADER: &str = "x-expiry-time-adjusted";

/// When a server may delete something, in whole seconds. RFC 3339, 5.6 as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpiryTime(Timestamp);

/// Text that is no date and time of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time with an offset, such as 2027-01-31T12:00:00Z (RFC 3339)")]
pub struct Malformed;

impl ExpiryTime {
    /// The moment this many seconds after 1970; `None` if it is beyond what can be written with a year of four digits.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Option<Self> {
        Timestamp::from_second(seconds).ok().map(Self)
    }

    /// Seconds after 1970.
    #[must_use]
    pub fn as_unix(self) -> i64 {
        self.0.as_second()
    }
}

impl TryFrom<SystemTime> for ExpiryTime {
    type Error = Malformed;

    fn try_from(moment: SystemTime) -> Result<Self, Malformed> {
        let exact = Timestamp::try_from(moment).map_err(|_| Malformed)?;
        Self::from_unix(exact.as_second()).ok_or(Malformed)
    }
}

impl FromStr for ExpiryTime {
    type Err = Malformed;

    /// A fraction of a second is cut off, so that nothing lives longer than was asked for.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        // jiff reads more than RFC 3339: a name of a time zone in brackets, a date without separators.
        let strict = text.len() >= "2027-01-31T12:00:00Z".len()
            && text.as_bytes().get(4) == Some(&b'-')
            && text.bytes().all(|octet| octet.is_ascii_digit() || b"-+:.TtZz ".contains(&octet));
        if !strict {
            return Err(Malformed);
        }
        let exact: Timestamp = text.parse().map_err(|_| Malformed)?;
        Self::from_unix(exact.as_second()).ok_or(Malformed)
    }
}

impl fmt::Display for ExpiryTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.round(Unit::Second).unwrap_or(self.0);
        write!(f, "{whole}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_read_and_written() {
        let read = |text: &str| text.parse::<ExpiryTime>();
        assert_eq!(read("2025-12-31T23:59:59Z").map(ExpiryTime::as_unix), Ok(1_767_225_599));
        assert_eq!(read("2026-01-01T01:59:59.999+02:00").map(|time| time.to_string()), Ok("2025-12-31T23:59:59Z".into()));
        for text in ["", "2025-12-31", "2025-12-31T23:59:59", "1767225599", "2025-13-01T00:00:00Z", "2025-12-31T23:59:59Z[UTC]"] {
            assert_eq!(read(text), Err(Malformed), "{text}");
        }
    }
}
