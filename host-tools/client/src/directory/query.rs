//! What a directory is asked, and the filter that asks it.

use std::borrow::Cow;
use std::fmt;

use ldap3::ldap_escape;
use unicode_normalization::UnicodeNormalization as _;

use crate::person_code::{Code, CodeError};

/// Characters that the longest word of a name has at least: what is shorter would find half the country.
pub const MIN_NAME_CHARS: usize = 3;
/// Characters of the longest name.
pub const MAX_NAME_CHARS: usize = 100;
/// Digits in a name that has most of them.
const MAX_NAME_DIGITS: usize = 4;
/// Words of the longest name.
const MAX_WORDS: usize = 8;

/// Whose certificates are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Of the person or the organisation with this code.
    Code(Code),
    /// Of everybody with this name.
    Name(Name),
}

/// Words of a name, each the whole of one of its words or the beginning of it. `Debug` keeps quiet.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Vec<String>);

/// What a directory can be asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// By personal code.
    Person,
    /// By registry code.
    Organisation,
    /// By name.
    Name,
}

/// Why a text is nothing that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It is a code, but not a right one.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// Digits of other scripts, or signs that stand for numbers. Nobody is known by such a code, and it could be asked for as a name.
    #[error("no code, though it looks like one: not all of its digits are among 0 to 9")]
    Digits,
    /// A code with something else beside it.
    #[error("no code, though it looks like one: there is something else in it, and a code is wanted alone, or a name")]
    Mixture,
    /// No word of it is long enough.
    #[error("too short for a name: a word of at least {MIN_NAME_CHARS} letters is wanted")]
    TooShort,
    /// There is too much of it.
    #[error("too long for a name: at most {MAX_WORDS} words and {MAX_NAME_CHARS} characters are taken")]
    TooLong,
    /// It has characters that no name has.
    #[error("no name: it holds control characters")]
    Control,
}

impl Query {
    /// A code if it looks like one, and a name otherwise. Many digits, of whatever script, are never taken for a name: a code that was mistyped must not
    /// be sent.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let text = text.trim();
        let digits = text.chars().filter(|character| character.is_numeric()).count();
        let is_code = digits > MAX_NAME_DIGITS || digits > 0 && !text.contains(char::is_alphabetic);
        if !is_code {
            return Name::parse(text).map(Self::Name);
        }
        if text.chars().any(|character| character.is_numeric() && !character.is_ascii_digit()) {
            return Err(QueryError::Digits);
        }
        Code::parse(text).map(Self::Code).map_err(|error| match error {
            CodeError::Form if is_mixture(text) => QueryError::Mixture,
            error => error.into(),
        })
    }

    /// What a directory must take to be asked this.
    #[must_use]
    pub const fn kind(&self) -> QueryKind {
        match self {
            Self::Code(Code::Person(_)) => QueryKind::Person,
            Self::Code(Code::Organisation(_)) => QueryKind::Organisation,
            Self::Name(_) => QueryKind::Name,
        }
    }

    /// The filter (RFC 4515). Its values are escaped, so that nothing in them is syntax.
    ///
    /// People stand in the directories under `serialNumber=PNOEE-38001085718` (ETSI EN 319 412-1), organisations under the bare digits in
    /// the old tree. DigiDoc4 asks the same.
    pub(super) fn filter(&self) -> String {
        match self {
            Self::Code(code @ Code::Person(_)) => equality(&code.semantics_identifier()),
            Self::Code(code @ Code::Organisation(_)) => {
                format!("(|{}{})", equality(code.digits()), equality(&code.semantics_identifier()))
            }
            Self::Name(name) => {
                let words: String = name.0.iter().map(|word| word_filter(word)).collect();
                format!("(&{words})")
            }
        }
    }
}

/// Whether there are letters in it beside those that stand before a code.
fn is_mixture(text: &str) -> bool {
    let text = text.strip_prefix("etsi/").unwrap_or(text);
    let rest = ["PNOEE-", "NTREE-"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    rest.contains(char::is_alphabetic)
}

fn equality(value: &str) -> String {
    format!("(serialNumber={})", ldap_escape(value))
}

/// `commonName` is SURNAME,GIVEN NAMES,CODE of a person, and the name of an organisation: a word of it begins at its own beginning, or after
/// a comma, a space or a hyphen.
fn word_filter(word: &str) -> String {
    let word = ldap_escape(word);
    format!("(|(cn={word}*)(cn=*,{word}*)(cn=* {word}*)(cn=*-{word}*))")
}

impl Name {
    /// Takes a name apart into words: at spaces and commas, in normal form C, as directories have them.
    ///
    /// # Errors
    /// All of [`QueryError`] but the first.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.contains(char::is_control) {
            return Err(QueryError::Control);
        }
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(QueryError::TooLong);
        }
        let normalised: String = text.nfc().collect();
        let words: Vec<String> = normalised.split([' ', ',']).flat_map(str::split_whitespace).map(str::to_owned).collect();
        if words.len() > MAX_WORDS {
            return Err(QueryError::TooLong);
        }
        let letters = |word: &String| word.chars().filter(|character| character.is_alphanumeric()).count();
        if words.iter().map(letters).max().unwrap_or(0) < MIN_NAME_CHARS {
            return Err(QueryError::TooShort);
        }
        Ok(Self(words))
    }

    /// Whether every word of it begins a word of `text`, in whatever case.
    pub(super) fn fits(&self, text: &str) -> bool {
        let text = folded(text);
        self.0.iter().all(|word| {
            let word = folded(word);
            let begins = |(at, _): (usize, &str)| !text[..at].ends_with(char::is_alphanumeric);
            text.match_indices(&*word).any(begins)
        })
    }
}

/// Case and composition do not matter.
fn folded(text: &str) -> Cow<'_, str> {
    Cow::Owned(text.nfc().flat_map(char::to_lowercase).nfc().collect())
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> String {
        Query::parse(text).unwrap().filter()
    }

    #[test]
    fn by_code() {
        assert_eq!(filter(" 38001085718\n"), "(serialNumber=PNOEE-38001085718)");
        assert_eq!(filter("PNOEE-38001085718"), "(serialNumber=PNOEE-38001085718)");
        assert_eq!(filter("10747013"), "(|(serialNumber=10747013)(serialNumber=NTREE-10747013))");
    }

    #[test]
    fn by_name() {
        let word = |w: &str| format!("(|(cn={w}*)(cn=*,{w}*)(cn=* {w}*)(cn=*-{w}*))");
        assert_eq!(filter("Jõeorg"), format!("(&{})", word("Jõeorg")));
        // õ as o and a tilde
        assert_eq!(filter("Jo\u{303}eorg,  Jaan-Kristjan"), format!("(&{}{})", word("Jõeorg"), word("Jaan-Kristjan")));
    }

    #[test]
    fn nothing_that_is_typed_is_syntax() {
        let typed = "a*)(cn=\\x(|&=\u{fffd}";
        let filter = filter(typed);
        assert!(!filter.contains("a*") && filter.contains(r"a\2a\29\28cn=\5cx\28|&="), "{filter}");
        assert_eq!(filter.matches('(').count(), 6, "{filter}");
        assert!(ldap3::parse_filter(&filter).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn every_name_gives_one_filter(text in "\\PC{3,40}") {
            if let Ok(query @ Query::Name(Name(_))) = Query::parse(&text) {
                let Query::Name(Name(words)) = &query else { unreachable!() };
                let filter = query.filter();
                proptest::prop_assert!(ldap3::parse_filter(&filter).is_ok());
                proptest::prop_assert_eq!(filter.matches('(').count(), 1 + 5 * words.len());
                proptest::prop_assert_eq!(filter.matches(')').count(), 1 + 5 * words.len());
                proptest::prop_assert_eq!(filter.matches('*').count(), 7 * words.len());
            }
        }
    }

    #[test]
    fn what_is_not_asked() {
        for (text, why) in [
            ("", QueryError::TooShort),
            ("* ) ( ***", QueryError::TooShort),
            ("õ ü ab", QueryError::TooShort),
            ("mari\u{0}", QueryError::Control),
            ("a\nmari", QueryError::Control),
            ("aaa b c d e f g h i", QueryError::TooLong),
            ("38001085719", QueryError::Code(CodeError::CheckDigit)),
            ("3800108571", QueryError::Code(CodeError::Form)),
            ("1234", QueryError::Code(CodeError::Form)),
            ("380 0108 5718", QueryError::Code(CodeError::Form)),
            ("PNOEE-3800108571", QueryError::Code(CodeError::Form)),
            ("PNOLV-38001085718", QueryError::Code(CodeError::Country)),
            ("Jõeorg 38001085718", QueryError::Mixture),
            ("38001085718,Jõeorg", QueryError::Mixture),
            ("PNOEE-38001085718 Jõeorg", QueryError::Mixture),
            // Arabic-Indic, full-width, mathematical and circled digits, and a Roman eight.
            ("٣٨٠٠١٠٨٥٧١٨", QueryError::Digits),
            ("３８００１０８５７１８", QueryError::Digits),
            ("PNOEE-𝟛𝟠𝟘𝟘𝟙𝟘𝟠𝟝𝟟𝟙𝟠", QueryError::Digits),
            ("①②③", QueryError::Digits),
            ("3800108571Ⅷ", QueryError::Digits),
            ("Jõeorg ٣٨٠٠١", QueryError::Digits),
        ] {
            assert_eq!(Query::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Query::parse(&"õ".repeat(101)), Err(QueryError::TooLong));
    }

    #[test]
    fn which_names_fit() {
        let cn = "JÕEORG,JAAN-KRISTJAN,38001085718";
        for name in ["G4S Eesti", "Oskar Ⅷ", "1 Kuu OÜ"] {
            assert!(matches!(Query::parse(name), Ok(Query::Name(_))), "{name}");
        }
        for fits in ["jõeorg", "Jo\u{303}eorg jaan", "kristjan", "jõe", "kris jõe"] {
            assert!(Name::parse(fits).unwrap().fits(cn), "{fits}");
        }
        for other in ["joeorg", "eorg", "jõeorg mari", "aan"] {
            assert!(!Name::parse(other).unwrap().fits(cn), "{other}");
        }
    }
}
