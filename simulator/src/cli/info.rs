//! `info` and `cert`: looking at a token.

use std::io::{self, Write};
use std::path::Path;

use token_fw::card::{Card, Fault, PERSONAL_DATA_FIELDS};
use token_proto::{KeyRef, PinRef};

use super::{Cert, Error, Info, ProfileArg, copied_card};
use crate::ca;
use crate::hw::Board;

pub(super) fn info(args: &Info, out: &mut impl Write) -> Result<(), Error> {
    let path = &args.state.state;
    let text = describe(&mut copied_card(path)?)
        .map_err(|fault| Error::failed(format!("{}: the token cannot be read: {fault:?}", path.display())))?;
    print(out, &text)
}

pub(super) fn cert(args: &Cert, out: &mut impl Write) -> Result<(), Error> {
    print(out, &ca::to_pem(&certificate(&args.state.state, args.key.key())?))
}

/// The certificate of the key `key` on the card in the state file at `path`, in DER. The card may be running.
///
/// # Errors
/// The file is not there, no card's, or that of a card without this certificate.
pub fn certificate(path: &Path, key: KeyRef) -> Result<Vec<u8>, Error> {
    let mut card = copied_card(path)?;
    if !card.is_personalised() {
        return Err(Error::failed(format!("{}: the token is blank", path.display())));
    }
    let failed = |fault: Fault| Error::failed(format!("{}: the token cannot be read: {fault:?}", path.display()));
    if card.key(key).is_none() {
        return Err(Error::failed(format!("{}: the token has no {} key", path.display(), name(key))));
    }
    match card.certificate(key).map_err(failed)? {
        [] => Err(Error::failed(format!("{}: the token has no certificate for its {} key", path.display(), name(key)))),
        der => Ok(der.to_vec()),
    }
}

fn print(out: &mut impl Write, text: &str) -> Result<(), Error> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever closed the pipe wants no more.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::failed(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

const fn name(key: KeyRef) -> &'static str {
    match key {
        KeyRef::Authentication => "authentication",
        KeyRef::Signature => "signature",
        KeyRef::Cdoc2 => "CDOC2",
    }
}

fn describe(card: &mut Card<Board>) -> Result<String, Fault> {
    if !card.is_personalised() {
        return Ok("blank\n".into());
    }
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| lines.push(format!("{name:<20}{value}\n"));
    line("profile", ProfileArg::name(card.profile()));
    line("document number", &shown(card.document_number()?));
    for (field, name) in
        (1..=PERSONAL_DATA_FIELDS).zip(["surname", "given names", "sex", "citizenship", "birth", "personal code", "", "expiry"])
    {
        if !name.is_empty() {
            line(name, &shown(card.personal_data(field)?));
        }
    }
    for key in KeyRef::ALL {
        let Some(info) = card.key(key) else { continue };
        let certificate = if card.certificate(key)?.is_empty() { ", no certificate" } else { "" };
        let touch = if info.touch { ", wants a touch" } else { "" };
        line(&format!("{} key", name(key)), &format!("{}{touch}{certificate}", info.curve.name()));
    }
    for (pin, name) in PinRef::ALL.into_iter().zip(["PIN1", "PIN2", "PUK"]) {
        let left = card.tries(pin)?.left;
        line(name, &if left == 0 { "blocked".into() } else { format!("tries left: {left}") });
    }
    Ok(lines.concat())
}

/// Text from the card, fit for a terminal.
fn shown(octets: &[u8]) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    String::from_utf8_lossy(octets).chars().map(escaped).collect()
}
