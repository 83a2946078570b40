//! The Estonian ID-card: files, control information, counters of PINs, security environments. Both generations, by [`Profile`].

use crate::apdu::Command;
use crate::pin::{MAX_TRIES, PinRef};
use crate::tlv::{self, Full, Malformed, Writer};
use crate::{KeyRef, Profile, ins};

/// Identifiers of files (ISO 7816-4, 7.2).
pub mod file {
    /// Master file.
    pub const MF: u16 = 0x3F00;
    /// The document number, a TLV of 11 octets; 2018 only.
    pub const EF_DOCUMENT_NUMBER: u16 = 0xD003;
    /// Personal data, 2018.
    pub const DF_PERSONAL_DATA: u16 = 0x5000;
    /// Personal data, 2025.
    pub const DF_PERSONAL_DATA_2025: u16 = 0xDFDD;
    /// The first of the personal data, the surname; 15 fields follow one another.
    pub const EF_PERSONAL_DATA_1: u16 = 0x5001;
    /// The document number among the personal data.
    pub const EF_PERSONAL_DATA_DOCUMENT_NUMBER: u16 = 0x5007;
    /// The last of the personal data.
    pub const EF_PERSONAL_DATA_15: u16 = 0x500F;
    /// The authentication application.
    pub const DF_AUTHENTICATION: u16 = 0xADF1;
    /// Its certificate, 2018.
    pub const EF_AUTHENTICATION_CERTIFICATE: u16 = 0x3401;
    /// Its certificate, 2025.
    pub const EF_AUTHENTICATION_CERTIFICATE_2025: u16 = 0x3411;
    /// The application for qualified signatures.
    pub const DF_SIGNATURE: u16 = 0xADF2;
    /// Its certificate, 2018.
    pub const EF_SIGNATURE_CERTIFICATE: u16 = 0x341F;
    /// Its certificate, 2025.
    pub const EF_SIGNATURE_CERTIFICATE_2025: u16 = 0x3421;
}

/// Octets of the longest file control parameters.
pub const MAX_FCP_LEN: usize = 16;

/// File control parameters (ISO 7816-4, 7.4.2): what SELECT tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fcp {
    /// A transparent elementary file.
    Ef {
        /// File identifier.
        id: u16,
        /// Octets in it.
        size: u16,
    },
    /// A dedicated file.
    Df {
        /// File identifier.
        id: u16,
    },
}

impl Fcp {
    /// Writes the template as a card of `profile` does, and answers its octets. Host software insists on where the size is, and that it has
    /// two octets.
    ///
    /// # Errors
    /// [`Full`]: fewer than [`MAX_FCP_LEN`] octets.
    pub fn emit(self, profile: Profile, buffer: &mut [u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(buffer);
        writer.constructed(0x62, |fcp| {
            let (descriptor, id) = match self {
                Self::Ef { id, size } => {
                    fcp.object(size_tag(profile), &size.to_be_bytes())?;
                    (0x01, id)
                }
                Self::Df { id } => (0x38, id),
            };
            fcp.object(0x82, &[descriptor])?;
            fcp.object(0x83, &id.to_be_bytes())?;
            fcp.object(0x8A, &[0x05])
        })?;
        Ok(writer.written_len())
    }

    /// Reads the template of a card of either profile.
    ///
    /// # Errors
    /// [`Malformed`]: no template with a file's identifier and descriptor, and an elementary file's size.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        let fcp = tlv::only(octets, 0x62)?;
        let two = |tag| {
            let value = tlv::find(fcp, tag)?;
            value.try_into().map(u16::from_be_bytes).map_err(|_| Malformed)
        };
        let id = two(0x83)?;
        match tlv::find(fcp, 0x82)? {
            [0x38, ..] => Ok(Self::Df { id }),
            [0x01, ..] => Ok(Self::Ef { id, size: two(0x80).or_else(|Malformed| two(0x81))? }),
            _ => Err(Malformed),
        }
    }
}

const fn size_tag(profile: Profile) -> u32 {
    match profile {
        Profile::Esteid2018V1 => 0x80,
        Profile::Esteid2025 => 0x81,
    }
}

/// Octets of the longest answer to GET DATA: 32 in the profile of 2018.
pub const MAX_TRIES_LEN: usize = 32;

/// Data of GET DATA for the counter of `pin`, and P1, P2 before it.
const fn tries_request(pin: PinRef, profile: Profile) -> (u8, u8, &'static [u8]) {
    match (profile, pin) {
        (Profile::Esteid2018V1, PinRef::Pin1) => (0x3F, 0xFF, b"\x4D\x08\x70\x06\xBF\x81\x01\x02\xA0\x80"),
        (Profile::Esteid2018V1, PinRef::Puk) => (0x3F, 0xFF, b"\x4D\x08\x70\x06\xBF\x81\x02\x02\xA0\x80"),
        (Profile::Esteid2018V1, PinRef::Pin2) => (0x3F, 0xFF, b"\x4D\x08\x70\x06\xBF\x81\x05\x02\xA0\x80"),
        (Profile::Esteid2025, PinRef::Pin1) => (0x00, 0xFF, b"\xA0\x03\x83\x01\x81"),
        (Profile::Esteid2025, PinRef::Pin2) => (0x00, 0xFF, b"\xA0\x03\x83\x01\x82"),
        (Profile::Esteid2025, PinRef::Puk) => (0x00, 0xFF, b"\xA0\x03\x83\x01\x83"),
    }
}

/// GET DATA for the counter of `pin`. In the profile of 2018, PIN2 has one in the signature application only; software asks for the others'
/// in the main application or the MF, though the firmware here answers everywhere.
#[must_use]
pub const fn get_tries(pin: PinRef, profile: Profile) -> Command<'static> {
    let (p1, p2, data) = tries_request(pin, profile);
    Command::new(0x00, ins::GET_DATA, p1, p2).with_data(data).with_le(256)
}

/// The PIN whose counter [`get_tries`] asks for with this data.
#[must_use]
pub fn requested_tries(data: &[u8], profile: Profile) -> Option<PinRef> {
    PinRef::ALL.into_iter().find(|pin| tries_request(*pin, profile).2 == data)
}

/// What GET DATA tells of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// The PIN.
    pub pin: PinRef,
    /// Tries left.
    pub left: u8,
}

impl Tries {
    /// Writes the answer of a card of `profile`, and how many octets it has. Host software reads the 14th of the 32 of 2018.
    ///
    /// # Errors
    /// [`Full`]: fewer than [`MAX_TRIES_LEN`] octets.
    pub fn emit(self, profile: Profile, buffer: &mut [u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(buffer);
        match profile {
            Profile::Esteid2018V1 => writer.constructed(0x70, |all| {
                all.constructed(tries_tag(self.pin), |pin| {
                    pin.constructed(0xA0, |object| {
                        object.object(0x9A, &[MAX_TRIES])?;
                        object.object(0x9B, &[self.left])?;
                        let rule = access_rule(self.pin);
                        object.constructed(0xA1, |rules| {
                            rules.object(0x8C, rule)?;
                            rules.object(0x9C, rule)
                        })
                    })
                })
            })?,
            Profile::Esteid2025 => writer.constructed(0xA0, |object| {
                object.object(0x83, &[self.pin.reference(profile)])?;
                object.object(0xDF21, &[self.left])?;
                object.object(0xDF2F, &[0x01])
            })?,
        }
        Ok(writer.written_len())
    }

    /// Reads the answer of a card of `profile`.
    ///
    /// # Errors
    /// [`Malformed`]: not an answer of [`emit`](Self::emit)'s shape for `pin`.
    pub fn parse(octets: &[u8], pin: PinRef, profile: Profile) -> Result<Self, Malformed> {
        let counter = match profile {
            Profile::Esteid2018V1 => {
                let object = tlv::find(tlv::only(octets, 0x70)?, tries_tag(pin))?;
                tlv::find(tlv::find(object, 0xA0)?, 0x9B)?
            }
            Profile::Esteid2025 => tlv::find(tlv::only(octets, 0xA0)?, 0xDF21)?,
        };
        counter.first().map(|left| Self { pin, left: *left }).ok_or(Malformed)
    }
}

const fn tries_tag(pin: PinRef) -> u32 {
    match pin {
        PinRef::Pin1 => 0x00BF_8101,
        PinRef::Puk => 0x00BF_8102,
        PinRef::Pin2 => 0x00BF_8105,
    }
}

const fn access_rule(pin: PinRef) -> &'static [u8] {
    match pin {
        PinRef::Pin1 | PinRef::Puk => b"\xF3\x00\x00\x73\x43\x00",
        PinRef::Pin2 => b"\xF3\x00\x00\x73\xFF\x00",
    }
}

/// What MANAGE SECURITY ENVIRONMENT: SET prepares, with the key that the profile has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// INTERNAL AUTHENTICATE (2018) or PSO: COMPUTE DIGITAL SIGNATURE (2025) with the authentication key.
    Authenticate,
    /// PSO: COMPUTE DIGITAL SIGNATURE with the signature key.
    Sign,
    /// PSO: DECIPHER, that is ECDH, with the authentication key.
    Agree,
}

impl Environment {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Authenticate, Self::Sign, Self::Agree];

    /// The key.
    #[must_use]
    pub const fn key(self) -> KeyRef {
        match self {
            Self::Authenticate | Self::Agree => KeyRef::Authentication,
            Self::Sign => KeyRef::Signature,
        }
    }

    /// MANAGE SECURITY ENVIRONMENT: SET for this.
    #[must_use]
    pub const fn set(self, profile: Profile) -> Command<'static> {
        let (tag, data, _) = self.template(profile);
        Command::new(0x00, ins::MANAGE_SECURITY_ENVIRONMENT, 0x41, tag).with_data(data)
    }

    /// The environment that P2 and the data of the command say. Two spellings of the algorithm are in use for 2018; for a signature of 2025
    /// one more for each length of hash.
    #[must_use]
    pub fn parse(p2: u8, data: &[u8], profile: Profile) -> Option<Self> {
        Self::ALL.into_iter().find(|environment| {
            let (tag, short, long) = environment.template(profile);
            let by_hash = match (profile, environment) {
                (Profile::Esteid2025, Self::Authenticate | Self::Sign) => match (data, short) {
                    (&[0x80, 0x01, 0x34 | 0x44 | 0x64, ref key @ ..], &[_, _, _, ref own @ ..]) => key == own,
                    _ => false,
                },
                _ => false,
            };
            p2 == tag && (data == short || data == long || by_hash)
        })
    }

    /// Tag of the control reference template (ISO 7816-4, 10.3.1), its short and its long spelling.
    const fn template(self, profile: Profile) -> (u8, &'static [u8], &'static [u8]) {
        match (profile, self) {
            (Profile::Esteid2018V1, Self::Authenticate) => {
                (0xA4, b"\x80\x01\x04\x84\x01\x81", b"\x80\x04\xFF\x20\x08\x00\x84\x01\x81")
            }
            (Profile::Esteid2018V1, Self::Sign) => (0xB6, b"\x80\x01\x54\x84\x01\x9F", b"\x80\x04\xFF\x15\x08\x00\x84\x01\x9F"),
            (Profile::Esteid2018V1, Self::Agree) => (0xB8, b"\x80\x01\x0B\x84\x01\x81", b"\x80\x04\xFF\x30\x04\x00\x84\x01\x81"),
            (Profile::Esteid2025, Self::Authenticate) => (0xB6, b"\x80\x01\x54\x84\x01\x01", b"\x80\x01\x54\x84\x01\x01"),
            (Profile::Esteid2025, Self::Sign) => (0xB6, b"\x80\x01\x54\x84\x01\x05", b"\x80\x01\x54\x84\x01\x05"),
            (Profile::Esteid2025, Self::Agree) => (0xB8, b"\x84\x01\x01", b"\x84\x01\x01"),
        }
    }
}

/// Octets of the data of PSO: DECIPHER: a zero, then the uncompressed point.
pub const AGREE_LEN: usize = 1 + 97;

/// Octets of what is signed: a hash, padded with zeros on its left.
pub const HASH_LEN: usize = 48;

/// Octets of the longest hash that PSO: HASH of 2025 takes, that of SHA-512.
pub const MAX_HASH_LEN: usize = 64;

/// Octets of a signature, `r || s`.
pub const SIGNATURE_LEN: usize = 96;

/// SELECT of the application `aid`, without an answer.
#[must_use]
pub const fn select_application(aid: &[u8]) -> Command<'_> {
    Command::new(0x00, ins::SELECT, 0x04, 0x0C).with_data(aid)
}

/// READ BINARY of the selected file: `le` octets, at most 256, from `offset`.
#[must_use]
pub const fn read_binary(offset: u16, le: usize) -> Command<'static> {
    let [high, low] = offset.to_be_bytes();
    Command::new(0x00, ins::READ_BINARY, high, low).with_le(le)
}

/// VERIFY of `pin` with the block that [`PinBlock::emit`](crate::PinBlock::emit) wrote.
#[must_use]
pub const fn verify(pin: PinRef, block: &[u8; PinRef::BLOCK_LEN], profile: Profile) -> Command<'_> {
    Command::new(0x00, ins::VERIFY, 0x00, pin.reference(profile)).with_data(block)
}

/// CHANGE REFERENCE DATA of `pin`: the old block, then the new.
#[must_use]
pub const fn change_reference_data(pin: PinRef, blocks: &[u8; 2 * PinRef::BLOCK_LEN], profile: Profile) -> Command<'_> {
    Command::new(0x00, ins::CHANGE_REFERENCE_DATA, 0x00, pin.reference(profile)).with_data(blocks)
}

/// RESET RETRY COUNTER of `pin`. `data` is the new block (2018, the PUK being verified), or the PUK's and the new (2025).
#[must_use]
pub const fn reset_retry_counter(pin: PinRef, data: &[u8], profile: Profile) -> Command<'_> {
    let p1 = match profile {
        Profile::Esteid2018V1 => 0x02,
        Profile::Esteid2025 => 0x00,
    };
    Command::new(0x00, ins::RESET_RETRY_COUNTER, p1, pin.reference(profile)).with_data(data)
}

/// PSO: DECIPHER with `data`, a zero and the peer's point: the answer is the x-coordinate of the shared one.
#[must_use]
pub const fn agree(data: &[u8; AGREE_LEN]) -> Command<'_> {
    Command::new(0x00, ins::PERFORM_SECURITY_OPERATION, 0x80, 0x86).with_data(data).with_le(48)
}

/// INTERNAL AUTHENTICATE with the authentication key, 2018: the answer is the signature of `hash`, [`SIGNATURE_LEN`] octets.
#[must_use]
pub const fn internal_authenticate(hash: &[u8; HASH_LEN]) -> Command<'_> {
    Command::new(0x00, ins::INTERNAL_AUTHENTICATE, 0x00, 0x00).with_data(hash).with_le(256)
}

/// PSO: HASH, 2025: `object` is the tag 90, a length and the hash that the next command signs.
#[must_use]
pub const fn set_hash(object: &[u8]) -> Command<'_> {
    Command::new(0x00, ins::PERFORM_SECURITY_OPERATION, 0x90, 0xA0).with_data(object)
}

/// PSO: COMPUTE DIGITAL SIGNATURE of the hash that was given before, 2025: the answer is [`SIGNATURE_LEN`] octets.
#[must_use]
pub const fn compute_signature_of_hash() -> Command<'static> {
    Command::new(0x00, ins::PERFORM_SECURITY_OPERATION, 0x9E, 0x9A).with_le(256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EF: Fcp = Fcp::Ef { id: file::EF_AUTHENTICATION_CERTIFICATE, size: 0x0512 };
    const DF: Fcp = Fcp::Df { id: file::DF_SIGNATURE };

    #[test]
    fn control_parameters_are_the_profiles() {
        for (fcp, profile, octets) in [
            (EF, Profile::Esteid2018V1, &b"\x62\x0E\x80\x02\x05\x12\x82\x01\x01\x83\x02\x34\x01\x8A\x01\x05"[..]),
            (EF, Profile::Esteid2025, b"\x62\x0E\x81\x02\x05\x12\x82\x01\x01\x83\x02\x34\x01\x8A\x01\x05"),
            (DF, Profile::Esteid2018V1, b"\x62\x0A\x82\x01\x38\x83\x02\xAD\xF2\x8A\x01\x05"),
        ] {
            let mut buffer = [0; MAX_FCP_LEN];
            let len = fcp.emit(profile, &mut buffer).unwrap();
            assert_eq!(&buffer[..len], octets);
            assert_eq!(Fcp::parse(octets), Ok(fcp));
            for cut in 0..len {
                assert_eq!(Fcp::parse(&octets[..cut]), Err(Malformed));
                assert_eq!(fcp.emit(profile, &mut buffer[..cut]), Err(Full));
            }
        }
    }

    #[test]
    fn tries_are_the_profiles() {
        let pin1 = b"\x70\x1E\xBF\x81\x01\x1A\xA0\x18\x9A\x01\x03\x9B\x01\x02\xA1\x10\x8C\x06\xF3\x00\x00\x73\x43\x00\x9C\x06\xF3\x00\x00\x73\x43\x00";
        let pin2 = b"\x70\x1E\xBF\x81\x05\x1A\xA0\x18\x9A\x01\x03\x9B\x01\x00\xA1\x10\x8C\x06\xF3\x00\x00\x73\xFF\x00\x9C\x06\xF3\x00\x00\x73\xFF\x00";
        for (pin, left, profile, octets) in [
            (PinRef::Pin1, 2, Profile::Esteid2018V1, &pin1[..]),
            (PinRef::Pin2, 0, Profile::Esteid2018V1, pin2),
            (PinRef::Puk, 3, Profile::Esteid2025, b"\xA0\x0B\x83\x01\x83\xDF\x21\x01\x03\xDF\x2F\x01\x01"),
        ] {
            let tries = Tries { pin, left };
            let mut buffer = [0; MAX_TRIES_LEN];
            let len = tries.emit(profile, &mut buffer).unwrap();
            assert_eq!(&buffer[..len], octets);
            assert_eq!(Tries::parse(octets, pin, profile), Ok(tries));
            for cut in 0..len {
                assert_eq!(Tries::parse(&octets[..cut], pin, profile), Err(Malformed));
            }
        }
        assert_eq!(Tries::parse(pin1, PinRef::Puk, Profile::Esteid2018V1), Err(Malformed));
    }

    #[test]
    fn requests_say_their_pin() {
        for profile in Profile::ALL {
            for pin in PinRef::ALL {
                assert_eq!(requested_tries(get_tries(pin, profile).data, profile), Some(pin));
            }
            assert_eq!(requested_tries(b"\x4D\x08\x70\x06\xBF\x81\x03\x02\xA0\x80", profile), None);
        }
    }

    #[test]
    fn environments_are_the_profiles() {
        for profile in Profile::ALL {
            for environment in Environment::ALL {
                let command = environment.set(profile);
                assert_eq!(Environment::parse(command.p2, command.data, profile), Some(environment));
                assert_eq!(Environment::parse(0xAA, command.data, profile), None);
            }
        }
        let old = |p2, data| Environment::parse(p2, data, Profile::Esteid2018V1);
        assert_eq!(old(0xB8, b"\x80\x04\xFF\x30\x04\x00\x84\x01\x81"), Some(Environment::Agree));
        assert_eq!(old(0xB6, b"\x80\x04\xFF\x15\x08\x00\x84\x01\x9F"), Some(Environment::Sign));
        assert_eq!(old(0xA4, b"\x80\x04\xFF\x20\x08\x00\x84\x01\x81"), Some(Environment::Authenticate));
        assert_eq!(old(0xB6, b"\x80\x01\x34\x84\x01\x9F"), None);
        let new = |p2, data| Environment::parse(p2, data, Profile::Esteid2025);
        assert_eq!(new(0xB6, b"\x80\x01\x34\x84\x01\x01"), Some(Environment::Authenticate));
        assert_eq!(new(0xB6, b"\x80\x01\x64\x84\x01\x05"), Some(Environment::Sign));
        assert_eq!(new(0xB6, b"\x80\x01\x35\x84\x01\x05"), None);
        assert_eq!(new(0xB8, b"\x80\x01\x34\x84\x01\x01"), None);
    }
}
