//! The number of a phone with Mobile-ID.

use std::fmt;
use std::str::FromStr;

/// Digits of the shortest and of the longest number with its country code (ITU-T E.164, 6.2.1, and what is in use).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A phone number with its country code, such as `+37251234567`. It says who somebody is: `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Text that is no phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPhoneNumber {
    /// It does not begin with `+`.
    #[error("a phone number begins with + and the code of the country, such as +372 for Estonia")]
    NoCountryCode,
    /// Something else than digits, and spaces or hyphens between them.
    #[error("a phone number has only digits after its +")]
    Character,
    /// Too few or too many digits, or a country code that begins with 0.
    #[error("a phone number has {} to {} digits with the code of the country, which does not begin with 0", DIGITS.start(), DIGITS.end())]
    Length,
}

impl PhoneNumber {
    /// `+` and the digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = UnfitPhoneNumber;

    /// Spaces and hyphens are left out.
    fn from_str(text: &str) -> Result<Self, UnfitPhoneNumber> {
        let rest = text.trim().strip_prefix('+').ok_or(UnfitPhoneNumber::NoCountryCode)?;
        let digits: String = rest.chars().filter(|character| !matches!(character, ' ' | '-')).collect();
        if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(UnfitPhoneNumber::Character);
        }
        if !DIGITS.contains(&digits.len()) || digits.starts_with('0') {
            return Err(UnfitPhoneNumber::Length);
        }
        Ok(Self(format!("+{digits}")))
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_country() {
        for text in ["+37200000766", "+372 0000 0766", " +372-0000-0766 "] {
            assert_eq!(text.parse::<PhoneNumber>().unwrap().as_str(), "+37200000766", "{text}");
        }
        assert_eq!(format!("{:?}", "+37200000766".parse::<PhoneNumber>().unwrap()), "PhoneNumber(..)");
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, reason) in [
            ("", UnfitPhoneNumber::NoCountryCode),
            ("37200000766", UnfitPhoneNumber::NoCountryCode),
            ("0037200000766", UnfitPhoneNumber::NoCountryCode),
            ("+", UnfitPhoneNumber::Length),
            ("+372123", UnfitPhoneNumber::Length),
            ("+1234567890123456", UnfitPhoneNumber::Length),
            ("+0123456789", UnfitPhoneNumber::Length),
            ("+372 0000a766", UnfitPhoneNumber::Character),
            ("++37200000766", UnfitPhoneNumber::Character),
            ("+٣٧٢٠٠٠٠٠٧٦٦", UnfitPhoneNumber::Character),
            ("+37200000766\n+37200000767", UnfitPhoneNumber::Character),
        ] {
            assert_eq!(text.parse::<PhoneNumber>(), Err(reason), "{text}");
        }
    }
}
