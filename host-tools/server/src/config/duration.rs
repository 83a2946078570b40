//! Durations as text: `30d`, `12h`, `1m 30s`, `500ms`, also `P30D` (ISO 8601).

use std::borrow::Cow;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// For `#[serde(with)]`. A day has 24 hours; months and years have no fixed length and are refused.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        D::Error::custom(format_args!("{text:?} is no duration: write, for instance, \"30d\", \"12h\" or \"1m 30s\""))
    })
}

fn parse(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let exact = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(exact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_spellings() {
        for (text, seconds) in
            [("30d", 30 * 86_400), ("12h", 43_200), ("1m 30s", 90), ("2 weeks", 14 * 86_400), ("P1D", 86_400), ("0s", 0)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_has_no_fixed_length_is_refused() {
        for text in ["", "30", "1y", "3mo", "-1d", "1d ago", "soon", "99999999999999999999d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
