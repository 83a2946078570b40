//! `cdoc2 testbed`: everything that CDOC2 needs around it, on one machine.

pub(crate) mod args;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use cdoc2_testbed::content::Document;
use cdoc2_testbed::directory::{Tree, Use};
use cdoc2_testbed::phone::people;
use cdoc2_testbed::{Algorithm, Error, Holder, KeyFiles, Options, PersonalCode, Testbed, card};

use crate::exit::{Code, Failure, Result};
use crate::{signals, text};
use args::{Command, Up};

/// Whom everybody meets first: the person of the commands that are suggested.
const FIRST: &str = "60001017727";

pub(crate) fn run(args: &args::Testbed) -> Result<()> {
    match &args.command {
        Command::Up(args) => up(args),
    }
}

fn up(args: &Up) -> Result<()> {
    // From here on a signal does not end the program before the test bed is gone.
    let ended = signals::divert();
    let options = Options { folder: args.folder.clone(), ldap: !args.no_ldap, ..Options::default() };
    let testbed = Testbed::start(options).map_err(failure)?;
    // What is changed at the responder is to show at the servers at once, and not when they have forgotten what it said before.
    testbed.ocsp().set_fresh_for(Duration::from_secs(1));
    let people = populate(&testbed).map_err(failure)?;
    let with_phones = people::open_all(&testbed).map_err(failure)?;
    print(&describe(&testbed, &people, &with_phones))?;
    // The sender is never dropped; if it were, there would be nothing to wait for.
    let _ = ended.recv();
    Ok(())
}

fn failure(error: Error) -> Failure {
    let code = match error {
        Error::NotEmpty(_) => Code::Usage,
        _ => Code::Io,
    };
    Failure::new(code, error.to_string())
}

/// Somebody who can be encrypted to.
struct Person {
    code: &'static str,
    name: &'static str,
    /// What the key is on.
    key: &'static str,
    /// How it decrypts.
    options: String,
}

fn populate(testbed: &Testbed) -> std::result::Result<Vec<Person>, Error> {
    let mut people = Vec::new();
    for (code, name, tree) in [(FIRST, "MAASIKAS,MARI", Tree::Sk), ("38001085718", "JÕEORG,JAAK-KRISTJAN", Tree::Zetes)] {
        let Some(holder) = holder(name, code) else { continue };
        let card = testbed.card_in(&holder, tree)?;
        let options =
            format!("--reader sim:{}   PIN1 {}, PIN2 {}, PUK {}", text::path(&card.path), card::PIN1, card::PIN2, card::PUK);
        people.push(Person { code, name, key: "ID-card, P-384", options });
    }
    for (code, name, algorithm, key) in [
        ("60001019906", "ÕUN,ŽANNA", Algorithm::P256, "in software, P-256"),
        ("38001080079", "TAMM,JUHAN", Algorithm::Rsa, "in software, RSA"),
    ] {
        let Some(holder) = holder(name, code) else { continue };
        let files = testbed.software_key(&holder, algorithm)?;
        people.push(Person { code, name, key, options: key_options(&files) });
        // Directories hold more than can be encrypted to: a signature certificate, and a telephone's.
        if let Ok(directory) = testbed.directory() {
            let authority = testbed.authority();
            let signature = authority.identity(&cdoc2_testbed::content::signature(&holder)?, Algorithm::P384)?;
            directory.add_person(Tree::Sk, &holder, Document::IdCard, Use::Signature, &[signature.certificate()])?;
            let telephone = cdoc2_testbed::content::person(&holder, Document::MobileId)?;
            let telephone = authority.identity(&telephone, Algorithm::P256)?;
            directory.add_person(Tree::Sk, &holder, Document::MobileId, Use::Authentication, &[telephone.certificate()])?;
        }
    }
    let (code, name) = ("12345678", "Näidis OÜ");
    let files = testbed.organisation_key(name, code, Algorithm::Rsa)?;
    people.push(Person { code, name, key: "in software, RSA", options: key_options(&files) });
    Ok(people)
}

/// The names and codes here are sound: a test says so.
fn holder(name: &str, code: &str) -> Option<Holder> {
    Holder::new(name, PersonalCode::parse(code).ok()?).ok()
}

/// The certificate is named too: a capsule server wants to see one.
fn key_options(files: &KeyFiles) -> String {
    format!("--key {} --cert {}", text::path(&files.key), text::path(&files.certificate))
}

fn describe(testbed: &Testbed, people: &[Person], with_phones: &[people::Person]) -> String {
    [places(testbed), everybody(people, with_phones), suggestions(testbed, people, with_phones), "\nready\n".into()].concat()
}

/// What is where.
fn places(testbed: &Testbed) -> String {
    let directory = match testbed.directory() {
        Ok(directory) => format!("{}, {} with StartTLS", directory.ldaps_url(), directory.ldap_url()),
        Err(reason) => format!("none: {reason}"),
    };
    let server = testbed.server();
    let operations = |address| format!("http://{address} for operators: /healthz, /readyz, /metrics");
    let mut places = vec![
        ("configuration", text::path(testbed.config()).to_string()),
        ("authority", text::path(&testbed.folder().join("root.pem")).to_string()),
        ("OCSP responder", testbed.ocsp().url()),
        ("control", format!("{}: what the responder says; curl shows how to change it", testbed.control().url())),
        ("directory", directory),
        ("capsule server", format!("{} for senders", server.sender_url())),
        ("", format!("{} for recipients", server.recipient_url())),
        ("", operations(server.addresses().operations)),
    ];
    for server in testbed.shares_servers() {
        places.push(("shares server", format!("{} of {}", server.url(), server.owner())));
        places.push(("", operations(server.addresses().operations)));
    }
    places.extend([
        ("Smart-ID", testbed.smart_id().url()),
        ("Mobile-ID", testbed.mobile_id().url()),
        ("policy service", testbed.policy().url()),
    ]);
    places.into_iter().map(|(what, place)| format!("{what:<16}{place}\n")).collect()
}

/// Who is there.
fn everybody(people: &[Person], with_phones: &[people::Person]) -> String {
    let mut lines = String::from("\npeople\n");
    for Person { code, name, key, options } in people {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "  {code:<12} {name:<22} {key:<20} {options}");
    }
    for (service, has_number) in [("Smart-ID", false), ("Mobile-ID", true)] {
        let _ = writeln!(lines, "\npeople who sign in by {service}, and what happens");
        for people::Person { code, name, phone_number, behaviour } in with_phones {
            let _ = match phone_number {
                Some(number) if has_number => writeln!(lines, "  {code:<12} {name:<22} {number:<20} {behaviour}"),
                None if !has_number => writeln!(lines, "  {code:<12} {name:<22} {behaviour}"),
                _ => continue,
            };
        }
    }
    lines
}

/// What can be typed next.
fn suggestions(testbed: &Testbed, people: &[Person], with_phones: &[people::Person]) -> String {
    let config = text::path(testbed.config());
    let recipient = match testbed.directory() {
        Ok(_) => format!("id:{FIRST}"),
        Err(_) => format!("token --reader sim:{}", text::path(&testbed.folder().join(format!("{FIRST}.token")))),
    };
    let card = people.iter().find(|person| person.code == FIRST).map_or("", |person| &person.options);
    let card = card.split("   ").next().unwrap_or_default();
    let phone = with_phones.iter().filter(|person| person.code == FIRST).find_map(|person| person.phone_number).unwrap_or_default();
    format!(
        "
next, in another terminal
  export CDOC2_CONFIG={config}
  cdoc2 encrypt -o letter.cdoc2 -r {recipient} FILE
  cdoc2 decrypt letter.cdoc2 -o opened {card}
  cdoc2 encrypt -o shared.cdoc2 -r share:{FIRST} FILE
  cdoc2 decrypt shared.cdoc2 -o by-smart-id --auth smart-id
  cdoc2 decrypt shared.cdoc2 -o by-mobile-id --auth mobile-id --phone {phone}
  cdoc2 decrypt shared.cdoc2 -o by-id-card --auth id-card {card}
"
    )
}

/// Not by `output`, which ends the program when nobody reads: the folder would stay.
fn print(lines: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(Code::Io, format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_there_and_nobody_is_left() {
        let testbed = Testbed::start(Options::default()).unwrap();
        let people = populate(&testbed).unwrap();
        let with_phones = people::open_all(&testbed).unwrap();
        assert_eq!((people.len(), with_phones.len()), (5, 26));
        let text = describe(&testbed, &people, &with_phones);
        assert!(text.ends_with("\nready\n"), "{text}");
        let folder = testbed.folder().to_owned();
        drop(testbed);
        assert!(!folder.exists());
    }
}
