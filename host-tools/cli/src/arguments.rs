//! From the process's arguments to [`Cli`], without ever repeating what may be a secret.
//!
//! Arguments are readable by everybody on the machine and stay in the shell's history, so no secret belongs there. Who types one all the
//! same is told why not; the secret is not printed a second time, into a log perhaps.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::Cli;
use crate::exit::{Code, Failure};

const WHERE_INSTEAD: &str = "leave the value out and be asked for it, or use --password-file PATH, --password-fd N or CDOC2_PASSWORD \
                             (for a private key --key-password-file, --key-password-fd or CDOC2_KEY_PASSWORD; for a card \
                             --pin-file, --pin-fd or CDOC2_PIN)";

/// Why there is no [`Cli`].
pub(crate) enum Refusal {
    /// Help or the version was asked for, or the grammar is broken: clap prints it.
    Clap(clap::Error),
    /// A secret, or what may be one, stands among the arguments.
    Secret(Failure),
}

/// Parses the arguments, the first of which is the program's name.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, Refusal> {
    if let Some(option) = arguments.iter().skip(1).take_while(|argument| *argument != "--").find_map(option_with_secret) {
        return Err(Refusal::Secret(secret(&format!("{option} takes no value: passwords do not belong on the command line"))));
    }
    Cli::try_parse_from(arguments).map_err(|error| {
        let is_pin = |argument: &&OsString| ["--pin", "--new-pin", "--puk"].iter().any(|option| argument == option);
        if let Some(option) = arguments.iter().find(is_pin) {
            return Refusal::Secret(secret(&format!(
                "there is no option {}: PINs do not belong on the command line",
                option.display()
            )));
        }
        let takes_password = arguments.iter().any(|argument| argument == "--password" || argument == "-p");
        if takes_password && error.kind() == ErrorKind::UnknownArgument {
            return Refusal::Secret(secret("there is an argument too many, and --password takes no value"));
        }
        Refusal::Clap(error)
    })
}

fn secret(message: &str) -> Failure {
    Failure::new(Code::Usage, message).hint(WHERE_INSTEAD)
}

/// The option, if `argument` gives a value to one that stands for a secret.
fn option_with_secret(argument: &OsString) -> Option<&'static str> {
    const OPTIONS: [&str; 7] = ["--password", "--key-password", "--new-password", "--passphrase", "--pin", "--new-pin", "--puk"];
    let octets = argument.as_bytes();
    let long = OPTIONS.into_iter().find(|option| octets.strip_prefix(option.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")));
    // Other short options may follow -p; what is none of them may be a password.
    let short = octets.strip_prefix(b"-p").is_some_and(|rest| rest.iter().any(|octet| !b"fqv".contains(octet)));
    long.or(short.then_some("-p"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &str) -> String {
        let arguments: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
        match parse(&arguments) {
            Err(Refusal::Secret(failure)) => failure.text(),
            Err(Refusal::Clap(error)) => error.to_string(),
            Ok(cli) => panic!("{cli:?}"),
        }
    }

    #[test]
    fn secrets_are_refused_and_not_repeated() {
        for arguments in [
            "cdoc2 decrypt in.cdoc2 -o out --password=Hunter2",
            "cdoc2 decrypt in.cdoc2 -o out -pHunter2",
            "cdoc2 decrypt in.cdoc2 -o out -p=Hunter2",
            "cdoc2 decrypt in.cdoc2 -o out --password Hunter2",
            "cdoc2 decrypt in.cdoc2 -o out -p Hunter2",
            "cdoc2 decrypt in.cdoc2 -o out --key k.pem --key-password=Hunter2",
            "cdoc2 reencrypt in.cdoc2 -o out --password --new-password=Hunter2",
            "cdoc2 decrypt in.cdoc2 -o out --token --pin=Hunter2",
            "cdoc2 decrypt in.cdoc2 -o out --token --pin Hunter2",
            "cdoc2 token unblock --puk Hunter2",
        ] {
            let text = refusal(arguments);
            assert!(!text.contains("unter2"), "{text}");
            assert!(text.contains("--password-file"), "{text}");
        }
    }

    #[test]
    fn options_that_name_a_file_are_none() {
        for arguments in [
            "cdoc2 decrypt in.cdoc2 -o out --password --password-file=pw.txt",
            "cdoc2 decrypt in.cdoc2 -o out -pf --password-fd=3",
            "cdoc2 encrypt -o out.cdoc2 -r password -- --password=odd-file-name",
        ] {
            let arguments: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
            assert!(parse(&arguments).is_ok(), "{arguments:?}");
        }
    }
}
