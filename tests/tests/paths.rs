//! The vectors on every path from a container to a key: the core with the key in software, the firmware in the same process, the firmware behind
//! vpcd and pcscd, the firmware as a USB device behind libccid and pcscd. All four must come to the same end.

use std::fs;
use std::path::Path;
use std::process::Command;

use cdoc2_tests::desk::Desk;
use cdoc2_tests::outcome::{self, for_every};
use cdoc2_tests::program::cdoc2;
use cdoc2_tests::token::PIN1;
use cdoc2_tests::vectors::{Case, Unlock, cases, vectors};

/// A key of the vectors, and how a token comes to it.
struct Key {
    file: &'static str,
    option: &'static str,
}

/// ECDH on the card, the rest on the host.
const AUTHENTICATION_KEY: Key = Key { file: "keys/ec384a.pem", option: "--auth-key" };

/// Decapsulation on the card.
const CDOC2_KEYS: [Key; 3] = [
    Key { file: "keys/ec384b.pem", option: "--cdoc2-key-file" },
    Key { file: "keys/ec256.pem", option: "--cdoc2-key-file" },
    Key { file: "keys/ec521.pem", option: "--cdoc2-key-file" },
];

impl Key {
    fn cases(&self) -> Vec<Case> {
        let uses = |case: &Case| matches!(&case.unlock, Unlock::PrivateKey { key_file } if key_file == Path::new(self.file));
        let cases: Vec<Case> = cases().into_iter().filter(uses).collect();
        assert!(!cases.is_empty(), "no vector for {}", self.file);
        cases
    }

    /// On every path. A token does one thing at a time, but its users need not know.
    fn check(&self) {
        let file = vectors().join(self.file);
        let options = [self.option, file.to_str().unwrap()];
        let (vpcd, usb) = (Desk::over_vpcd(&options), Desk::over_usb(&options));
        let pin = vpcd.path("pin");
        fs::write(&pin, PIN1).unwrap();
        let with_token = |mut command: Command, reader: &str| {
            command.args(["decrypt", "--token", "--reader", reader, "--pin-file"]).arg(&pin);
            command
        };
        // A state file is one token, and a token that is in a reader is in no other.
        let in_process = cdoc2_tests::token::Token::new(&vpcd.path("in-process"), &options);
        let cases = self.cases();
        for case in &cases {
            let sim = format!("sim:{}", in_process.state().display());
            one_by_one(case, with_token(Command::new(cdoc2()), &sim));
        }
        for_every(&cases, |case| {
            let mut with_key = Command::new(cdoc2());
            with_key.arg("decrypt").arg("--key").arg(&file);
            outcome::check(case, with_key).map_err(|error| format!("core: {error}"))?;
            for desk in [&vpcd, &usb] {
                let command = with_token(desk.client(cdoc2()), desk.reader());
                outcome::check(case, command).map_err(|error| format!("{}: {error}", desk.reader()))?;
            }
            Ok(())
        });
    }
}

fn one_by_one(case: &Case, command: Command) {
    outcome::check(case, command).unwrap_or_else(|error| panic!("in process: {}: {error}", case.id));
}

#[test]
fn authentication_key_opens_the_same_on_every_path() {
    AUTHENTICATION_KEY.check();
}

#[test]
fn cdoc2_keys_open_the_same_on_every_path() {
    for key in &CDOC2_KEYS {
        key.check();
    }
}
