//! Transaction ids: what a capsule is asked for by.

use std::fmt;
use std::str::FromStr;

/// Characters of the shortest transaction id (`minLength` of the path parameter).
pub const MIN_LEN: usize = 18;
/// Characters of the longest one (`maxLength`).
pub const MAX_LEN: usize = 34;

/// The name of a capsule on its server: letters and digits, such as "KC" and 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(String);

/// Text that is no transaction id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short or too long.
    #[error("a transaction id has {MIN_LEN} to {MAX_LEN} characters")]
    Length,
    /// Something other than letters and digits in it, which might be part of an address.
    #[error("a transaction id has letters and digits only")]
    Character,
}

impl TransactionId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransactionId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if !(MIN_LEN..=MAX_LEN).contains(&text.chars().count()) {
            return Err(Malformed::Length);
        }
        if !text.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
            return Err(Malformed::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_interface() {
        for (len, fits) in [(0, false), (17, false), (18, true), (34, true), (35, false)] {
            assert_eq!("K".repeat(len).parse::<TransactionId>().is_ok(), fits, "{len}");
        }
        assert_eq!("õ".repeat(18).parse::<TransactionId>(), Err(Malformed::Character));
    }

    #[test]
    fn nothing_of_an_address_is_in_one() {
        for text in ["KC0123456789ABCD/..", "KC0123456789ABCD?a=1", "KC0123456789ABCD EF", "KC0123456789ABCD%20"] {
            assert_eq!(text.parse::<TransactionId>(), Err(Malformed::Character), "{text}");
        }
    }
}
