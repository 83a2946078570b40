//! Writing a header: the same records as parsing gives, into octets that the caller lends.
//!
//! Written from front to back: a table comes before what it points at, and each kind of table has one vtable, written before its first
//! table. The same records always give the same octets.

use crate::key::KEY_LEN;
use crate::wire::capsule::{Capsule, EllipticCurve, KeyDetails, PayloadEncryptionMethod, ShareLocation};
use crate::wire::envelope::MAX_HEADER_LEN;
use crate::wire::header::RecipientRecord;
use crate::{Error, Field, Limit};

/// Fewest PBKDF2 iterations that are written. Java reads every container with exactly this many, whatever the container says.
pub const MIN_KDF_ITERATIONS: u32 = 600_000;

/// Octets of the header that [`emit`] writes.
///
/// # Errors
/// As [`emit`], but for the length of a buffer.
pub fn encoded_len(records: &[RecipientRecord<'_>]) -> Result<usize, Error> {
    for record in records {
        check(record)?;
    }
    if records.is_empty() {
        return Err(Error::InvalidInput(Field::Recipients));
    }
    let mut writer = Writer { out: None, len: 0, vtables: [None; Shape::COUNT] };
    header(&mut writer, records)?;
    if writer.len > MAX_HEADER_LEN {
        return Err(Error::LimitExceeded(Limit::HeaderLen));
    }
    Ok(writer.len)
}

/// Writes the header of `records`, its payload encrypted with ChaCha20-Poly1305, to the front of `out` and returns those octets.
///
/// # Errors
/// - [`Error::InvalidInput`]: no record, or one that no reader should ever meet: an `encrypted_fmk` that is not 32 octets, a key of the
///   wrong length for its curve, an empty salt, fewer than [`MIN_KDF_ITERATIONS`] iterations, fewer than two shares, an unknown kind.
/// - [`Error::LimitExceeded`]: more than 2^20 octets.
/// - [`Error::BufferTooSmall`]: `out` is shorter than [`encoded_len`].
pub fn emit<'o>(records: &[RecipientRecord<'_>], out: &'o mut [u8]) -> Result<&'o mut [u8], Error> {
    let needed = encoded_len(records)?;
    let out = out.get_mut(..needed).ok_or(Error::BufferTooSmall { needed })?;
    let mut writer = Writer { out: Some(&mut *out), len: 0, vtables: [None; Shape::COUNT] };
    header(&mut writer, records)?;
    Ok(out)
}

/// As [`emit`], appended to `out`.
///
/// # Errors
/// As [`emit`]; `out` is as it was then.
pub fn emit_to_vec(records: &[RecipientRecord<'_>], out: &mut heapless::VecView<u8>) -> Result<(), Error> {
    let start = out.len();
    let needed = encoded_len(records)?;
    let end = start.saturating_add(needed);
    out.resize_default(end).map_err(|_| Error::BufferTooSmall { needed })?;
    let written = out.get_mut(start..).map_or(Err(Error::BufferTooSmall { needed }), |out| emit(records, out).map(|_| ()));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Refuses what must not be written.
fn check(record: &RecipientRecord<'_>) -> Result<(), Error> {
    let refuse_if = |wrong: bool, field| if wrong { Err(Error::InvalidInput(field)) } else { Ok(()) };
    refuse_if(record.xored_fmk().is_err(), Field::EncryptedFmk)?;
    match &record.capsule {
        Capsule::EccPublicKey(capsule) => {
            refuse_if(!is_point(capsule.curve, capsule.recipient_public_key)?, Field::RecipientPublicKey)?;
            refuse_if(!is_point(capsule.curve, capsule.sender_public_key)?, Field::SenderPublicKey)
        }
        Capsule::RsaPublicKey(capsule) => {
            refuse_if(capsule.recipient_public_key.is_empty(), Field::RecipientPublicKey)?;
            refuse_if(capsule.encrypted_kek.is_empty(), Field::EncryptedKek)
        }
        Capsule::KeyServer(capsule) => {
            match capsule.recipient_key_details {
                KeyDetails::Ecc { curve, recipient_public_key } => {
                    refuse_if(!is_point(curve, recipient_public_key)?, Field::RecipientPublicKey)?;
                }
                KeyDetails::Rsa { recipient_public_key } => {
                    refuse_if(recipient_public_key.is_empty(), Field::RecipientPublicKey)?;
                }
                KeyDetails::Unknown(_) => return Err(Error::InvalidInput(Field::RecipientKeyDetails)),
            }
            refuse_if(capsule.keyserver_id.0.is_empty(), Field::KeyServerId)?;
            refuse_if(capsule.transaction_id.0.is_empty(), Field::TransactionId)
        }
        Capsule::SymmetricKey(capsule) => refuse_if(capsule.salt.len() < KEY_LEN, Field::Salt),
        Capsule::Pbkdf2(capsule) => {
            refuse_if(capsule.salt.len() < KEY_LEN, Field::Salt)?;
            refuse_if(capsule.password_salt.len() < KEY_LEN, Field::PasswordSalt)?;
            refuse_if(capsule.kdf_algorithm_identifier.to_wire() != 1, Field::KdfAlgorithmIdentifier)?;
            let iterations = u32::try_from(capsule.kdf_iterations).unwrap_or(0);
            refuse_if(iterations < MIN_KDF_ITERATIONS, Field::KdfIterations)
        }
        Capsule::KeyShares(capsule) => {
            refuse_if(capsule.shares.iter().take(2).count() < 2, Field::Shares)?;
            refuse_if(capsule.salt.len() < KEY_LEN, Field::Salt)?;
            refuse_if(capsule.recipient_type.to_wire() != 1, Field::RecipientType)?;
            refuse_if(capsule.shares_scheme.to_wire() != 1, Field::SharesScheme)?;
            refuse_if(capsule.recipient_id.0.is_empty(), Field::RecipientId)
        }
        Capsule::Unknown(_) => Err(Error::InvalidInput(Field::Capsule)),
    }
}

fn is_point(curve: EllipticCurve, point: &[u8]) -> Result<bool, Error> {
    match curve {
        EllipticCurve::Known(curve) => Ok(point.len() == curve.point_len() && point.first() == Some(&4)),
        EllipticCurve::Unknown(_) => Err(Error::InvalidInput(Field::Curve)),
    }
}

/// A kind of table: the sizes of its fields in the order of their slots.
#[derive(Clone, Copy)]
enum Shape {
    Header,
    RecipientRecord,
    EccPublicKeyCapsule,
    RsaPublicKeyCapsule,
    KeyServerCapsule,
    EccKeyDetails,
    RsaKeyDetails,
    SymmetricKeyCapsule,
    Pbkdf2Capsule,
    KeySharesCapsule,
    KeyShare,
}

impl Shape {
    const COUNT: usize = 11;

    /// `true` for a slot of four octets, `false` for one of one octet.
    fn slots(self) -> &'static [bool] {
        const WORD: bool = true;
        const OCTET: bool = false;
        match self {
            Self::Header => &[WORD, OCTET],
            Self::RecipientRecord => &[OCTET, WORD, WORD, WORD, OCTET],
            Self::EccPublicKeyCapsule => &[OCTET, WORD, WORD],
            Self::RsaPublicKeyCapsule | Self::KeyShare => &[WORD, WORD],
            Self::KeyServerCapsule => &[OCTET, WORD, WORD, WORD],
            Self::EccKeyDetails => &[OCTET, WORD],
            Self::RsaKeyDetails | Self::SymmetricKeyCapsule => &[WORD],
            Self::Pbkdf2Capsule => &[WORD, WORD, OCTET, WORD],
            Self::KeySharesCapsule => &[WORD, WORD, OCTET, OCTET, WORD],
        }
    }
}

/// A slot's value.
#[derive(Clone, Copy)]
enum Value {
    /// One octet, written at once.
    Octet(u8),
    /// Four octets, written at once.
    Int32(i32),
    /// An offset, written when its target is.
    Later,
}

/// Where an offset stands that is yet to be written.
#[derive(Clone, Copy)]
struct Place(usize);

/// Counts octets, and writes them where there is a buffer.
struct Writer<'o> {
    out: Option<&'o mut [u8]>,
    len: usize,
    /// Position of the vtable of each shape, once it is written.
    vtables: [Option<usize>; Shape::COUNT],
}

impl Writer<'_> {
    fn put(&mut self, octets: &[u8]) -> Result<(), Error> {
        let end = self.len.checked_add(octets.len()).ok_or(Error::LimitExceeded(Limit::HeaderLen))?;
        if let Some(out) = &mut self.out {
            out.get_mut(self.len..end).ok_or(Error::BufferTooSmall { needed: end })?.copy_from_slice(octets);
        }
        self.len = end;
        Ok(())
    }

    fn align(&mut self, to: usize) -> Result<(), Error> {
        while self.len.checked_rem(to).is_some_and(|rest| rest != 0) {
            self.put(&[0])?;
        }
        Ok(())
    }

    /// A word to be written later.
    fn place(&mut self) -> Result<Place, Error> {
        let place = Place(self.len);
        self.put(&[0; 4])?;
        Ok(place)
    }

    /// Makes `place` point at what comes next.
    fn link(&mut self, place: Place) -> Result<(), Error> {
        self.align(4)?;
        let too_long = Error::LimitExceeded(Limit::HeaderLen);
        let distance = self.len.checked_sub(place.0).and_then(|distance| u32::try_from(distance).ok()).ok_or(too_long)?;
        if let Some(word) = self.out.as_mut().and_then(|out| out.get_mut(place.0..)?.first_chunk_mut()) {
            *word = distance.to_le_bytes();
        }
        Ok(())
    }

    fn length(&mut self, count: usize) -> Result<(), Error> {
        self.put(&u32::try_from(count).map_err(|_| Error::LimitExceeded(Limit::HeaderLen))?.to_le_bytes())
    }

    /// A vector of octets that `place` points at.
    fn octets(&mut self, place: Place, octets: &[u8]) -> Result<(), Error> {
        self.link(place)?;
        self.length(octets.len())?;
        self.put(octets)
    }

    /// A string that `place` points at.
    fn string(&mut self, place: Place, text: &[u8]) -> Result<(), Error> {
        self.octets(place, text)?;
        self.put(&[0])
    }

    /// A table that `place` points at, with one value a slot. The words come first, so that nothing but the end needs padding. Returns
    /// the places of the slots that are [`Value::Later`].
    fn table<const SLOTS: usize>(&mut self, place: Place, shape: Shape, values: [Value; SLOTS]) -> Result<[Place; SLOTS], Error> {
        let vtable = self.vtable(shape)?;
        self.link(place)?;
        let start = self.len;
        let distance = start.checked_sub(vtable).and_then(|distance| i32::try_from(distance).ok());
        self.put(&distance.ok_or(Error::LimitExceeded(Limit::HeaderLen))?.to_le_bytes())?;
        let mut places = [Place(start); SLOTS];
        for (place, value) in places.iter_mut().zip(values) {
            match value {
                Later => *place = self.place()?,
                Int32(value) => self.put(&value.to_le_bytes())?,
                Octet(_) => {}
            }
        }
        for value in values {
            if let Octet(value) = value {
                self.put(&[value])?;
            }
        }
        Ok(places)
    }

    /// The vtable of `shape`, written if this is its first table.
    fn vtable(&mut self, shape: Shape) -> Result<usize, Error> {
        if let Some(Some(position)) = self.vtables.get(shape as usize) {
            return Ok(*position);
        }
        self.align(2)?;
        let position = self.len;
        let slots = shape.slots();
        let words = slots.iter().fold(0_u16, |count, is_word| count.saturating_add(u16::from(*is_word)));
        let octets = slots.iter().fold(0_u16, |count, is_word| count.saturating_add(u16::from(!*is_word)));
        let mut word_offset = 4_u16;
        let mut octet_offset = words.saturating_mul(4).saturating_add(4);
        let table_len = octet_offset.saturating_add(octets);
        let vtable_len = words.saturating_add(octets).saturating_mul(2).saturating_add(4);
        self.put(&vtable_len.to_le_bytes())?;
        self.put(&table_len.to_le_bytes())?;
        for is_word in slots {
            let (offset, size) = if *is_word { (&mut word_offset, 4) } else { (&mut octet_offset, 1) };
            self.put(&offset.to_le_bytes())?;
            *offset = offset.saturating_add(size);
        }
        if let Some(known) = self.vtables.get_mut(shape as usize) {
            *known = Some(position);
        }
        Ok(position)
    }

    /// A vector of `count` offsets that `place` points at; returns the place of the first. The others follow, four octets apart.
    fn offsets(&mut self, place: Place, count: usize) -> Result<Place, Error> {
        self.link(place)?;
        self.length(count)?;
        let first = Place(self.len);
        for _ in 0..count {
            self.place()?;
        }
        Ok(first)
    }
}

use Value::{Int32, Later, Octet};

fn header(writer: &mut Writer<'_>, records: &[RecipientRecord<'_>]) -> Result<(), Error> {
    let root = writer.place()?;
    let method = PayloadEncryptionMethod::ChaCha20Poly1305.to_wire().cast_unsigned();
    let [recipients, _] = writer.table(root, Shape::Header, [Later, Octet(method)])?;
    let mut place = writer.offsets(recipients, records.len())?;
    for record in records {
        recipient_record(writer, place, record)?;
        place = Place(place.0.saturating_add(4));
    }
    writer.align(4)
}

fn recipient_record(writer: &mut Writer<'_>, place: Place, record: &RecipientRecord<'_>) -> Result<(), Error> {
    let capsule_type = Octet(record.capsule.capsule_type());
    let method = Octet(record.fmk_encryption_method.to_wire().cast_unsigned());
    let [_, capsule_place, key_label, encrypted_fmk, _] =
        writer.table(place, Shape::RecipientRecord, [capsule_type, Later, Later, Later, method])?;
    capsule(writer, capsule_place, &record.capsule)?;
    writer.string(key_label, record.key_label.octets())?;
    writer.octets(encrypted_fmk, record.encrypted_fmk)
}

fn capsule(writer: &mut Writer<'_>, place: Place, capsule: &Capsule<'_>) -> Result<(), Error> {
    match capsule {
        Capsule::EccPublicKey(capsule) => {
            let curve = Octet(capsule.curve.to_wire().cast_unsigned());
            let [_, recipient, sender] = writer.table(place, Shape::EccPublicKeyCapsule, [curve, Later, Later])?;
            writer.octets(recipient, capsule.recipient_public_key)?;
            writer.octets(sender, capsule.sender_public_key)
        }
        Capsule::RsaPublicKey(capsule) => {
            let [recipient, kek] = writer.table(place, Shape::RsaPublicKeyCapsule, [Later, Later])?;
            writer.octets(recipient, capsule.recipient_public_key)?;
            writer.octets(kek, capsule.encrypted_kek)
        }
        Capsule::KeyServer(capsule) => {
            let kind = match capsule.recipient_key_details {
                KeyDetails::Ecc { .. } => 1,
                KeyDetails::Rsa { .. } => 2,
                KeyDetails::Unknown(kind) => kind,
            };
            let [_, details, server, transaction] =
                writer.table(place, Shape::KeyServerCapsule, [Octet(kind), Later, Later, Later])?;
            key_details(writer, details, &capsule.recipient_key_details)?;
            writer.string(server, capsule.keyserver_id.0)?;
            writer.string(transaction, capsule.transaction_id.0)
        }
        Capsule::SymmetricKey(capsule) => {
            let [salt] = writer.table(place, Shape::SymmetricKeyCapsule, [Later])?;
            writer.octets(salt, capsule.salt)
        }
        Capsule::Pbkdf2(capsule) => {
            let kdf = Octet(capsule.kdf_algorithm_identifier.to_wire().cast_unsigned());
            let iterations = Int32(capsule.kdf_iterations);
            let [salt, password_salt, _, _] = writer.table(place, Shape::Pbkdf2Capsule, [Later, Later, kdf, iterations])?;
            writer.octets(salt, capsule.salt)?;
            writer.octets(password_salt, capsule.password_salt)
        }
        Capsule::KeyShares(capsule) => {
            let recipient_type = Octet(capsule.recipient_type.to_wire().cast_unsigned());
            let scheme = Octet(capsule.shares_scheme.to_wire().cast_unsigned());
            let [shares, salt, _, _, recipient_id] =
                writer.table(place, Shape::KeySharesCapsule, [Later, Later, recipient_type, scheme, Later])?;
            let mut place = writer.offsets(shares, capsule.shares.iter().count())?;
            for share in capsule.shares.iter() {
                key_share(writer, place, &share)?;
                place = Place(place.0.saturating_add(4));
            }
            writer.octets(salt, capsule.salt)?;
            writer.string(recipient_id, capsule.recipient_id.0)
        }
        Capsule::Unknown(_) => Err(Error::InvalidInput(Field::Capsule)),
    }
}

fn key_details(writer: &mut Writer<'_>, place: Place, details: &KeyDetails<'_>) -> Result<(), Error> {
    match details {
        KeyDetails::Ecc { curve, recipient_public_key } => {
            let curve = Octet(curve.to_wire().cast_unsigned());
            let [_, recipient] = writer.table(place, Shape::EccKeyDetails, [curve, Later])?;
            writer.octets(recipient, recipient_public_key)
        }
        KeyDetails::Rsa { recipient_public_key } => {
            let [recipient] = writer.table(place, Shape::RsaKeyDetails, [Later])?;
            writer.octets(recipient, recipient_public_key)
        }
        KeyDetails::Unknown(_) => Err(Error::InvalidInput(Field::RecipientKeyDetails)),
    }
}

fn key_share(writer: &mut Writer<'_>, place: Place, share: &ShareLocation<'_>) -> Result<(), Error> {
    let [url, id] = writer.table(place, Shape::KeyShare, [Later, Later])?;
    writer.string(url, share.server_base_url.0)?;
    writer.string(id, share.share_id.0)
}
