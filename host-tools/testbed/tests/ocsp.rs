//! The responder, as OpenSSL's client sees it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::ocsp::{Mode, Standing};
use cdoc2_testbed::{Algorithm, Holder, Identity, Options, PersonalCode, Testbed};

struct Asked {
    testbed: Testbed,
    identity: Identity,
}

impl Asked {
    fn new() -> Self {
        let testbed = Testbed::start(Options { ldap: false, ..Options::default() }).unwrap();
        let holder = Holder::new("ÕUN,ŽANNA", PersonalCode::parse("60001019906").unwrap()).unwrap();
        let identity = testbed.authority().identity(&content::person(&holder, Document::IdCard).unwrap(), Algorithm::P384).unwrap();
        Self { testbed, identity }
    }

    /// What `openssl ocsp` prints about `certificate`, both streams.
    fn about(&self, certificate: &str, more: &[&str]) -> String {
        fs::write(self.testbed.folder().join("asked.pem"), certificate).unwrap();
        let url = self.testbed.ocsp().url();
        let mut command = Command::new("openssl");
        command.args(["ocsp", "-issuer", "intermediate.pem", "-cert", "asked.pem", "-CAfile", "root.pem", "-url", &url]).args(more);
        let output = command.current_dir(self.testbed.folder()).output().unwrap();
        [output.stdout, output.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned()).concat()
    }

    fn answer(&self) -> String {
        self.about(&self.identity.certificate_pem(), &["-timeout", "5"])
    }
}

#[test]
fn standing_is_set_by_serial() {
    let asked = Asked::new();
    let ocsp = asked.testbed.ocsp();
    let good = asked.answer();
    assert!(good.contains("Response verify OK") && good.contains("asked.pem: good"), "{good}");
    assert!(!good.contains("WARNING: no nonce"), "{good}");
    ocsp.set(&asked.identity.serial(), Standing::Revoked);
    let revoked = asked.answer();
    assert!(revoked.contains("Response verify OK") && revoked.contains("asked.pem: revoked"), "{revoked}");
    assert!(revoked.contains("keyCompromise"), "{revoked}");
    ocsp.set(&asked.identity.serial(), Standing::Unknown);
    assert!(asked.answer().contains("asked.pem: unknown"));
    ocsp.set(&asked.identity.serial(), Standing::Good);
    assert!(asked.answer().contains("asked.pem: good"));
    assert_eq!(ocsp.requests(), 4);
}

#[test]
fn hash_algorithm_is_the_clients_choice() {
    let asked = Asked::new();
    let pem = asked.identity.certificate_pem();
    for hash in ["-sha1", "-sha256", "-sha384"] {
        fs::write(asked.testbed.folder().join("asked.pem"), &pem).unwrap();
        let url = asked.testbed.ocsp().url();
        let arguments = ["ocsp", hash, "-issuer", "intermediate.pem", "-cert", "asked.pem", "-CAfile", "root.pem", "-url", &url];
        let output = Command::new("openssl").args(arguments).current_dir(asked.testbed.folder()).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("asked.pem: good"), "{hash}: {output:?}");
    }
}

#[test]
fn every_way_to_misbehave() {
    let asked = Asked::new();
    for (mode, expected) in [
        (Mode::TryLater, "Responder Error: trylater"),
        (Mode::WrongSigner, "Response Verify Failure"),
        (Mode::Expired, "status expired"),
        (Mode::NoNonce, "WARNING: no nonce in response"),
        (Mode::WrongNonce, "Nonce Verify error"),
        (Mode::Garbage, "Error querying OCSP responder"),
        (Mode::Down, "Error querying OCSP responder"),
    ] {
        asked.testbed.ocsp().set_mode(mode);
        let text = asked.answer();
        assert!(text.contains(expected), "{mode:?}: {text}");
    }
    asked.testbed.ocsp().set_mode(Mode::Slow(Duration::from_secs(60)));
    let text = asked.about(&asked.identity.certificate_pem(), &["-timeout", "1"]);
    assert!(text.contains("Error querying OCSP responder"), "{text}");
    asked.testbed.ocsp().set_mode(Mode::Normal);
    assert!(asked.answer().contains("asked.pem: good"));
}

/// As a person tells it, with curl: status and text.
fn curl(arguments: &[&str]) -> (String, String) {
    let mut command = Command::new("curl");
    let output =
        command.args(["-q", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}"]).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (text, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), text.to_owned())
}

#[test]
fn everything_can_be_changed_from_outside() {
    let asked = Asked::new();
    let url = asked.testbed.control().url();
    let (status, usage) = curl(&[&url]);
    assert!(status == "200" && usage.starts_with("the OCSP responder is \"normal\"\n"), "{usage}");
    let names = |begin: &str| -> Vec<String> {
        let lines = usage.split_once(begin).unwrap().1.lines().skip(1).take_while(|line| !line.is_empty());
        lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    let (modes, standings) = (names("POST /ocsp/MODE"), names("POST /ocsp/CODE/STANDING"));
    assert_eq!((modes.len(), standings.len()), (9, 3), "{usage}");
    for mode in modes {
        assert_eq!(curl(&["-X", "POST", &format!("{url}/ocsp/{mode}")]).0, "200");
        assert_eq!(asked.testbed.ocsp().mode().name(), mode);
        assert!(curl(&[&url]).1.starts_with(&format!("the OCSP responder is \"{mode}\"\n")));
    }
    curl(&["-X", "POST", &format!("{url}/ocsp/normal")]);

    let code = "60001019906";
    let holder = Holder::new("ÕUN,ŽANNA", PersonalCode::parse(code).unwrap()).unwrap();
    let key = asked.testbed.software_key(&holder, Algorithm::P256).unwrap();
    let card = asked.testbed.card(&holder).unwrap();
    for standing in standings.into_iter().rev() {
        let (status, said) = curl(&["-X", "POST", &format!("{url}/ocsp/{code}/{standing}")]);
        assert!(status == "200" && said.starts_with("2 certificates"), "{said}");
        for certificate in [key.identity.certificate_pem(), cdoc2_testbed::authority::to_pem(&card.certificate)] {
            let answer = asked.about(&certificate, &[]);
            assert!(answer.contains(&format!("asked.pem: {standing}")), "{answer}");
        }
        // Nobody else's.
        assert!(asked.answer().contains("asked.pem: good"));
    }
    for wrong in ["ocsp/upside-down", "ocsp/60001019906/lost", "ocsp/38001085718/revoked", "other"] {
        assert_eq!(curl(&["-X", "POST", &format!("{url}/{wrong}")]).0, "404", "{wrong}");
    }
}

#[test]
fn good_is_said_of_expired_certificates_too() {
    let asked = Asked::new();
    let holder = Holder::new("ÕUN,ŽANNA", PersonalCode::parse("60001019906").unwrap()).unwrap();
    let content = content::expired(content::person(&holder, Document::IdCard).unwrap());
    let expired = asked.testbed.authority().identity(&content, Algorithm::P384).unwrap();
    assert!(asked.about(&expired.certificate_pem(), &[]).contains("asked.pem: good"));
}

#[test]
fn strangers_are_sent_away() {
    let asked = Asked::new();
    let root = asked.testbed.authority().root_pem();
    fs::write(asked.testbed.folder().join("intermediate.pem"), root).unwrap();
    let text = asked.answer();
    assert!(text.contains("Responder Error: unauthorized"), "{text}");
}
