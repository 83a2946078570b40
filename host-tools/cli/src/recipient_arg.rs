//! RECIPIENT as it is typed: `cert:PATH`, `pubkey:PATH`, `password[:LABEL]`, `secret:LABEL:PATH`, `token[:READER]`, `id:CODE` or `share:PERSON`.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use cdoc2_client::person_code::Code as PersonCode;
use cdoc2_client::shares_server::RecipientId;

use crate::args::Recipients;
use crate::exit::{Code, Failure, Result};
use crate::{person, stdin, text};

/// Octets of the longest file of recipients.
const MAX_LIST_LEN: u64 = 16 << 20;

/// A recipient, and where it was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RecipientArg {
    pub(crate) kind: RecipientKind,
    /// "recipient 2", "friends.txt, line 3".
    pub(crate) origin: String,
}

/// What is known of a recipient before any file is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecipientKind {
    Certificate(PathBuf),
    PublicKey(PathBuf),
    Password {
        label: Option<String>,
    },
    Secret {
        label: String,
        path: PathBuf,
    },
    Token {
        reader: Option<OsString>,
    },
    /// The certificates that the directories have of this person or organisation.
    Id(PersonCode),
    /// Whoever signs in to shares servers as this person.
    Share(SignsIn),
}

/// A person who signs in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SignsIn {
    /// By what they are called.
    As(RecipientId),
    /// The one with this code, if the directories know a certificate by which they can.
    Listed(PersonCode),
    /// The one whose certificate this is.
    Certified(PathBuf),
}

impl RecipientKind {
    /// Whether a directory has to be asked.
    pub(crate) fn is_looked_up(&self) -> bool {
        matches!(self, Self::Id(_) | Self::Share(SignsIn::Listed(_)))
    }

    /// Whether it takes shares servers.
    pub(crate) fn is_share(&self) -> bool {
        matches!(self, Self::Share(_))
    }
}

/// All recipients of the command line, those in files included. `token` adds the card that is connected.
pub(crate) fn all(args: &Recipients, token: bool) -> Result<Vec<RecipientArg>> {
    let mut recipients = Vec::new();
    if token {
        recipients.push(RecipientArg { kind: RecipientKind::Token { reader: None }, origin: "--token".to_owned() });
    }
    for (index, argument) in (1..).zip(&args.recipients) {
        recipients.push(parse(argument, format!("recipient {index}"))?);
    }
    for path in &args.recipients_files {
        let mut octets = Vec::new();
        let mut list = stdin::open(path, "the list of recipients")?.take(MAX_LIST_LEN + 1);
        list.read_to_end(&mut octets).map_err(|error| Failure::io(path, &error))?;
        if octets.len() as u64 > MAX_LIST_LEN {
            return Err(Failure::about(path, Code::Usage, "too long for a list of recipients"));
        }
        for (number, line) in (1..).zip(octets.split(|octet| *octet == b'\n')) {
            let line = line.trim_ascii();
            if !line.is_empty() && !line.starts_with(b"#") {
                recipients.push(parse(OsStr::from_bytes(line), format!("{}, line {number}", text::path(path)))?);
            }
        }
    }
    if recipients.is_empty() {
        return Err(Failure::usage("there is no recipient").hint(
            "say with -r who can open the container: cert:PATH, pubkey:PATH, password[:LABEL], secret:LABEL:PATH, id:CODE, share:CODE or token",
        ));
    }
    Ok(recipients)
}

fn parse(argument: &OsStr, origin: String) -> Result<RecipientArg> {
    let wrong = |message: &str, hint: &str| {
        let failure = Failure::usage(format!("{origin}: {message}"));
        if hint.is_empty() { failure } else { failure.hint(hint) }
    };
    let octets = argument.as_bytes();
    let (scheme, rest) = split_at_colon(octets);
    let kind = match (scheme, rest) {
        (b"cert", Some(path)) => RecipientKind::Certificate(to_path(path)),
        (b"pubkey", Some(path)) => RecipientKind::PublicKey(to_path(path)),
        (b"password", None) => RecipientKind::Password { label: None },
        (b"password", Some(label)) => {
            let label = to_label(label).ok_or_else(|| wrong("the label of a password is one line of UTF-8", ""))?;
            RecipientKind::Password { label: Some(label) }
        }
        (b"secret", Some(rest)) => match split_at_colon(rest) {
            (label, Some(path)) if !path.is_empty() => {
                let label = to_label(label).ok_or_else(|| wrong("the label of a secret is one line of UTF-8", ""))?;
                RecipientKind::Secret { label, path: to_path(path) }
            }
            _ => return Err(wrong("a label and a file are wanted", "write secret:LABEL:PATH")),
        },
        (b"token", None) => RecipientKind::Token { reader: None },
        (b"token", Some(reader)) if !reader.is_empty() => {
            RecipientKind::Token { reader: Some(OsStr::from_bytes(reader).to_owned()) }
        }
        (b"id", Some(code)) => RecipientKind::Id(to_code(code).map_err(|why| wrong(&why, ID_FORM))?),
        (b"share", Some(rest)) => RecipientKind::Share(to_person(rest).map_err(|why| wrong(&why, &share_form()))?),
        _ => return Err(wrong("not a recipient", &hint(argument))),
    };
    match &kind {
        RecipientKind::Certificate(path) | RecipientKind::PublicKey(path) | RecipientKind::Share(SignsIn::Certified(path))
            if path.as_os_str().is_empty() =>
        {
            Err(wrong("the name of a file is wanted after the colon", ""))
        }
        _ => Ok(RecipientArg { kind, origin }),
    }
}

/// What is before the first colon, and what is after it if there is one.
fn split_at_colon(octets: &[u8]) -> (&[u8], Option<&[u8]>) {
    match octets.iter().position(|octet| *octet == b':') {
        Some(at) => (&octets[..at], Some(&octets[at + 1..])),
        None => (octets, None),
    }
}

fn to_path(octets: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from(OsStr::from_bytes(octets)))
}

/// A label that a person can be shown: text without control characters, and some of it.
fn to_label(octets: &[u8]) -> Option<String> {
    let label = std::str::from_utf8(octets).ok()?;
    (!label.trim().is_empty() && !label.contains(char::is_control)).then(|| label.to_owned())
}

/// What to type instead. Nothing of `argument` is repeated that may be a secret: libcdoc's tool takes passwords here.
fn hint(argument: &OsStr) -> String {
    const FORMS: &str = "write cert:PATH, pubkey:PATH, password[:LABEL], secret:LABEL:PATH, id:CODE, share:CODE or token";
    let octets = argument.as_bytes();
    let (scheme, rest) = split_at_colon(octets);
    if Path::new(argument).is_file() {
        let shown = text::shown(octets);
        return format!("write cert:{shown} if that file is a certificate, pubkey:{shown} if it is a public key");
    }
    if to_code(octets).is_ok() {
        return "a code alone may be anything; write id: before it for whoever has a card, share: for whoever signs in by Smart-ID or Mobile-ID".to_owned();
    }
    match (scheme, rest) {
        (b"pw" | b"pass" | b"passphrase", _) => "write password:LABEL; the password itself is asked for".to_owned(),
        (b"key", Some(_)) => "a private key opens containers; write pubkey:PATH with its public half".to_owned(),
        (b"p12", Some(_)) => "a PKCS#12 file opens containers; write cert:PATH with its certificate".to_owned(),
        (b"cert" | b"pubkey" | b"secret", None) => format!("a colon and a file are missing: {FORMS}"),
        (b"id" | b"share", None) => format!("a colon and a code are missing: {FORMS}"),
        _ if octets.starts_with(b"age1") => "that is a recipient of age, which CDOC2 does not know".to_owned(),
        _ => FORMS.to_owned(),
    }
}

/// Where a code is wrong.
const ID_FORM: &str = "write id: and a personal code of 11 digits or a registry code of 8, perhaps with PNOEE- or NTREE- before it";

fn share_form() -> String {
    format!(
        "write share: and {}; share:id:CODE looks the person up in the directories, share:cert:PATH reads a certificate",
        person::FORM
    )
}

/// What stands after `share:`.
fn to_person(octets: &[u8]) -> std::result::Result<SignsIn, String> {
    match split_at_colon(octets) {
        (b"id", Some(code)) => match to_code(code)? {
            code @ PersonCode::Person(_) => Ok(SignsIn::Listed(code)),
            PersonCode::Organisation(_) => Err("the code is an organisation's, and only people sign in".to_owned()),
        },
        (b"cert", Some(path)) => Ok(SignsIn::Certified(to_path(path))),
        (_, None) => {
            let text = std::str::from_utf8(octets).map_err(|_| "the code is not text".to_owned())?;
            person::parse(text).map(SignsIn::As)
        }
        (_, Some(_)) => Err("there is a colon too many".to_owned()),
    }
}

/// A code whose check digit is right: one that is mistyped is somebody else's, and is not sent anywhere.
fn to_code(octets: &[u8]) -> std::result::Result<PersonCode, String> {
    let text = std::str::from_utf8(octets).map_err(|_| "the code is not text".to_owned())?;
    PersonCode::parse(text).map_err(|error| format!("the code is {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(argument: &[u8]) -> Result<RecipientKind, String> {
        parse(OsStr::from_bytes(argument), "recipient 1".to_owned())
            .map(|recipient| recipient.kind)
            .map_err(|failure| failure.text())
    }

    #[test]
    fn every_form() {
        assert_eq!(kind(b"cert:mari.cer"), Ok(RecipientKind::Certificate("mari.cer".into())));
        assert_eq!(kind(b"pubkey:C:/odd:name.pem"), Ok(RecipientKind::PublicKey("C:/odd:name.pem".into())));
        assert_eq!(kind(b"password"), Ok(RecipientKind::Password { label: None }));
        assert_eq!(kind(b"password:a: b"), Ok(RecipientKind::Password { label: Some("a: b".into()) }));
        assert_eq!(kind(b"id:38001085718"), Ok(RecipientKind::Id(PersonCode::parse("PNOEE-38001085718").unwrap())));
        assert_eq!(kind(b"id:NTREE-10747013"), Ok(RecipientKind::Id(PersonCode::parse("10747013").unwrap())));
        assert_eq!(kind(b"token"), Ok(RecipientKind::Token { reader: None }));
        assert_eq!(kind(b"token:sim:a"), Ok(RecipientKind::Token { reader: Some("sim:a".into()) }));
        for share in ["share:60001017727", "share:PNOEE-60001017727", "share:etsi/PNOEE-60001017727"] {
            let person = SignsIn::As("etsi/PNOEE-60001017727".parse().unwrap());
            assert_eq!(kind(share.as_bytes()), Ok(RecipientKind::Share(person)), "{share}");
        }
        let listed = SignsIn::Listed(PersonCode::parse("60001017727").unwrap());
        assert_eq!(kind(b"share:id:60001017727"), Ok(RecipientKind::Share(listed)));
        assert_eq!(kind(b"share:cert:a:b"), Ok(RecipientKind::Share(SignsIn::Certified("a:b".into()))));
        let secret = RecipientKind::Secret { label: "õ 1".into(), path: "a:b".into() };
        assert_eq!(kind("secret:õ 1:a:b".as_bytes()), Ok(secret));
    }

    #[test]
    fn paths_need_not_be_utf_8() {
        assert_eq!(kind(b"cert:\xff"), Ok(RecipientKind::Certificate(to_path(b"\xff"))));
    }

    #[test]
    fn incomplete_forms_are_refused() {
        for wrong in [
            "",
            ":",
            "cert",
            "cert:",
            "pubkey:",
            "password:",
            "password: ",
            "secret",
            "secret:",
            "secret:x",
            "secret:x:",
            "secret::x",
            "token:",
            "share",
            "share:",
            "share:cert:",
            "share:id:",
            "share:id:70000310",
            "share:70000310",
            "share:token",
            "share:a:60001017727",
        ] {
            assert!(kind(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(kind(b"password:\xff").is_err());
        assert!(kind(b"secret:a\nb:x").is_err());
    }

    #[test]
    fn common_mistakes_get_a_hint() {
        let hint = |argument: &str| kind(argument.as_bytes()).unwrap_err();
        assert!(hint(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).contains("write cert:/"));
        assert!(hint("share").contains("share:CODE"));
        for code in ["share:38001085719", "share:id:38001085719", "share:id:PNOEE-38001085719"] {
            let hint = hint(code);
            assert!(hint.contains("write share: and a personal code") && !hint.contains("8001"), "{hint}");
        }
        for code in ["38001085718", "etsi/PNOEE-38001085718", "10747013"] {
            assert!(hint(code).contains("write id:") && hint(code).contains("share:"), "{code}");
        }
        for code in ["id:", "id:38001085719", "id:3800108571", "id:PNOLV-38001085718", "id:Mari"] {
            let hint = hint(code);
            assert!(hint.contains("write id: and a personal code") && !hint.contains("8001"), "{hint}");
        }
        assert!(hint("key:mari.key").contains("pubkey:PATH"));
        assert!(hint("age1qqqq").contains("age"));
    }

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        for argument in ["password=Hunter2Hunter2", "mari:pw:Hunter2Hunter2", "pw:Hunter2Hunter2", "Hunter2Hunter2"] {
            assert!(!kind(argument.as_bytes()).unwrap_err().contains("unter"), "{argument}");
        }
    }
}
