//! The Estonian ID-card: its certificate, its document number, ECDH and ECDSA with its authentication key.

use cdoc2::core::key::SharedSecret;
use cdoc2::core::{Curve, Field};
use cdoc2::keys::Certificate;
use token_proto::esteid::{self, AGREE_LEN, Environment, Fcp, HASH_LEN, SIGNATURE_LEN, file};
use token_proto::{Command, KeyRef, Profile, Status, aid, ins, tlv};

use super::apdu::{Channel, SHORT_LE};
use super::application::select;
use super::card::TokenKey;
use super::{Error, Pin};
use crate::token::{Application, PinRef};

/// Octets that one READ BINARY asks for: what every generation of the card, and every reader, passes.
const READ_LEN: usize = 0xC0;

/// Chooses the card's main application, if it has it.
pub(super) fn is_present(profile: Profile, channel: &mut Channel<'_>) -> Result<bool, Error> {
    let main = match profile {
        Profile::Esteid2018V1 => aid::ESTEID_MAIN,
        Profile::Esteid2025 => aid::ESTEID_2025,
    };
    Ok(select(channel, main)? == Status::Success)
}

/// The document number, such as "AS0000001".
pub(super) fn document_number(profile: Profile, channel: &mut Channel<'_>) -> Result<String, Error> {
    let octets = match profile {
        Profile::Esteid2018V1 => read_file(profile, &[file::EF_DOCUMENT_NUMBER], channel)?,
        Profile::Esteid2025 => read_file(profile, &[file::DF_PERSONAL_DATA_2025, file::EF_PERSONAL_DATA_DOCUMENT_NUMBER], channel)?,
    };
    let number = match profile {
        Profile::Esteid2018V1 => tlv::find(&octets, 0x04).map_err(|_| Error::Nonsense("no document number"))?,
        Profile::Esteid2025 => &octets,
    };
    let is_sound = !number.is_empty() && number.iter().all(u8::is_ascii_alphanumeric);
    let number = String::from_utf8(number.to_vec()).ok().filter(|_| is_sound);
    number.ok_or(Error::Nonsense("a document number that is none"))
}

/// The authentication key.
pub(super) fn authentication_key(profile: Profile, channel: &mut Channel<'_>) -> Result<TokenKey, Error> {
    let certificate = match profile {
        Profile::Esteid2018V1 => file::EF_AUTHENTICATION_CERTIFICATE,
        Profile::Esteid2025 => file::EF_AUTHENTICATION_CERTIFICATE_2025,
    };
    let der = read_file(profile, &[file::DF_AUTHENTICATION, certificate], channel)?;
    let certificate = Certificate::parse(&der).map_err(Error::Certificate)?;
    Ok(TokenKey {
        key: KeyRef::Authentication,
        public_key: certificate.public_key().clone(),
        certificate: Some(certificate),
        touch: false,
    })
}

fn read_file(profile: Profile, path: &[u16], channel: &mut Channel<'_>) -> Result<Vec<u8>, Error> {
    let path: Vec<u8> = std::iter::once(&file::MF).chain(path).flat_map(|id| id.to_be_bytes()).collect();
    let p1 = match profile {
        Profile::Esteid2018V1 => 0x09,
        Profile::Esteid2025 => 0x08,
    };
    let select = Command::new(0x00, ins::SELECT, p1, 0x04).with_data(&path).with_le(SHORT_LE);
    let fcp = channel.send(select)?.done("SELECT")?;
    let Ok(Fcp::Ef { size, .. }) = Fcp::parse(&fcp) else { return Err(Error::Nonsense("a file without a size")) };
    let size = usize::from(size);
    let mut octets = Vec::with_capacity(size);
    while octets.len() < size {
        let offset = u16::try_from(octets.len()).map_err(|_| Error::Nonsense("a file that is too long"))?;
        let len = READ_LEN.min(size - octets.len());
        let part = channel.send(esteid::read_binary(offset, len))?.done("READ BINARY")?;
        if part.is_empty() {
            return Err(Error::Nonsense("a file that is shorter than it is"));
        }
        octets.extend_from_slice(&part);
    }
    octets.truncate(size);
    Ok(octets)
}

/// ECDH of the authentication key, on secp384r1, with the point `peer`. At most five commands.
pub(super) fn agree(application: Application, pin: &Pin, peer: &[u8], channel: &mut Channel<'_>) -> Result<SharedSecret, Error> {
    let mut data = [0; AGREE_LEN];
    match data.get_mut(1..).filter(|place| place.len() == peer.len()) {
        Some(place) => place.copy_from_slice(peer),
        None => return Err(cdoc2::Error::Malformed(Field::SenderPublicKey).into()),
    }
    prepare(application, Environment::Agree, pin, channel)?;
    let answer = channel.send(esteid::agree(&data))?;
    if answer.status == Status::IncorrectDataParameter {
        return Err(cdoc2::Error::Malformed(Field::SenderPublicKey).into());
    }
    let x = answer.done("PERFORM SECURITY OPERATION")?;
    SharedSecret::try_fill(Curve::Secp384r1, |octets| {
        if octets.len() != x.len() {
            return Err(Error::Nonsense("a shared secret of another length"));
        }
        octets.copy_from_slice(&x);
        Ok(())
    })
}

/// ECDSA of the authentication key over `hash`, as TLS wants it from secp384r1: `r || s`. At most five commands.
pub(super) fn authenticate(
    application: Application,
    pin: &Pin,
    hash: &[u8; HASH_LEN],
    channel: &mut Channel<'_>,
) -> Result<[u8; SIGNATURE_LEN], Error> {
    prepare(application, Environment::Authenticate, pin, channel)?;
    let (name, answer) = match application.profile() {
        Profile::Esteid2018V1 => ("INTERNAL AUTHENTICATE", channel.send(esteid::internal_authenticate(hash))?),
        Profile::Esteid2025 => {
            // The hash goes first, as a data object (ISO 7816-8, 11.8), and is signed by a command of its own.
            let mut object = [0; 2 + HASH_LEN];
            object[..2].copy_from_slice(&[0x90, HASH_LEN as u8]);
            object[2..].copy_from_slice(hash);
            channel.send(esteid::set_hash(&object))?.done("PERFORM SECURITY OPERATION: HASH")?;
            ("PERFORM SECURITY OPERATION", channel.send(esteid::compute_signature_of_hash())?)
        }
    };
    let signature = answer.done(name)?;
    signature.as_array().copied().ok_or(Error::Nonsense("a signature of another length"))
}

/// Chooses the application of the authentication key, verifies PIN1 and sets `environment`.
fn prepare(application: Application, environment: Environment, pin: &Pin, channel: &mut Channel<'_>) -> Result<(), Error> {
    let profile = application.profile();
    let authentication = match profile {
        Profile::Esteid2018V1 => aid::ESTEID_AUTHENTICATION,
        Profile::Esteid2025 => aid::ESTEID_2025,
    };
    match select(channel, authentication)? {
        Status::Success => application.verify(PinRef::Pin1, pin, channel)?,
        status => return Err(Error::Status { command: "SELECT", status }),
    }
    channel.send(environment.set(profile))?.done("MANAGE SECURITY ENVIRONMENT")?;
    Ok(())
}
