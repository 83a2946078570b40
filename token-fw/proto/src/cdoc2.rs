//! The CDOC2 applet: what its commands carry. The whole protocol is in `token-fw/docs/cdoc2-applet.md`.

use crate::apdu::Command;
use crate::tlv::{self, Full, Malformed, Objects, Writer};
use crate::{KeyRef, ins};

/// Class of the applet's own commands.
pub const CLA: u8 = 0x80;

/// Instructions that the applet adds to those of [`ins`].
pub mod instruction {
    /// GET INFO.
    pub const GET_INFO: u8 = 0x10;
    /// GET PUBLIC KEY.
    pub const GET_PUBLIC_KEY: u8 = 0x12;
    /// GET CERTIFICATE.
    pub const GET_CERTIFICATE: u8 = 0x14;
    /// PUT CERTIFICATE.
    pub const PUT_CERTIFICATE: u8 = 0x16;
    /// FACTORY RESET.
    pub const FACTORY_RESET: u8 = 0x1E;
    /// DECAPSULATE.
    pub const DECAPSULATE: u8 = 0x2A;
}

/// The protocol's version.
pub const VERSION: u16 = 0x0100;

/// Octets of the longest header that DECAPSULATE takes (CDOC2 specification, "Envelope").
pub const MAX_HEADER_LEN: u32 = 1 << 20;

/// Octets of the longest certificate that PUT CERTIFICATE takes.
pub const MAX_CERTIFICATE_LEN: usize = crate::MAX_DATA_LEN;

/// Octets of the challenge that EXTERNAL AUTHENTICATE answers, and of the answer.
pub const CHALLENGE_LEN: usize = 32;

/// Octets of a CEK, of an encrypted FMK and of a header's MAC.
pub const KEY_LEN: usize = 32;

/// Octets of the longest point, that of secp521r1.
pub const MAX_POINT_LEN: usize = Curve::Secp521r1.point_len();

/// Seconds that DECAPSULATE waits for a touch.
pub const TOUCH_SECONDS: u8 = 15;

/// An elliptic curve, by the octet that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Curve {
    /// NIST P-384.
    Secp384r1 = 1,
    /// NIST P-256.
    Secp256r1 = 2,
    /// NIST P-521.
    Secp521r1 = 3,
}

impl Curve {
    /// Every curve, in the order of the octets.
    pub const ALL: [Self; 3] = [Self::Secp384r1, Self::Secp256r1, Self::Secp521r1];

    /// The octet.
    #[must_use]
    pub const fn octet(self) -> u8 {
        self as u8
    }

    /// The curve with this octet.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Secp384r1),
            2 => Some(Self::Secp256r1),
            3 => Some(Self::Secp521r1),
            _ => None,
        }
    }

    /// Octets of an uncompressed point, `04 || X || Y`: 97, 65 or 133.
    #[must_use]
    pub const fn point_len(self) -> usize {
        match self {
            Self::Secp384r1 => 97,
            Self::Secp256r1 => 65,
            Self::Secp521r1 => 133,
        }
    }
}

/// Octets before the header in the data of DECAPSULATE: the sender's public key, the encrypted FMK, the header's MAC.
#[must_use]
pub const fn prefix_len(curve: Curve) -> usize {
    curve.point_len().saturating_add(2 * KEY_LEN)
}

/// Octets of the longest prefix.
pub const MAX_PREFIX_LEN: usize = prefix_len(Curve::Secp521r1);

/// What precedes the header in the data of DECAPSULATE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// `ECCPublicKeyCapsule.sender_public_key`, an uncompressed point.
    pub sender_public_key: &'a [u8],
    /// `RecipientRecord.encrypted_fmk`.
    pub encrypted_fmk: &'a [u8; KEY_LEN],
    /// The header's message authentication code.
    pub header_mac: &'a [u8; KEY_LEN],
}

impl<'a> Prefix<'a> {
    /// Splits the prefix for a key on `curve` off `octets`; `None` if it is not all there. The rest is the header's.
    #[must_use]
    pub fn parse(octets: &'a [u8], curve: Curve) -> Option<(Self, &'a [u8])> {
        let (sender_public_key, rest) = octets.split_at_checked(curve.point_len())?;
        let (encrypted_fmk, rest) = rest.split_first_chunk()?;
        let (header_mac, rest) = rest.split_first_chunk()?;
        Some((Self { sender_public_key, encrypted_fmk, header_mac }, rest))
    }

    /// Writes the prefix at the start of `buffer` and answers how many octets it has.
    ///
    /// # Errors
    /// [`Full`]: `buffer` is too short.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Full> {
        let mut rest = buffer;
        let mut len = 0_usize;
        for part in [self.sender_public_key, self.encrypted_fmk, self.header_mac] {
            let (place, behind) = rest.split_at_mut_checked(part.len()).ok_or(Full)?;
            place.copy_from_slice(part);
            rest = behind;
            len = len.saturating_add(part.len());
        }
        Ok(len)
    }
}

impl core::fmt::Debug for Prefix<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Prefix(..)")
    }
}

/// What is known of a key without using it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key.
    pub key: KeyRef,
    /// Its curve.
    pub curve: Curve,
    /// Whether each use of it waits for a touch.
    pub touch: bool,
}

/// Whether there is anything on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nothing: no PIN, no key.
    Blank = 0,
    /// PINs and keys.
    Personalised = 1,
}

/// Keys that [`Info`] has room for; a card of this project has at most two for this applet.
pub const MAX_KEYS: usize = 4;

/// Octets of the longest [`Info`] that a card of this project writes.
pub const MAX_INFO_LEN: usize = 64;

/// What GET INFO and SELECT tell of the applet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info<'a> {
    /// The protocol's version: its major number in the high octet; a higher minor number only adds.
    pub version: u16,
    /// Octets of the curves that keys can be on; a host skips those it does not know.
    pub curves: &'a [u8],
    /// Octets of data that a command may have.
    pub max_command_data_len: u16,
    /// Octets of data that a response may have.
    pub max_response_data_len: u16,
    /// Octets that a header may have.
    pub max_header_len: u32,
    /// Blank or personalised.
    pub state: State,
    /// The keys that DECAPSULATE can use.
    pub keys: [Option<KeyInfo>; MAX_KEYS],
    /// The document number, empty on a blank card.
    pub document_number: &'a [u8],
}

impl<'a> Info<'a> {
    /// Writes the template at the start of `buffer` and answers how many octets it has.
    ///
    /// # Errors
    /// [`Full`]: `buffer` is too short; [`MAX_INFO_LEN`] octets are enough.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(buffer);
        writer.constructed(TEMPLATE, |info| {
            info.object(0x80, &self.version.to_be_bytes())?;
            info.object(0x81, self.curves)?;
            info.object(0x82, &self.max_command_data_len.to_be_bytes())?;
            info.object(0x83, &self.max_response_data_len.to_be_bytes())?;
            info.object(0x84, &self.max_header_len.to_be_bytes())?;
            info.object(0x85, &[self.state as u8])?;
            for KeyInfo { key, curve, touch } in self.keys.iter().flatten() {
                info.object(0x86, &[key.reference(), curve.octet(), u8::from(*touch)])?;
            }
            info.object(0x87, self.document_number)
        })?;
        Ok(writer.written_len())
    }

    /// Reads the template. Objects and keys that this version does not know are passed over.
    ///
    /// # Errors
    /// [`Malformed`]: an object is missing, repeated beyond [`MAX_KEYS`] or has another length than it must.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let info = tlv::only(octets, TEMPLATE)?;
        let mut keys = [None; MAX_KEYS];
        let mut places = keys.iter_mut();
        for object in Objects::new(info) {
            let object = object?;
            if object.tag == 0x86
                && let Some(key) = key_info(object.value)?
            {
                *places.next().ok_or(Malformed)? = Some(key);
            }
        }
        Ok(Self {
            version: u16::from_be_bytes(fixed(info, 0x80)?),
            curves: tlv::find(info, 0x81)?,
            max_command_data_len: u16::from_be_bytes(fixed(info, 0x82)?),
            max_response_data_len: u16::from_be_bytes(fixed(info, 0x83)?),
            max_header_len: u32::from_be_bytes(fixed(info, 0x84)?),
            state: match fixed(info, 0x85)? {
                [0] => State::Blank,
                [1] => State::Personalised,
                _ => return Err(Malformed),
            },
            keys,
            document_number: tlv::find(info, 0x87)?,
        })
    }

    /// The key with this reference.
    #[must_use]
    pub fn key(&self, key: KeyRef) -> Option<KeyInfo> {
        self.keys.iter().flatten().find(|info| info.key == key).copied()
    }
}

const TEMPLATE: u32 = 0xE0;

fn fixed<const N: usize>(octets: &[u8], tag: u32) -> Result<[u8; N], Malformed> {
    tlv::find(octets, tag)?.try_into().map_err(|_| Malformed)
}

fn key_info(value: &[u8]) -> Result<Option<KeyInfo>, Malformed> {
    let &[key, curve, touch @ (0 | 1)] = value else { return Err(Malformed) };
    let known = KeyRef::from_reference(key).zip(Curve::from_octet(curve));
    Ok(known.map(|(key, curve)| KeyInfo { key, curve, touch: touch == 1 }))
}

/// GET INFO.
#[must_use]
pub const fn get_info() -> Command<'static> {
    Command::new(CLA, instruction::GET_INFO, 0x00, 0x00).with_le(256)
}

/// GET PUBLIC KEY: the answer is the octet of the curve, then the point.
#[must_use]
pub const fn get_public_key(key: KeyRef) -> Command<'static> {
    Command::new(CLA, instruction::GET_PUBLIC_KEY, 0x00, key.reference()).with_le(256)
}

/// GET CERTIFICATE: `le` octets of it, or with 256 the first of them and `61xx`.
#[must_use]
pub const fn get_certificate(key: KeyRef, le: usize) -> Command<'static> {
    Command::new(CLA, instruction::GET_CERTIFICATE, 0x00, key.reference()).with_le(le)
}

/// DECAPSULATE, with the last octets of its data or its only ones: the answer is the CEK. [`Command::chained`] makes it one that others
/// follow, and takes no Le.
#[must_use]
pub const fn decapsulate(key: KeyRef, data: &[u8]) -> Command<'_> {
    Command::new(CLA, instruction::DECAPSULATE, 0x00, key.reference()).with_data(data)
}

/// GET CHALLENGE for EXTERNAL AUTHENTICATE.
#[must_use]
pub const fn get_challenge() -> Command<'static> {
    Command::new(0x00, ins::GET_CHALLENGE, 0x00, 0x00).with_le(CHALLENGE_LEN)
}

/// EXTERNAL AUTHENTICATE with `answer`: HMAC-SHA-256 of the challenge under the administrator key.
#[must_use]
pub const fn external_authenticate(answer: &[u8; CHALLENGE_LEN]) -> Command<'_> {
    Command::new(0x00, ins::EXTERNAL_AUTHENTICATE, 0x00, 0x00).with_data(answer)
}

/// GENERATE KEY with `parameters`, the octets of [`key_parameters`]; the answer is that of GET PUBLIC KEY.
#[must_use]
pub const fn generate_key(key: KeyRef, parameters: &[u8; 2]) -> Command<'_> {
    Command::new(0x00, ins::GENERATE_KEY, 0x80, key.reference()).with_data(parameters).with_le(256)
}

/// Data of GENERATE KEY.
#[must_use]
pub const fn key_parameters(curve: Curve, touch: bool) -> [u8; 2] {
    [curve.octet(), touch as u8]
}

/// PUT CERTIFICATE, or the last command of its chain.
#[must_use]
pub const fn put_certificate(key: KeyRef, der: &[u8]) -> Command<'_> {
    Command::new(CLA, instruction::PUT_CERTIFICATE, 0x00, key.reference()).with_data(der)
}

/// FACTORY RESET.
#[must_use]
pub const fn factory_reset() -> Command<'static> {
    Command::new(CLA, instruction::FACTORY_RESET, 0x00, 0x00)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: Info<'_> = Info {
        version: VERSION,
        curves: b"\x01\x02\x03",
        max_command_data_len: 2048,
        max_response_data_len: 2048,
        max_header_len: MAX_HEADER_LEN,
        state: State::Personalised,
        keys: [
            Some(KeyInfo { key: KeyRef::Authentication, curve: Curve::Secp384r1, touch: false }),
            Some(KeyInfo { key: KeyRef::Cdoc2, curve: Curve::Secp521r1, touch: true }),
            None,
            None,
        ],
        document_number: b"AS0000001",
    };

    const OCTETS: &[u8] = b"\xE0\x2F\x80\x02\x01\x00\x81\x03\x01\x02\x03\x82\x02\x08\x00\x83\x02\x08\x00\x84\x04\x00\x10\x00\x00\
        \x85\x01\x01\x86\x03\x81\x01\x00\x86\x03\x83\x03\x01\x87\x09AS0000001";

    #[test]
    fn info_is_written_and_read() {
        let mut buffer = [0; MAX_INFO_LEN];
        let len = INFO.emit(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], OCTETS);
        assert_eq!(Info::parse(OCTETS), Ok(INFO));
        assert_eq!(INFO.key(KeyRef::Cdoc2).unwrap().curve, Curve::Secp521r1);
        assert_eq!(INFO.key(KeyRef::Signature), None);
        for cut in 0..len {
            assert_eq!(Info::parse(&OCTETS[..cut]), Err(Malformed));
            assert_eq!(INFO.emit(&mut buffer[..cut]), Err(Full));
        }
    }

    #[test]
    fn blank_info_is_written_and_read() {
        let blank = Info { state: State::Blank, keys: [None; MAX_KEYS], document_number: b"", ..INFO };
        let mut buffer = [0; MAX_INFO_LEN];
        let len = blank.emit(&mut buffer).unwrap();
        assert_eq!(Info::parse(&buffer[..len]), Ok(blank));
    }

    /// A card of a later version may say more, and have keys that this one has no name for.
    #[test]
    fn unknown_objects_and_keys_are_passed_over() {
        let mut octets = [0; 128];
        let mut writer = Writer::new(&mut octets);
        writer
            .constructed(TEMPLATE, |info| {
                info.object(0x86, b"\x8F\x01\x00")?;
                info.object(0x86, b"\x83\x09\x00")?;
                info.object(0x9F7F, b"later")?;
                let (_, objects) = OCTETS.split_at(2);
                Objects::new(objects).try_for_each(|object| object.map_or(Err(Full), |o| info.object(o.tag, o.value)))
            })
            .unwrap();
        let len = writer.written_len();
        assert_eq!(Info::parse(&octets[..len]), Ok(INFO));
    }

    #[test]
    fn wrong_state_and_wrong_touch_are_malformed() {
        for (at, octet) in [(27, 2), (32, 2), (26, 0)] {
            let mut octets = [0; 49];
            octets.copy_from_slice(OCTETS);
            octets[at] = octet;
            assert_eq!(Info::parse(&octets), Err(Malformed), "{at}");
        }
    }

    #[test]
    fn prefix_has_the_length_of_its_curve() {
        for (curve, len) in Curve::ALL.into_iter().zip([161, 129, 197]) {
            assert_eq!(prefix_len(curve), len);
            let octets: [u8; MAX_PREFIX_LEN + 3] = core::array::from_fn(|at| u8::try_from(at).unwrap_or(0));
            for cut in 0..len {
                assert_eq!(Prefix::parse(&octets[..cut], curve), None);
            }
            let (prefix, rest) = Prefix::parse(&octets, curve).unwrap();
            assert_eq!(rest.len(), octets.len() - len);
            let mut emitted = [0; MAX_PREFIX_LEN];
            assert_eq!(prefix.emit(&mut emitted), Ok(len));
            assert_eq!(emitted[..len], octets[..len]);
        }
    }

    #[test]
    fn octet_and_curve_are_one() {
        for octet in 0..=u8::MAX {
            assert!(Curve::from_octet(octet).is_none_or(|curve| curve.octet() == octet));
        }
        assert!(Curve::ALL.into_iter().all(|curve| Curve::from_octet(curve.octet()) == Some(curve)));
    }
}
