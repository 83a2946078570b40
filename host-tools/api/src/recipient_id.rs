//! Who may fetch a key share: `recipient` of the interface, `recipient_id` of a `KeySharesCapsule`, `iss` of an authentication token.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters of the shortest one (`minLength` of the interface).
pub const MIN_LEN: usize = 12;
/// Characters of the longest one (`maxLength`).
pub const MAX_LEN: usize = 32;
/// Characters of the longest identifier in one: of what a country or a vendor gives. Specification, "The KeySharesCapsule authentication scheme".
pub const MAX_IDENTIFIER_LEN: usize = 20;

/// A person, or whomever a company calls so: `etsi/PNOEE-48010010101`, `private/VENDOR/70000349`. Specification, "ETSI semantics identifier" and
/// "Private company issuer identifier".
///
/// A personal code is in it: `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecipientId(String);

/// Text that is no recipient's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short or too long.
    #[error("a recipient's id has {MIN_LEN} to {MAX_LEN} characters")]
    Length,
    /// Neither `etsi/` nor `private/`.
    #[error("a recipient's id begins with etsi/ or private/")]
    Scheme,
    /// Not `etsi/`, three letters, two letters, a hyphen and an identifier.
    #[error("a recipient's id of ETSI is one such as etsi/PNOEE-48010010101")]
    Etsi,
    /// Not `private/`, a vendor, a slash and an identifier.
    #[error("a recipient's id of a company is one such as private/VENDOR/70000349")]
    Private,
}

impl RecipientId {
    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands in the `serialNumber` of the subject of the recipient's certificate, such as `PNOEE-48010010101` (ETSI EN 319 412-1, 5.1.3);
    /// `None` for an id that a company gave, which is in no such certificate.
    #[must_use]
    pub fn semantics_identifier(&self) -> Option<&str> {
        self.0.strip_prefix(ETSI)
    }

    /// The id of the person with this `serialNumber`.
    ///
    /// # Errors
    /// There is none of this form.
    pub fn of_serial_number(serial_number: &str) -> Result<Self, Malformed> {
        format!("{ETSI}{serial_number}").parse()
    }
}

const ETSI: &str = "etsi/";
const PRIVATE: &str = "private/";

impl FromStr for RecipientId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if !(MIN_LEN..=MAX_LEN).contains(&text.chars().count()) {
            return Err(Malformed::Length);
        }
        match (text.strip_prefix(ETSI), text.strip_prefix(PRIVATE)) {
            (Some(rest), _) if is_semantics_identifier(rest) => Ok(Self(text.to_owned())),
            (Some(_), _) => Err(Malformed::Etsi),
            (_, Some(rest)) if is_of_a_company(rest) => Ok(Self(text.to_owned())),
            (_, Some(_)) => Err(Malformed::Private),
            _ => Err(Malformed::Scheme),
        }
    }
}

/// `PNOEE-48010010101`: what it identifies, a country, a hyphen, what the country calls it.
fn is_semantics_identifier(text: &str) -> bool {
    let Some((kind, identifier)) = text.split_once('-') else { return false };
    kind.len() == 5 && kind.bytes().all(|octet| octet.is_ascii_uppercase()) && is_identifier(identifier)
}

/// `VENDOR/70000349`.
fn is_of_a_company(text: &str) -> bool {
    let Some((vendor, identifier)) = text.split_once('/') else { return false };
    is_identifier(vendor) && is_identifier(identifier)
}

fn is_identifier(text: &str) -> bool {
    (1..=MAX_IDENTIFIER_LEN).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
}

impl TryFrom<String> for RecipientId {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl From<RecipientId> for String {
    fn from(id: RecipientId) -> Self {
        id.0
    }
}

impl fmt::Display for RecipientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RecipientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecipientId")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RecipientId, Malformed> {
        text.parse()
    }

    #[test]
    fn both_kinds_of_the_specification_are_read() {
        let person = read("etsi/PNOEE-48010010101").unwrap();
        assert_eq!(person.semantics_identifier(), Some("PNOEE-48010010101"));
        assert_eq!(RecipientId::of_serial_number("PNOEE-48010010101"), Ok(person.clone()));
        assert_eq!(format!("{person:?}"), "RecipientId");
        assert_eq!(read("private/JIO/70000349").unwrap().semantics_identifier(), None);
        for text in ["etsi/PASKZ-1234567", "etsi/IDCLV-010101-10006", "etsi/PNOEE-12345678901234567890"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, reason) in [
            ("", Malformed::Length),
            ("etsi/PNOEE-", Malformed::Length),
            ("etsi/PNOEE-123456789012345678901", Malformed::Etsi),
            ("private/VENDOR/123456789012345678", Malformed::Length),
            ("PNOEE-48010010101", Malformed::Scheme),
            ("ETSI/PNOEE-48010010101", Malformed::Scheme),
            ("etsi/pnoee-48010010101", Malformed::Etsi),
            ("etsi/PNOE-480100101010", Malformed::Etsi),
            ("etsi/PNOEE48010010101", Malformed::Etsi),
            ("etsi/PNOEE-4801001/101", Malformed::Etsi),
            ("etsi/PNOEE-4801001 101", Malformed::Etsi),
            ("etsi/PNOEE-480100101õ1", Malformed::Etsi),
            ("private/70000349", Malformed::Private),
            ("private//70000349", Malformed::Private),
            ("private/JIO/7000/0349", Malformed::Private),
        ] {
            assert_eq!(read(text), Err(reason), "{text}");
        }
    }
}
