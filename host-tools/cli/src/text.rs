//! Text from containers and from elsewhere, made fit for a terminal.
//!
//! A label or a name can hold anything: escape sequences that rewrite the screen, characters that turn the direction of writing, octets
//! that are no text at all. Nothing of that reaches a terminal as it is.

use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Characters of a label or a name that are shown in a line of its own; the rest is only counted.
const SHOWN_CHARS: usize = 200;

/// Octets shown with every character escaped that is not printable, as `\n`, `\u{202e}` or `\xff`. A backslash stands as it is, so that what
/// was escaped before stays.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            // What is printable is decided by the standard library; it also escapes these three, which do no harm.
            for part in chunk.valid().split_inclusive(['"', '\'', '\\']) {
                let (text, harmless) = match part.char_indices().next_back() {
                    Some((at, last @ ('"' | '\'' | '\\'))) => (&part[..at], Some(last)),
                    _ => (part, None),
                };
                write!(f, "{}", text.escape_debug())?;
                harmless.map_or(Ok(()), |last| f.write_char(last))?;
            }
            for octet in chunk.invalid() {
                write!(f, "\\x{octet:02x}")?;
            }
        }
        Ok(())
    }
}

/// The whole of `octets`, escaped.
pub(crate) fn shown(octets: &[u8]) -> Shown<'_> {
    Shown(octets)
}

/// A path, escaped.
pub(crate) fn path(path: &Path) -> Shown<'_> {
    Shown(path.as_os_str().as_bytes())
}

/// The beginning of `octets`, escaped, and how many octets there are if that is not all.
pub(crate) fn brief(octets: &[u8]) -> String {
    let text = shown(octets).to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}... ({} octets)", &text[..end], octets.len()),
        None => text,
    }
}

/// A message of one line, escaped once more as a whole: what it quotes cannot begin a line of its own.
pub(crate) fn message(text: &str) -> String {
    shown(text.as_bytes()).to_string()
}

/// JSON with every character escaped that a terminal might obey; what is left means the same.
pub(crate) fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // ASCII control characters are escaped already, but for DEL and the line breaks between the fields.
        let is_plain = character == '\n' || character.is_ascii_graphic() || character == ' ';
        if is_plain || !character.is_ascii() && character.escape_debug().len() == 1 {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// "1 file", "2 files".
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A size for people, such as "1.5 GiB".
pub(crate) fn size(octets: u64) -> String {
    indicatif::BinaryBytes(octets).to_string()
}

/// A moment in Unix time, such as "2026-11-05T12:00:00Z"; `None` if it is too far away for a date.
pub(crate) fn moment(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|moment| moment.to_string())
}

/// The day of a moment, such as "2026-11-05", in UTC.
pub(crate) fn day(moment: std::time::SystemTime) -> String {
    let timestamp = jiff::Timestamp::try_from(moment);
    timestamp.map_or_else(|_| "a day too far away to name".to_owned(), |moment| moment.strftime("%F").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_stands_as_it_is() {
        for text in ["lepingud 2026.pdf", "Žürii õäöü", "o\u{303}", "\"it's\" C:\\x", "日本語", ""] {
            assert_eq!(shown(text.as_bytes()).to_string(), text);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(shown(b"\x1b[2J\x07\r\n\t\0\x7f").to_string(), r"\u{1b}[2J\u{7}\r\n\t\0\u{7f}");
        assert_eq!(shown("\u{9b}31m".as_bytes()).to_string(), r"\u{9b}31m");
        for hidden in "\u{61c}\u{200b}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{2028}\u{2029}\u{feff}\u{e0041}".chars() {
            assert_eq!(shown(hidden.to_string().as_bytes()).to_string(), format!("\\u{{{:x}}}", u32::from(hidden)));
        }
    }

    #[test]
    fn octets_that_are_no_text_are_shown_as_numbers() {
        assert_eq!(shown(b"a\xff\xc3").to_string(), r"a\xff\xc3");
    }

    #[test]
    fn escaping_twice_changes_nothing() {
        let once = shown(b"\x1b \xe2\x80\xae \"q\" \\").to_string();
        assert_eq!(message(&once), once);
    }

    #[test]
    fn json_means_the_same_and_is_harmless() {
        let value = serde_json::json!({"a": "õ \u{9b}2J \u{7f} \u{202e} \u{e0041} \n \" \\ o\u{303}"});
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(text.parse::<serde_json::Value>().unwrap(), value);
        assert!(text.contains('õ') && !text.contains(['\u{9b}', '\u{7f}', '\u{202e}', '\u{e0041}']), "{text:?}");
    }

    #[test]
    fn long_labels_are_cut() {
        let label = "õ".repeat(300);
        assert_eq!(brief(label.as_bytes()), format!("{}... (600 octets)", "õ".repeat(SHOWN_CHARS)));
        assert_eq!(brief(&label.as_bytes()[..400]), "õ".repeat(200));
    }

    #[test]
    fn moments_and_days() {
        assert_eq!(moment(1_793_880_000).as_deref(), Some("2026-11-05T12:00:00Z"));
        assert_eq!(moment(i64::MAX), None);
        assert_eq!(day(std::time::UNIX_EPOCH), "1970-01-01");
    }
}
