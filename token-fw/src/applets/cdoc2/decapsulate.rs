//! DECAPSULATE: from the sender's public key to the CEK, while the header streams by.

use cdoc2_nostd::decrypt::UnverifiedStream;
use cdoc2_nostd::key::Cek;
use cdoc2_nostd::{Error, derive};
use heapless::Vec;
use iso7816::Status;
use token_proto::KeyRef;
use token_proto::cdoc2::{Curve, MAX_HEADER_LEN, MAX_POINT_LEN, MAX_PREFIX_LEN, Prefix, prefix_len};

use crate::applets::key_status;
use crate::card::Card;
use crate::platform::Platform;

/// A DECAPSULATE that has not got all its data.
pub(super) struct Decapsulation {
    key: KeyRef,
    curve: Curve,
    stage: Stage,
}

enum Stage {
    /// Before the header: what is there of the sender's key, the encrypted FMK and the MAC. None of it is secret.
    Prefix(Vec<u8, MAX_PREFIX_LEN>),
    /// In the header, of which so many octets may still come.
    Header { stream: UnverifiedStream, allowed: usize },
}

impl Decapsulation {
    /// Begins with `key`.
    ///
    /// # Errors
    /// 6A88: the card has no such key.
    pub(super) fn new<P: Platform>(card: &Card<P>, key: KeyRef) -> Result<Self, Status> {
        let info = card.key(key).ok_or(Status::KeyReferenceNotFound)?;
        Ok(Self { key, curve: super::curve(info.curve), stage: Stage::Prefix(Vec::new()) })
    }

    /// The key.
    pub(super) const fn key(&self) -> KeyRef {
        self.key
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// 6A80: the sender's public key is no point of the curve. 6700: a header longer than [`MAX_HEADER_LEN`]. Or the card failed.
    pub(super) fn update<P: Platform>(&mut self, card: &mut Card<P>, data: &[u8]) -> Result<(), Status> {
        let mut header = data;
        if let Stage::Prefix(prefix) = &mut self.stage {
            let missing = prefix_len(self.curve).saturating_sub(prefix.len());
            let Some((last, rest)) = data.split_at_checked(missing) else {
                return prefix.extend_from_slice(data).map_err(|_| Status::WrongLength);
            };
            prefix.extend_from_slice(last).map_err(|_| Status::WrongLength)?;
            let (prefix, _) = Prefix::parse(prefix, self.curve).ok_or(Status::WrongLength)?;
            let stream = open(card, self.key, self.curve, prefix)?;
            self.stage = Stage::Header { stream, allowed: usize::try_from(MAX_HEADER_LEN).unwrap_or(usize::MAX) };
            header = rest;
        }
        if let Stage::Header { stream, allowed } = &mut self.stage {
            *allowed = allowed.checked_sub(header.len()).ok_or(Status::WrongLength)?;
            stream.update(header);
        }
        Ok(())
    }

    /// Checks the header, which is complete now, and answers the CEK.
    ///
    /// # Errors
    /// 6300: the MAC is wrong, that is the key, the encrypted FMK, the MAC or the header. 6700: the header has not begun.
    pub(super) fn finish(self) -> Result<Cek, Status> {
        match self.stage {
            Stage::Prefix(_) => Err(Status::WrongLength),
            Stage::Header { stream, .. } => stream.verify().map_err(status),
        }
    }
}

/// ECDH, KEK and FMK. CDOC2 specification, "ECCPublicKeyCapsule".
fn open<P: Platform>(card: &mut Card<P>, key: KeyRef, curve: Curve, prefix: Prefix<'_>) -> Result<UnverifiedStream, Status> {
    let mut own = [0; MAX_POINT_LEN];
    card.public_key(key, &mut own).map_err(key_status)?;
    let own = own.get(..curve.point_len()).ok_or(Status::MemoryFailure)?;
    let shared = card.agree(key, prefix.sender_public_key).map_err(key_status)?;
    let kek = derive::kek_from_shared_secret(&shared, own, prefix.sender_public_key).map_err(status)?;
    UnverifiedStream::new(&kek, prefix.encrypted_fmk, *prefix.header_mac).map_err(status)
}

/// The core's error as a status word.
const fn status(error: Error) -> Status {
    match error {
        Error::Rejected => Status::VerificationFailed,
        Error::Malformed(_) | Error::Incomplete { .. } | Error::InvalidInput(_) => Status::IncorrectDataParameter,
        Error::Unsupported(_) => Status::FunctionNotSupported,
        Error::LimitExceeded(_) => Status::WrongLength,
        Error::BufferTooSmall { .. } => Status::NotEnoughMemory,
        Error::Random => Status::UnspecifiedNonpersistentExecutionError,
    }
}
