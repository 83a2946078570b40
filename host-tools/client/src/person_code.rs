//! Codes by which people and organisations of Estonia are known: eleven digits for a person, eight for an organisation.
//!
//! A code is parsed, its checksum included, before anything is asked for by it. It says who corresponds with whom: `Debug` keeps quiet, and
//! there is no `Display`. Who needs the digits says so by [`digits`](Code::digits).

use std::fmt;

use jiff::civil::Date;

/// What a certificate's `serialNumber` puts before a personal code (ETSI EN 319 412-1, 5.1.3: natural persons).
const PERSON_PREFIX: &str = "PNOEE-";
/// What `organizationIdentifier` puts before a registry code (ETSI EN 319 412-1, 5.1.4: legal persons).
const ORGANISATION_PREFIX: &str = "NTREE-";

/// The code of a person or of an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Of a person.
    Person(PersonalCode),
    /// Of an organisation.
    Organisation(RegistryCode),
}

/// A personal identification code (isikukood): century and sex, date of birth, a serial number and a check digit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PersonalCode([u8; 11]);

/// A code of the Estonian business register (registrikood): seven digits and a check digit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegistryCode([u8; 8]);

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Neither form.
    #[error("neither a personal code, which has 11 digits, nor a registry code, which has 8")]
    Form,
    /// Of another country than Estonia.
    #[error("not an Estonian code: only PNOEE- and NTREE- can be looked up")]
    Country,
    /// There was no such day, or no such century.
    #[error("no personal code: it holds a date of birth that does not exist")]
    Date,
    /// The last digit is not the one that the others give.
    #[error("mistyped: its last digit, which is computed from the others, is not right")]
    CheckDigit,
}

impl Code {
    /// Reads `38001085718`, `PNOEE-38001085718`, `etsi/PNOEE-38001085718`, `12345678` or `NTREE-12345678`.
    ///
    /// # Errors
    /// Why it is none of these.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text = text.strip_prefix("etsi/").unwrap_or(text);
        if let Some(digits) = text.strip_prefix(PERSON_PREFIX) {
            return PersonalCode::parse(digits).map(Self::Person);
        }
        if let Some(digits) = text.strip_prefix(ORGANISATION_PREFIX) {
            return RegistryCode::parse(digits).map(Self::Organisation);
        }
        if has_identity_prefix(text) {
            return Err(CodeError::Country);
        }
        match text.len() {
            11 => PersonalCode::parse(text).map(Self::Person),
            8 => RegistryCode::parse(text).map(Self::Organisation),
            _ => Err(CodeError::Form),
        }
    }

    /// The digits alone.
    #[must_use]
    pub fn digits(&self) -> &str {
        match self {
            Self::Person(code) => code.digits(),
            Self::Organisation(code) => code.digits(),
        }
    }

    /// As certificates state it: `PNOEE-38001085718`, `NTREE-12345678`.
    #[must_use]
    pub fn semantics_identifier(&self) -> String {
        match self {
            Self::Person(code) => format!("{PERSON_PREFIX}{}", code.digits()),
            Self::Organisation(code) => format!("{ORGANISATION_PREFIX}{}", code.digits()),
        }
    }
}

/// Three letters for the kind, two for the country and a hyphen (ETSI EN 319 412-1, 5.1.3 and 5.1.4).
fn has_identity_prefix(text: &str) -> bool {
    let (letters, rest) = text.as_bytes().split_at_checked(5).unwrap_or_default();
    letters.iter().all(u8::is_ascii_uppercase) && rest.starts_with(b"-")
}

impl PersonalCode {
    /// Reads eleven digits.
    ///
    /// # Errors
    /// [`CodeError::Form`], [`CodeError::Date`], [`CodeError::CheckDigit`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let digits: [u8; 11] = digits(text)?;
        let value =
            |range: std::ops::Range<usize>| digits[range].iter().fold(0_i16, |sum, digit| sum * 10 + i16::from(digit - b'0'));
        let century = match digits[0] {
            b'1' | b'2' => 1800,
            b'3' | b'4' => 1900,
            b'5' | b'6' => 2000,
            b'7' | b'8' => 2100,
            _ => return Err(CodeError::Date),
        };
        let (month, day) = (i8::try_from(value(3..5)), i8::try_from(value(5..7)));
        let (Ok(month), Ok(day)) = (month, day) else { return Err(CodeError::Date) };
        Date::new(century + value(1..3), month, day).map_err(|_| CodeError::Date)?;
        check(&digits)?;
        Ok(Self(digits))
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        ascii(&self.0)
    }
}

impl RegistryCode {
    /// Reads eight digits.
    ///
    /// # Errors
    /// [`CodeError::Form`], [`CodeError::CheckDigit`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let digits = digits(text)?;
        check(&digits)?;
        Ok(Self(digits))
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Debug for PersonalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonalCode(..)")
    }
}

impl fmt::Debug for RegistryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryCode(..)")
    }
}

fn digits<const N: usize>(text: &str) -> Result<[u8; N], CodeError> {
    let digits: [u8; N] = text.as_bytes().try_into().map_err(|_| CodeError::Form)?;
    digits.iter().all(u8::is_ascii_digit).then_some(digits).ok_or(CodeError::Form)
}

fn ascii(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// The check digit of both codes (EVS 585): the weighted sum of the digits before it, modulo 11. Weights count 1 to 9 round and round; where
/// they leave 10 they begin with 3, and where that leaves 10 too the digit is 0.
fn check(digits: &[u8]) -> Result<(), CodeError> {
    let Some((last, others)) = digits.split_last() else { return Err(CodeError::Form) };
    let remainder = |first: u32| {
        let weights = (1..=9).cycle().skip(first as usize - 1);
        others.iter().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum::<u32>() % 11
    };
    let expected = [1, 3].into_iter().map(remainder).find(|remainder| *remainder < 10).unwrap_or(0);
    if u32::from(last - b'0') == expected { Ok(()) } else { Err(CodeError::CheckDigit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for (text, identifier) in [
            ("38001085718", "PNOEE-38001085718"),
            ("PNOEE-60001017727", "PNOEE-60001017727"),
            ("etsi/PNOEE-38001085718", "PNOEE-38001085718"),
            ("10747013", "NTREE-10747013"),
            ("NTREE-70000562", "NTREE-70000562"),
        ] {
            let code = Code::parse(text).unwrap();
            assert_eq!(code.semantics_identifier(), identifier);
            assert!(identifier.ends_with(code.digits()));
        }
    }

    #[test]
    fn every_other_check_digit_is_refused() {
        for right in ["38001085718", "60001017727", "10747013", "70000562"] {
            let (others, last) = right.split_at(right.len() - 1);
            for digit in '0'..='9' {
                let is_right = digit.to_string() == last;
                assert_eq!(Code::parse(&format!("{others}{digit}")).is_ok(), is_right, "{others}{digit}");
            }
        }
    }

    /// The check digit as the definition reads, and which of its three steps gives it.
    fn reference(first: &str) -> (usize, char) {
        let sum = |weights: [u32; 10]| first.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() * w).sum::<u32>() % 11;
        let (round, digit) = match (sum([1, 2, 3, 4, 5, 6, 7, 8, 9, 1]), sum([3, 4, 5, 6, 7, 8, 9, 1, 2, 3])) {
            (10, 10) => (2, 0),
            (10, second) => (1, second),
            (first, _) => (0, first),
        };
        (round, char::from_digit(digit, 10).unwrap())
    }

    #[test]
    fn a_thousand_codes_as_the_definition_reads() {
        let mut rounds = [0; 3];
        for serial in 0..1000 {
            let first = format!("4850228{serial:03}");
            let (round, last) = reference(&first);
            rounds[round] += 1;
            for digit in '0'..='9' {
                assert_eq!(PersonalCode::parse(&format!("{first}{digit}")).is_ok(), digit == last, "{first}{digit}");
            }
        }
        assert!(rounds.iter().all(|count| *count > 0), "{rounds:?}");
    }

    #[test]
    fn what_is_no_code() {
        for (text, why) in [
            ("", CodeError::Form),
            ("3800108571", CodeError::Form),
            ("3800108571x", CodeError::Form),
            ("３８００１０８５７１８", CodeError::Form),
            (" 38001085718", CodeError::Form),
            ("PNOEE-10747013", CodeError::Form),
            ("PNOLV-38001085718", CodeError::Country),
            ("IDCEE-12345", CodeError::Country),
            ("38013085718", CodeError::Date),
            ("98001085718", CodeError::Date),
            ("38001085719", CodeError::CheckDigit),
            ("10747014", CodeError::CheckDigit),
        ] {
            assert_eq!(Code::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn debug_keeps_quiet() {
        for text in ["38001085718", "10747013"] {
            let shown = format!("{:?}", Code::parse(text).unwrap());
            assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
        }
    }
}
