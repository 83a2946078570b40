//! Whose card it is: names and personal code.

use std::fmt;

/// Characters of the longest common name (X.520: ub-common-name).
const MAX_COMMON_NAME_LEN: usize = 64;

/// The person whose names and code are on a card and in its certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    surname: String,
    given_names: String,
    code: PersonalCode,
}

/// Why nobody has such names or such a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The surname and the given names are not told apart.
    #[error("write the surname, one comma and the given names: \"JÕEORG,JAAK-KRISTJAN\"")]
    NoComma,
    /// A name is empty, or begins or ends with a space.
    #[error("a name is empty, or has a space at its beginning or end")]
    Blank,
    /// A name has a line break or the like in it.
    #[error("a name has a control character in it")]
    Control,
    /// The certificate's common name would not take them.
    #[error("surname and given names may have {} characters together: certificates take no more", MAX_COMMON_NAME_LEN - 13)]
    TooLong,
    /// Not eleven digits.
    #[error("a personal code has 11 digits")]
    NotElevenDigits,
    /// The first seven digits are no date of birth.
    #[error("the first seven digits of the personal code are no date of birth")]
    NoDate,
    /// The last digit does not fit the others.
    #[error("the last digit of the personal code does not fit the others")]
    Checksum,
}

impl Holder {
    /// The person with these `names`, `SURNAME,GIVEN`, and this personal code.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(names: &str, code: PersonalCode) -> Result<Self, Error> {
        let (surname, given_names) = names.split_once(',').filter(|(_, given)| !given.contains(',')).ok_or(Error::NoComma)?;
        for name in [surname, given_names] {
            if name.is_empty() || name.trim() != name {
                return Err(Error::Blank);
            }
            if name.contains(char::is_control) {
                return Err(Error::Control);
            }
        }
        let holder = Self { surname: surname.into(), given_names: given_names.into(), code };
        if holder.common_name().chars().count() > MAX_COMMON_NAME_LEN {
            return Err(Error::TooLong);
        }
        Ok(holder)
    }

    /// The surname.
    #[must_use]
    pub fn surname(&self) -> &str {
        &self.surname
    }

    /// The given names.
    #[must_use]
    pub fn given_names(&self) -> &str {
        &self.given_names
    }

    /// The personal code.
    #[must_use]
    pub const fn code(&self) -> &PersonalCode {
        &self.code
    }

    /// As certificates name the person: `SURNAME,GIVEN,code`.
    #[must_use]
    pub fn common_name(&self) -> String {
        format!("{},{},{}", self.surname, self.given_names, self.code)
    }
}

/// An Estonian personal code: century and sex, date of birth, a number and a check digit (EVS 585).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalCode(String);

impl PersonalCode {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Error::NotElevenDigits`], [`Error::NoDate`], [`Error::Checksum`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits: Vec<u32> = text.chars().map(|c| c.to_digit(10)).collect::<Option<_>>().ok_or(Error::NotElevenDigits)?;
        let &[.., check] = digits.as_slice() else { return Err(Error::NotElevenDigits) };
        if digits.len() != 11 {
            return Err(Error::NotElevenDigits);
        }
        let code = Self(text.into());
        let (year, month, day) = code.date_of_birth();
        let days = match month {
            2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        if !(1..=8).contains(&digits[0]) || !(1..=days).contains(&day) {
            return Err(Error::NoDate);
        }
        let remainder = |weights: [u32; 10]| digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum::<u32>() % 11;
        let expected = match remainder([1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) {
            10 => remainder([3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 10,
            remainder => remainder,
        };
        if check == expected { Ok(code) } else { Err(Error::Checksum) }
    }

    /// The eleven digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `M` or `F`.
    #[must_use]
    pub fn sex(&self) -> char {
        if self.digit(0).is_multiple_of(2) { 'F' } else { 'M' }
    }

    /// Year, month and day.
    #[must_use]
    pub fn date_of_birth(&self) -> (u32, u32, u32) {
        let two = |at| 10 * self.digit(at) + self.digit(at + 1);
        // 1 and 2 are the 19th century, 3 and 4 the 20th, and so on.
        (1800 + 100 * (self.digit(0).saturating_sub(1) / 2) + two(1), two(3), two(5))
    }

    fn digit(&self, at: usize) -> u32 {
        u32::from(self.0.as_bytes()[at] - b'0')
    }
}

impl fmt::Display for PersonalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> PersonalCode {
        PersonalCode::parse("38001085718").unwrap()
    }

    #[test]
    fn code_says_sex_and_birth() {
        assert_eq!((code().sex(), code().date_of_birth()), ('M', (1980, 1, 8)));
        let of_this_century = PersonalCode::parse("60001019906").unwrap();
        assert_eq!((of_this_century.sex(), of_this_century.date_of_birth()), ('F', (2000, 1, 1)));
    }

    #[test]
    fn wrong_digit_or_date_is_refused() {
        for digit in ['0', '1', '2', '3', '4', '5', '6', '7', '9'] {
            assert_eq!(PersonalCode::parse(&format!("3800108571{digit}")), Err(Error::Checksum));
        }
        for text in ["38001085728", "38001086718", "48001085718", "39001085718"] {
            assert_eq!(PersonalCode::parse(text), Err(Error::Checksum), "{text}");
        }
        for text in ["38002305713", "38013085718", "38000085718", "38001005718", "00001085718", "98001085718"] {
            assert_eq!(PersonalCode::parse(text), Err(Error::NoDate), "{text}");
        }
        for text in ["", "3800108571", "380010857180", "3800108571x", "３8001085718", "38001085718\n"] {
            assert_eq!(PersonalCode::parse(text), Err(Error::NotElevenDigits), "{text}");
        }
    }

    #[test]
    fn second_weights_count_when_the_first_give_ten() {
        // with the second weights: 9, 0, and 10, which stands for 0
        for text in ["38001080079", "38001080320", "38001081350"] {
            assert!(PersonalCode::parse(text).is_ok(), "{text}");
        }
        assert_eq!(PersonalCode::parse("38001080070"), Err(Error::Checksum));
    }

    #[test]
    fn leap_days_are_days_in_leap_years() {
        let exists = |date: &str| (0..10).any(|check| PersonalCode::parse(&format!("{date}000{check}")).is_ok());
        assert!(exists("5000229") && exists("3960229") && !exists("3970229") && !exists("3000229"));
    }

    #[test]
    fn names_of_all_kinds() {
        for names in ["JÕEORG,JAAK-KRISTJAN", "O'CONNOR-ŽUŽUL,ŠIIRI MARI", "Ло,И", "+\"\\<>;#=,#"] {
            let holder = Holder::new(names, code()).unwrap();
            assert_eq!(holder.common_name(), format!("{names},38001085718"));
        }
        for (names, error) in [
            ("", Error::NoComma),
            ("JÕEORG", Error::NoComma),
            ("A,B,C", Error::NoComma),
            (",B", Error::Blank),
            ("A,", Error::Blank),
            ("A, B", Error::Blank),
            ("A,B\n", Error::Blank),
            ("A\0A,B", Error::Control),
            (&format!("{},B", "Õ".repeat(51)), Error::TooLong),
        ] {
            assert_eq!(Holder::new(names, code()), Err(error), "{names:?}");
        }
        assert!(Holder::new(&format!("{},B", "Õ".repeat(50)), code()).is_ok());
    }
}
