//! What a password must be to encrypt with: the rules of the Java client. Decryption takes any.

use std::ops::RangeInclusive;

/// Characters of a password.
const LEN: RangeInclusive<usize> = 12..=64;

/// The rules that `password` breaks, each as what it must have. Empty: it may be used.
///
/// Letters and digits are those of ASCII, as for the Java client.
pub(crate) fn broken(password: &str) -> Vec<&'static str> {
    let has = |wanted: fn(&char) -> bool| password.chars().any(|character| wanted(&character));
    let rules = [
        (password.chars().count() >= *LEN.start(), "at least 12 characters"),
        (password.chars().count() <= *LEN.end(), "at most 64 characters"),
        (has(char::is_ascii_uppercase), "an upper-case letter (A to Z)"),
        (has(char::is_ascii_lowercase), "a lower-case letter (a to z)"),
        (has(char::is_ascii_digit), "a digit"),
    ];
    rules.into_iter().filter(|(kept, _)| !kept).map(|(_, rule)| rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_passwords_break_no_rule() {
        for password in ["Kevade2026ab", "aaaaaaaaaaA1", "õõõõõõõõõaA1", &format!("aA1{}", "x".repeat(61))] {
            assert_eq!(broken(password), [""; 0], "{password}");
        }
    }

    #[test]
    fn each_rule_is_named() {
        assert_eq!(broken("Kevade2026a"), ["at least 12 characters"]);
        assert_eq!(broken(&format!("aA1{}", "x".repeat(62))), ["at most 64 characters"]);
        assert_eq!(broken("kevade2026ab"), ["an upper-case letter (A to Z)"]);
        assert_eq!(broken("KEVADE2026AB"), ["a lower-case letter (a to z)"]);
        assert_eq!(broken("KevadeKevade"), ["a digit"]);
        assert_eq!(broken("").len(), 4);
    }

    #[test]
    fn length_counts_characters_not_octets() {
        assert_eq!(broken("õõõõõaA1"), ["at least 12 characters"]);
        assert_eq!(broken(&format!("aA1{}", "õ".repeat(61))), [""; 0]);
    }

    #[test]
    fn letters_of_other_scripts_do_not_count_as_upper_or_lower_case() {
        assert_eq!(broken("ÕÄÖÜõäöü1234"), ["an upper-case letter (A to Z)", "a lower-case letter (a to z)"]);
    }
}
