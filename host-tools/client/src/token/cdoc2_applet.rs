//! The applet that knows CDOC2: its keys, and DECAPSULATE.

use cdoc2::core::key::{Cek, KEY_LEN};
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::{Curve, Field};
use cdoc2::keys::{Certificate, EcPublicKey, PublicKey};
use token_proto::cdoc2::{self as applet, Info, KeyInfo, Prefix, State};
use token_proto::{Command, Status, aid, ins};

use super::Error;
use super::apdu::{Channel, SHORT_LE};
use super::card::TokenKey;

/// What the applet says of itself, as far as it is used here.
pub(super) struct About {
    pub(super) max_command_data_len: u16,
    pub(super) document_number: String,
    keys: Vec<KeyInfo>,
}

/// Chooses the applet, if the card has it.
pub(super) fn select(channel: &mut Channel<'_>) -> Result<Option<About>, Error> {
    let select = Command::new(0x00, ins::SELECT, 0x04, 0x00).with_data(aid::CDOC2).with_le(SHORT_LE);
    let answer = channel.send(select)?;
    if answer.status != Status::Success {
        return Ok(None);
    }
    let info = Info::parse(&answer.data).map_err(|_| Error::Nonsense("no sound information about its CDOC2 applet"))?;
    if info.version >> 8 != applet::VERSION >> 8 {
        return Err(Error::UnknownVersion { version: info.version });
    }
    if info.state == State::Blank {
        return Err(Error::BlankToken);
    }
    channel.extend(info.max_command_data_len);
    let document_number = String::from_utf8_lossy(info.document_number).into_owned();
    let keys = info.keys.iter().flatten().copied().collect();
    Ok(Some(About { max_command_data_len: info.max_command_data_len, document_number, keys }))
}

/// The keys of the applet, which is chosen.
pub(super) fn keys(about: &About, channel: &mut Channel<'_>) -> Result<Vec<TokenKey>, Error> {
    about.keys.iter().map(|info| key(info, channel)).collect()
}

fn key(info: &KeyInfo, channel: &mut Channel<'_>) -> Result<TokenKey, Error> {
    let answer = channel.send(applet::get_public_key(info.key))?.done("GET PUBLIC KEY")?;
    let (_, point) = answer.split_first().ok_or(Error::Nonsense("an empty public key"))?;
    let public_key = PublicKey::Ec(EcPublicKey::new(curve(info.curve), point).map_err(Error::Certificate)?);
    let answer = channel.send(applet::get_certificate(info.key, channel.le()))?;
    let certificate = match answer.status {
        // A key that was made on the card may have none yet.
        Status::KeyReferenceNotFound | Status::NotFound => None,
        _ => Some(Certificate::parse(&answer.done("GET CERTIFICATE")?).map_err(Error::Certificate)?),
    };
    if certificate.as_ref().is_some_and(|certificate| *certificate.public_key() != public_key) {
        return Err(Error::Nonsense("a certificate that is another key's"));
    }
    Ok(TokenKey { key: info.key, public_key, certificate, touch: info.touch })
}

fn curve(curve: applet::Curve) -> Curve {
    match curve {
        applet::Curve::Secp384r1 => Curve::Secp384r1,
        applet::Curve::Secp256r1 => Curve::Secp256r1,
        applet::Curve::Secp521r1 => Curve::Secp521r1,
    }
}

/// The CEK of `envelope`, whose header the card checks itself; PIN1 is verified. `touch` is called before a command that waits for a touch.
pub(super) fn decapsulate(
    key: &TokenKey,
    sender_public_key: &[u8],
    encrypted_fmk: &[u8; KEY_LEN],
    envelope: &Envelope<'_>,
    channel: &mut Channel<'_>,
    touch: &mut dyn FnMut(),
) -> Result<Cek, Error> {
    let header = envelope.header().octets();
    let prefix = Prefix { sender_public_key, encrypted_fmk, header_mac: envelope.header_mac() };
    let mut data = vec![0; sender_public_key.len() + 2 * KEY_LEN];
    prefix.emit(&mut data).map_err(|_| Error::Nonsense("a prefix without room"))?;
    data.extend_from_slice(header);
    let answer = channel.send_chain(applet::decapsulate(key.key, &[]), &data, &mut || {
        if key.touch {
            touch();
        }
    })?;
    let cek = match answer.status {
        Status::VerificationFailed => return Err(cdoc2::Error::Rejected.into()),
        Status::IncorrectDataParameter => return Err(cdoc2::Error::Malformed(Field::SenderPublicKey).into()),
        Status::ConditionsOfUseNotSatisfied if key.touch => return Err(Error::NotTouched),
        _ => answer.done("DECAPSULATE")?,
    };
    Cek::received(|octets| {
        if octets.len() != cek.len() {
            return Err(Error::Nonsense("a content key of another length"));
        }
        octets.copy_from_slice(&cek);
        Ok(())
    })
}
