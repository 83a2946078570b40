//! Ids that servers give to what they keep: what it is asked for by.

use std::fmt;
use std::str::FromStr;

/// Characters of the shortest id (`minLength` of the path parameters).
pub const MIN_LEN: usize = 18;
/// Characters of the longest one (`maxLength`).
pub const MAX_LEN: usize = 34;

/// Text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short or too long.
    #[error("an id has {MIN_LEN} to {MAX_LEN} characters")]
    Length,
    /// Something other than letters and digits in it, which might be part of an address.
    #[error("an id has letters and digits only")]
    Character,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The id that a server of ours makes of so many bits.
            #[must_use]
            pub fn from_bits(bits: u128) -> Self {
                Self(format!(concat!($prefix, "{:032x}"), bits))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// The name of a capsule on its server: letters and digits, such as "KC" and 32 hexadecimal digits.
    TransactionId, "KC";
    /// The name of a key share on its server: letters and digits, such as 32 hexadecimal digits.
    ShareId, "";
}

fn check(text: &str) -> Result<(), Malformed> {
    if !(MIN_LEN..=MAX_LEN).contains(&text.chars().count()) {
        return Err(Malformed::Length);
    }
    if !text.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
        return Err(Malformed::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_interface() {
        for (len, fits) in [(0, false), (17, false), (18, true), (34, true), (35, false)] {
            assert_eq!("K".repeat(len).parse::<TransactionId>().is_ok(), fits, "{len}");
            assert_eq!("K".repeat(len).parse::<ShareId>().is_ok(), fits, "{len}");
        }
        assert_eq!("õ".repeat(18).parse::<TransactionId>(), Err(Malformed::Character));
    }

    #[test]
    fn bits_make_ids() {
        assert_eq!(TransactionId::from_bits(0xAB).as_str(), "KC000000000000000000000000000000ab");
        assert_eq!(ShareId::from_bits(0xAB).as_str(), "000000000000000000000000000000ab");
        for bits in [0, u128::MAX] {
            assert_eq!(TransactionId::from_bits(bits).as_str().len(), 34);
            assert_eq!(TransactionId::from_bits(bits).as_str().parse(), Ok(TransactionId::from_bits(bits)));
            assert_eq!(ShareId::from_bits(bits).as_str().parse(), Ok(ShareId::from_bits(bits)));
        }
    }

    #[test]
    fn nothing_of_an_address_is_in_one() {
        for text in ["KC0123456789ABCD/..", "KC0123456789ABCD?a=1", "KC0123456789ABCD EF", "KC0123456789ABCD%20"] {
            assert_eq!(text.parse::<TransactionId>(), Err(Malformed::Character), "{text}");
            assert_eq!(text.parse::<ShareId>(), Err(Malformed::Character), "{text}");
        }
    }
}
