//! People who sign in, as they are typed: by a personal code, with what certificates put before it or without.

use cdoc2_client::person_code::Code;
use cdoc2_client::shares_server::RecipientId;

/// What to write.
pub(crate) const FORM: &str =
    "a personal code of 11 digits, perhaps with PNOEE- before it, or what another country puts in its place, such as PNOLT-";

/// Reads `60001017727`, `PNOEE-60001017727`, `etsi/PNOEE-60001017727`, `PNOLV-010101-10006` or `private/VENDOR/70000349`. A code alone is an Estonian one, and is
/// checked with its last digit: one that is mistyped is somebody else's. What is written out is meant as it stands; [`doubt`] says what to think of it.
///
/// # Errors
/// What is wrong, in words that do not repeat the code.
pub(crate) fn parse(text: &str) -> Result<RecipientId, String> {
    const ORGANISATION: &str = "the code is an organisation's, and only people sign in";
    if text.starts_with("private/") {
        return text.parse().map_err(|error| format!("{error}"));
    }
    let identifier = text.strip_prefix("etsi/").unwrap_or(text);
    let serial_number = match identifier.split_once('-') {
        Some((kind, _)) if kind.starts_with("NTR") => return Err(ORGANISATION.to_owned()),
        Some(_) => identifier.to_owned(),
        None => match Code::parse(identifier) {
            Ok(code @ Code::Person(_)) => code.semantics_identifier(),
            Ok(Code::Organisation(_)) => return Err(ORGANISATION.to_owned()),
            Err(error) => return Err(format!("the code is {error}")),
        },
    };
    RecipientId::of_serial_number(&serial_number).map_err(|error| error.to_string())
}

/// Why an Estonian code is probably not one that anybody has.
pub(crate) fn doubt(id: &RecipientId) -> Option<String> {
    let identifier = id.semantics_identifier().filter(|identifier| identifier.starts_with("PNOEE-"))?;
    Code::parse(identifier).err().map(|error| format!("the code is {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_one_person_is_the_same() {
        for text in ["60001017727", "PNOEE-60001017727", "etsi/PNOEE-60001017727"] {
            assert_eq!(parse(text).unwrap().as_str(), "etsi/PNOEE-60001017727", "{text}");
        }
        for (text, id) in [
            ("PNOLV-010101-10006", "etsi/PNOLV-010101-10006"),
            ("etsi/PNOLT-51307149560", "etsi/PNOLT-51307149560"),
            ("PASEE-K1234567", "etsi/PASEE-K1234567"),
            ("private/JIO/70000349", "private/JIO/70000349"),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), id);
            assert_eq!(doubt(&parse(text).unwrap()), None);
        }
    }

    /// The specification's own example has a check digit that is not right.
    #[test]
    fn what_is_written_out_is_doubted_at_most() {
        let id = parse("PNOEE-48010010101").unwrap();
        assert_eq!(id.as_str(), "etsi/PNOEE-48010010101");
        assert!(doubt(&id).unwrap().contains("mistyped"));
        assert!(parse("48010010101").unwrap_err().contains("mistyped"));
        assert_eq!(doubt(&parse("PNOEE-60001017727").unwrap()), None);
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        for text in [
            "",
            "60001017728",
            "PNOEE60001017727",
            "6000101772",
            "70000310",
            "NTREE-70000310",
            "Mari",
            "PNOLV-",
            "private/7000",
            "PNOLV-0/1",
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(!wrong.contains("6000") && !wrong.contains("7000031"), "{text}: {wrong}");
        }
    }
}
