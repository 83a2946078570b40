//! Which file names are safe.
//!
//! The specification lists what a name must not be ("Requirements for POSIX tar archive assembly", "Requirements for
//! payload unpacking"). On reading, that list is followed, with what it means but leaves unsaid: `.` and `..`, names that
//! no file system takes, and the other characters that reorder text like U+202E. On writing, names are refused too that
//! the existing readers do not take: `"` (Java) and `con.txt` (libcdoc), so that what is written here opens there.

use std::borrow::Cow;
use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

/// Octets in a name at most: what file systems take.
pub const MAX_NAME_LEN: usize = 255;

/// Which set of rules applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Names in a container made by anybody.
    Reading,
    /// Names in a container made here: the rules of reading and some more.
    Writing,
}

/// The rule that a name breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// No name at all.
    #[error("the name is empty")]
    Empty,
    /// More than [`MAX_NAME_LEN`] octets.
    #[error("the name is longer than 255 octets")]
    TooLong,
    /// Not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// `.` or `..`.
    #[error("the name means a folder")]
    Folder,
    /// `/` or `\`.
    #[error("the name holds a path separator")]
    Separator,
    /// One of `< > : | ? *`; the colon also marks a drive.
    #[error("the name holds one of the characters < > : | ? *")]
    Forbidden,
    /// A double quote. [`Rules::Writing`] only.
    #[error("the name holds a double quote, which other programs refuse")]
    Quote,
    /// A control character (C0, DEL, C1).
    #[error("the name holds a control character")]
    Control,
    /// A character that reorders the text around it, such as U+202E.
    #[error("the name holds a character that changes the direction of text")]
    Direction,
    /// U+FFFE or U+FFFF.
    #[error("the name holds U+FFFE or U+FFFF")]
    Noncharacter,
    /// A device on Windows.
    #[error("the name is a device on Windows")]
    Device,
    /// A device on Windows, with an extension. [`Rules::Writing`] only.
    #[error("the name is a device on Windows, even with an extension")]
    DeviceWithExtension,
    /// A space or hyphen in front.
    #[error("the name starts with a space or a hyphen")]
    Start,
    /// A space or dot at the end.
    #[error("the name ends with a space or a dot")]
    End,
}

/// A problem, the widest set of rules it is in, and how to find it.
type Rule = (NameProblem, Rules, fn(&str) -> bool);

/// The rules in the order they are tried. All but [`NameProblem::NotUtf8`], which comes before.
const RULES: [Rule; 13] = [
    (NameProblem::Empty, Rules::Reading, str::is_empty),
    (NameProblem::TooLong, Rules::Reading, |name| name.len() > MAX_NAME_LEN),
    (NameProblem::Folder, Rules::Reading, |name| name == "." || name == ".."),
    (NameProblem::Separator, Rules::Reading, |name| name.contains(is_separator)),
    (NameProblem::Forbidden, Rules::Reading, |name| name.contains(is_forbidden)),
    (NameProblem::Control, Rules::Reading, |name| name.contains(char::is_control)),
    (NameProblem::Direction, Rules::Reading, |name| name.contains(is_direction)),
    (NameProblem::Noncharacter, Rules::Reading, |name| name.contains(is_noncharacter)),
    (NameProblem::Device, Rules::Reading, is_device),
    (NameProblem::Start, Rules::Reading, |name| name.starts_with(is_bad_start)),
    (NameProblem::End, Rules::Reading, |name| name.ends_with(is_bad_end)),
    (NameProblem::Quote, Rules::Writing, |name| name.contains('"')),
    (NameProblem::DeviceWithExtension, Rules::Writing, |name| is_device(stem(name))),
];

fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '|' | '?' | '*')
}

/// The embeddings, overrides and isolates of UAX #9. The marks (U+061C, U+200E, U+200F) reorder nothing by force and
/// belong in names of right-to-left scripts.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn is_bad_start(c: char) -> bool {
    matches!(c, ' ' | '-')
}

fn is_bad_end(c: char) -> bool {
    matches!(c, ' ' | '.')
}

fn is_device(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    matches!(name.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || ["COM", "LPT"].iter().any(|port| {
            // Windows takes the superscript digits too.
            name.strip_prefix(port).is_some_and(|number| matches!(number, "¹" | "²" | "³") || is_1_to_9(number))
        })
}

fn is_1_to_9(text: &str) -> bool {
    matches!(text.as_bytes(), [b'1'..=b'9'])
}

/// What stands before the first dot, without spaces at its end: Windows looks no further for a device.
fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name).trim_end_matches(' ')
}

/// Looks whether `name` is safe, and gives it back as text.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(name: &[u8], rules: Rules) -> Result<&str, NameProblem> {
    let text = str::from_utf8(name).map_err(|_| NameProblem::NotUtf8)?;
    let broken = RULES
        .iter()
        .filter(|(_, scope, _)| *scope == Rules::Reading || rules == Rules::Writing)
        .find(|(_, _, breaks)| breaks(text));
    match broken {
        Some((problem, ..)) => Err(*problem),
        None => Ok(text),
    }
}

/// The nearest name to `name` that passes [`check`] with [`Rules::Writing`] and that `is_taken` does not know.
///
/// What offends becomes `_`, so a path turns into one long name; a name that is taken gets ` (2)`, ` (3)` and so on.
pub fn make_safe(name: &[u8], is_taken: impl Fn(&str) -> bool) -> String {
    let replaced: String = String::from_utf8_lossy(name)
        .chars()
        .map(|c| match c {
            '"' | char::REPLACEMENT_CHARACTER => '_',
            _ if is_separator(c) || is_forbidden(c) || c.is_control() => '_',
            _ if is_direction(c) || is_noncharacter(c) => '_',
            _ => c,
        })
        .collect();
    let kept = replaced.trim_start_matches(is_bad_start);
    let mut safe = "_".repeat(replaced.len() - kept.len());
    let kept_end = kept.trim_end_matches(is_bad_end);
    safe.push_str(kept_end);
    safe.push_str(&"_".repeat(kept.len() - kept_end.len()));
    if safe.is_empty() {
        safe.push('_');
    }
    let mut candidate = numbered(&safe, "");
    for number in 2_u64.. {
        if !is_taken(&candidate) {
            break;
        }
        candidate = numbered(&safe, &format!(" ({number})"));
    }
    candidate
}

/// `name` with `number` before its extension, cut so that the whole takes at most [`MAX_NAME_LEN`] octets.
fn numbered(name: &str, number: &str) -> String {
    const MAX_EXTENSION_LEN: usize = 16;
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION_LEN => name.split_at(dot),
        _ => (name, ""),
    };
    let room = MAX_NAME_LEN - number.len() - extension.len();
    let stem = &stem[..stem.floor_char_boundary(room)];
    let mut out = format!("{stem}{number}{extension}");
    if out.ends_with(is_bad_end) {
        // Only the cut can bring this about.
        out.pop();
        out.push('_');
    }
    if is_device(self::stem(&out)) {
        return numbered(&format!("_{name}"), number);
    }
    out
}

/// `name` for people: what does not print is escaped, and what is too long is cut.
pub fn escaped(name: &[u8]) -> String {
    const MAX_CHARS: usize = 300;
    let mut out = String::new();
    for chunk in name.utf8_chunks() {
        out.extend(chunk.valid().escape_debug());
        for octet in chunk.invalid() {
            out.push_str(&format!("\\x{octet:02x}"));
        }
    }
    // A single quote needs no escape here.
    let mut out = out.replace("\\'", "'");
    if let Some((end, _)) = out.char_indices().nth(MAX_CHARS) {
        out.truncate(end);
        out.push('…');
    }
    out
}

/// The names of an archive, each once: two that differ only in letter case or in Unicode composition count as the same,
/// because some file systems keep just one of them.
#[derive(Debug, Default)]
pub struct NameSet(HashSet<String>);

impl NameSet {
    /// Adds `name`; `false` if it is there already.
    pub fn insert(&mut self, name: &str) -> bool {
        self.0.insert(folded(name).into_owned())
    }

    /// Whether `name` is there.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(folded(name).as_ref())
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|octet| octet.is_ascii() && !octet.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &[u8], problem: NameProblem) {
        assert_eq!(check(name, Rules::Reading), Err(problem));
        assert_eq!(check(name, Rules::Writing), Err(problem));
    }

    #[test]
    fn ordinary_names_pass() {
        let names = [
            "a",
            "it's a (test) [1] {2} #3 & 100%, $x; ~y! @z=+^`.txt",
            "Žürii šefi ülesanne ÕÄÖÜ.docx",
            "Jo\u{303}geva.txt",
            "文書 資料.txt",
            "\u{200f}עברית\u{200e}.txt",
            ".hidden",
            "many.dots.in.name.tar.gz",
            "a - b",
            "COM10",
            "COM0",
            "console.log",
            "auxiliary",
        ];
        for name in names {
            assert_eq!(check(name.as_bytes(), Rules::Writing), Ok(name));
        }
        let longest = "õ".repeat(127) + "x";
        assert_eq!(check(longest.as_bytes(), Rules::Writing), Ok(longest.as_str()));
    }

    #[test]
    fn unsafe_names_are_refused() {
        refused(b"", NameProblem::Empty);
        refused("õ".repeat(128).as_bytes(), NameProblem::TooLong);
        refused(b"bad\xff.txt", NameProblem::NotUtf8);
        refused(b"\xc3", NameProblem::NotUtf8);
        refused(b".", NameProblem::Folder);
        refused(b"..", NameProblem::Folder);
        for path in ["/etc/passwd", "//x", "../x", "a/b", "a/", "a\\b", "C:\\x"] {
            refused(path.as_bytes(), NameProblem::Separator);
        }
        for name in ["a<b", "a>b", "C:x", "a|b", "a?b", "a*b"] {
            refused(name.as_bytes(), NameProblem::Forbidden);
        }
        for c in ('\0'..' ').chain('\u{7f}'..='\u{9f}') {
            refused(format!("a{c}b").as_bytes(), NameProblem::Control);
        }
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            refused(format!("a{c}b").as_bytes(), NameProblem::Direction);
        }
        refused("a\u{fffe}".as_bytes(), NameProblem::Noncharacter);
        refused("a\u{ffff}".as_bytes(), NameProblem::Noncharacter);
        for name in ["CON", "prn", "Aux", "nul", "COM1", "com9", "LPT3", "COM²"] {
            refused(name.as_bytes(), NameProblem::Device);
        }
        refused(b" lead", NameProblem::Start);
        refused(b"-rf", NameProblem::Start);
        refused(b"trail ", NameProblem::End);
        refused(b"trail.", NameProblem::End);
    }

    #[test]
    fn writing_also_refuses_what_other_readers_refuse() {
        for (name, problem) in [
            ("a\"b", NameProblem::Quote),
            ("con.txt", NameProblem::DeviceWithExtension),
            ("aux .tar.gz", NameProblem::DeviceWithExtension),
        ] {
            assert_eq!(check(name.as_bytes(), Rules::Reading), Ok(name));
            assert_eq!(check(name.as_bytes(), Rules::Writing), Err(problem));
        }
    }

    #[test]
    fn safe_names_stay_close_to_the_original() {
        for (name, safe) in [
            ("plain.txt", "plain.txt"),
            ("", "_"),
            (".", "_"),
            ("..", "__"),
            ("../../etc/passwd", ".._.._etc_passwd"),
            ("photos/2024/a.jpg", "photos_2024_a.jpg"),
            ("C:\\x", "C__x"),
            ("  x", "__x"),
            ("-rf", "_rf"),
            ("trail. ", "trail__"),
            ("a\u{202e}b\n", "a_b_"),
            ("con", "_con"),
            ("Con .txt", "_Con .txt"),
        ] {
            assert_eq!(make_safe(name.as_bytes(), |_| false), safe);
        }
        assert_eq!(make_safe(b"\xff\xfe.txt", |_| false), "__.txt");
    }

    #[test]
    fn safe_names_are_cut_before_the_extension_and_between_characters() {
        let safe = make_safe(format!("{}.docx", "õ".repeat(300)).as_bytes(), |_| false);
        assert_eq!(safe, format!("{}.docx", "õ".repeat(125)));
        // The cut uncovers a space, and a device.
        let cut = make_safe(format!("{} b", "a".repeat(254)).as_bytes(), |_| false);
        assert_eq!(cut, format!("{}_", "a".repeat(254)));
        let cut = make_safe(format!("con{}x.txt", " ".repeat(300)).as_bytes(), |_| false);
        assert_eq!(cut, format!("_con{}.txt", " ".repeat(247)));
    }

    #[test]
    fn safe_names_are_unique() {
        let mut taken = NameSet::default();
        let mut safe = |name: &str| {
            let safe = make_safe(name.as_bytes(), |name| taken.contains(name));
            assert!(taken.insert(&safe));
            safe
        };
        assert_eq!(safe("a:b.txt"), "a_b.txt");
        assert_eq!(safe("A_B.txt"), "A_B (2).txt");
        assert_eq!(safe("a?b.txt"), "a_b (3).txt");
        assert_eq!(safe(".profile"), ".profile");
        assert_eq!(safe(".profile"), ".profile (2)");
        let long = "n".repeat(255);
        assert_eq!(safe(&long), long);
        assert_eq!(safe(&long), format!("{} (2)", "n".repeat(251)));
    }

    #[test]
    fn names_that_some_file_system_takes_for_one_are_the_same() {
        let mut names = NameSet::default();
        assert!(names.insert("Õä.txt"));
        for same in ["Õä.txt", "õÄ.TXT", "O\u{303}a\u{308}.txt"] {
            assert!(names.contains(same));
            assert!(!names.insert(same));
        }
        assert!(names.insert("Oa.txt"));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn names_are_shown_without_what_could_harm_a_terminal() {
        assert_eq!(escaped("Jõgeva's \"x\" Jo\u{303}.txt".as_bytes()), "Jõgeva's \\\"x\\\" Jo\u{303}.txt");
        assert_eq!(escaped("a\x1b[2J\u{202e}\u{9b}\n".as_bytes()), "a\\u{1b}[2J\\u{202e}\\u{9b}\\n");
        assert_eq!(escaped(b"\xff\\'"), "\\xff\\\\'");
        assert_eq!(escaped(&[b'x'; 5000]).chars().count(), 301);
    }
}
