//! `cdoc2 keygen`: key pairs, and symmetric secrets.

use std::path::Path;

use cdoc2::keys::{self, PrivateKey};
use rustix::fs::Mode;
use zeroize::Zeroizing;

use crate::args::{Curve, KeyType, Keygen};
use crate::exit::{Code, Failure, Result};
use crate::output::{self, Destination, Output};
use crate::report::Report;
use crate::secret_source::{self, Secret, SecretSource};
use crate::{secret_file, stdin, text};

pub(crate) fn run(args: &Keygen, report: Report) -> Result<()> {
    check_combination(args)?;
    let destination = Destination::of(Some(&args.output), args.force)?;
    let public = args.pubkey.as_deref().map(|path| Destination::of(Some(path), args.force)).transpose()?;
    if args.pubkey.as_deref() == Some(&args.output) {
        return Err(Failure::usage("the two halves of a key pair need a file each"));
    }
    let Some(key_type) = key_type(args) else {
        let mut secret = Zeroizing::new([0; secret_file::LEN]);
        getrandom::fill(secret.as_mut_slice()).map_err(|_| Failure::new(Code::Io, "the system gives no random octets"))?;
        return write_private(&destination, secret_file::encode(&*secret).as_bytes());
    };
    let passphrase = if args.encrypt { Some(passphrase(args, &report)?) } else { None };
    let failed = |error: keys::Error| {
        Failure::new(if matches!(error, keys::Error::Random) { Code::Io } else { Code::Usage }, error.to_string())
    };
    let key = PrivateKey::generate(key_type).map_err(failed)?;
    let pem = key.to_pem(passphrase.as_deref().map(Vec::as_slice)).map_err(failed)?;
    let public_pem = key.public_key().to_pem().map_err(failed)?;

    // The private key comes last: it never stands there without its public half.
    match &public {
        Some(public) => write(public, public_pem.as_bytes())?,
        None if stdin::is_meant(&args.output) => {}
        None => output::print(public_pem.as_bytes())?,
    }
    write_private(&destination, pem.as_bytes())?;
    let whose = args.pubkey.as_deref().unwrap_or(Path::new("PATH"));
    report.detail(format!("others encrypt to it with: -r pubkey:{}", text::path(whose)));
    Ok(())
}

fn check_combination(args: &Keygen) -> Result<()> {
    let is_secret = args.key_type == KeyType::Secret;
    let source = SecretSource::key_password(&args.key_password, true);
    let wrong = if args.curve.is_some() && args.key_type != KeyType::Ec {
        "--curve is for --type ec"
    } else if args.bits.is_some() && args.key_type != KeyType::Rsa {
        "--bits is for --type rsa"
    } else if is_secret && args.pubkey.is_some() {
        "a symmetric secret has no public half for --pubkey"
    } else if is_secret && args.encrypt {
        "a symmetric secret is not encrypted; keep its file safe"
    } else if source.is_named() && !args.encrypt {
        "a passphrase is given, but not --encrypt"
    } else {
        return Ok(());
    };
    Err(Failure::usage(wrong))
}

/// `None` for a symmetric secret.
fn key_type(args: &Keygen) -> Option<keys::KeyType> {
    use cdoc2::core::Curve as Core;
    match args.key_type {
        KeyType::Secret => None,
        KeyType::Rsa => Some(args.bits.map_or(keys::KeyType::RSA, |bits| keys::KeyType::Rsa { bits })),
        KeyType::Ec => Some(keys::KeyType::Ec(match args.curve {
            None | Some(Curve::Secp384r1) => Core::Secp384r1,
            Some(Curve::Secp256r1) => Core::Secp256r1,
            Some(Curve::Secp521r1) => Core::Secp521r1,
        })),
    }
}

fn passphrase(args: &Keygen, report: &Report) -> Result<Secret> {
    const EMPTY: &str = "The passphrase is empty";
    let source = SecretSource::key_password(&args.key_password, report.batch);
    let check = |passphrase: &[u8]| if passphrase.is_empty() { Err(EMPTY.to_owned()) } else { Ok(()) };
    match source.read()? {
        Some(passphrase) => check(&passphrase).map(|()| passphrase).map_err(Failure::usage),
        None => secret_source::ask_new(&source, &format!("New passphrase of {}", text::path(&args.output)), check),
    }
}

/// Writes a file that only its owner can read.
fn write_private(destination: &Destination, octets: &[u8]) -> Result<()> {
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let created = destination.create();
    rustix::process::umask(before);
    finish(created?, destination, octets)
}

fn write(destination: &Destination, octets: &[u8]) -> Result<()> {
    finish(destination.create()?, destination, octets)
}

fn finish(mut output: Output, destination: &Destination, octets: &[u8]) -> Result<()> {
    use std::io::Write as _;
    output.write_all(octets).map_err(|error| Failure::new(Code::Io, format!("{}: {error}", destination.name())))?;
    output.finish()
}
