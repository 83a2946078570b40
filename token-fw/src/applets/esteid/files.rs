//! The files of the card. None is stored as one: each is a view of what the card holds.

use heapless::VecView;
use iso7816::Status;
use token_proto::esteid::{Fcp, file};
use token_proto::{KeyRef, Profile, tlv};

use crate::applets::{append, fault_status};
use crate::card::{Card, DOCUMENT_NUMBER_LEN};
use crate::platform::Platform;

/// A dedicated file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Df {
    #[default]
    Mf,
    PersonalData,
    Authentication,
    Signature,
}

/// A transparent elementary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ef {
    /// The document number in a data object; 2018 only.
    DocumentNumber,
    /// A field of the personal data, from 1 on.
    PersonalData(u8),
    /// A certificate.
    Certificate(KeyRef),
}

/// A file of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    Df(Df),
    /// With the DF that it is in.
    Ef(Df, Ef),
}

impl Df {
    /// Its identifier.
    pub(super) const fn id(self, profile: Profile) -> u16 {
        match (self, profile) {
            (Self::Mf, _) => file::MF,
            (Self::PersonalData, Profile::Esteid2018V1) => file::DF_PERSONAL_DATA,
            (Self::PersonalData, Profile::Esteid2025) => file::DF_PERSONAL_DATA_2025,
            (Self::Authentication, _) => file::DF_AUTHENTICATION,
            (Self::Signature, _) => file::DF_SIGNATURE,
        }
    }

    /// The file with the identifier `id` right below it.
    pub(super) fn child(self, id: u16, profile: Profile) -> Option<File> {
        let df = |df: Self| (df.id(profile) == id).then_some(File::Df(df));
        let certificate = |file: u16, key| (file == id).then_some(File::Ef(self, Ef::Certificate(key)));
        match (self, profile) {
            (Self::Mf, Profile::Esteid2018V1) if id == file::EF_DOCUMENT_NUMBER => Some(File::Ef(self, Ef::DocumentNumber)),
            (Self::Mf, _) => [Self::PersonalData, Self::Authentication, Self::Signature].into_iter().find_map(df),
            (Self::PersonalData, _) => (file::EF_PERSONAL_DATA_1..=file::EF_PERSONAL_DATA_15)
                .zip(1..)
                .find(|(file, _)| *file == id)
                .map(|(_, field)| File::Ef(self, Ef::PersonalData(field))),
            (Self::Authentication, Profile::Esteid2018V1) => {
                certificate(file::EF_AUTHENTICATION_CERTIFICATE, KeyRef::Authentication)
            }
            (Self::Authentication, Profile::Esteid2025) => {
                certificate(file::EF_AUTHENTICATION_CERTIFICATE_2025, KeyRef::Authentication)
            }
            (Self::Signature, Profile::Esteid2018V1) => certificate(file::EF_SIGNATURE_CERTIFICATE, KeyRef::Signature),
            (Self::Signature, Profile::Esteid2025) => certificate(file::EF_SIGNATURE_CERTIFICATE_2025, KeyRef::Signature),
        }
    }

    /// The file that `path`, identifiers one after another, leads to from here; from the MF if it begins with that.
    pub(super) fn walk(self, path: &[u8], profile: Profile) -> Option<File> {
        let (ids, []) = path.as_chunks::<2>() else { return None };
        let mut ids = ids.iter().map(|id| u16::from_be_bytes(*id)).peekable();
        let mut at = File::Df(self);
        if ids.next_if_eq(&file::MF).is_some() {
            at = File::Df(Self::Mf);
        }
        for id in ids {
            at = match at {
                File::Df(df) => df.child(id, profile)?,
                File::Ef(..) => return None,
            };
        }
        Some(at)
    }
}

impl File {
    /// Its control parameters.
    pub(super) fn control_parameters<P: Platform>(self, card: &mut Card<P>, profile: Profile) -> Result<Fcp, Status> {
        match self {
            Self::Df(df) => Ok(Fcp::Df { id: df.id(profile) }),
            Self::Ef(_, ef) => {
                let size = ef.with_octets(card, |octets| octets.len())?;
                Ok(Fcp::Ef { id: ef.id(profile), size: u16::try_from(size).map_err(|_| Status::MemoryFailure)? })
            }
        }
    }
}

impl Ef {
    fn id(self, profile: Profile) -> u16 {
        match (self, profile) {
            (Self::DocumentNumber, _) => file::EF_DOCUMENT_NUMBER,
            (Self::PersonalData(field), _) => (file::EF_PERSONAL_DATA_1 - 1).saturating_add(u16::from(field)),
            (Self::Certificate(KeyRef::Signature), Profile::Esteid2018V1) => file::EF_SIGNATURE_CERTIFICATE,
            (Self::Certificate(KeyRef::Signature), Profile::Esteid2025) => file::EF_SIGNATURE_CERTIFICATE_2025,
            (Self::Certificate(_), Profile::Esteid2018V1) => file::EF_AUTHENTICATION_CERTIFICATE,
            (Self::Certificate(_), Profile::Esteid2025) => file::EF_AUTHENTICATION_CERTIFICATE_2025,
        }
    }

    /// Lends its octets to `use_octets`.
    fn with_octets<P: Platform, T>(self, card: &mut Card<P>, use_octets: impl FnOnce(&[u8]) -> T) -> Result<T, Status> {
        match self {
            Self::DocumentNumber => {
                let mut object = [0; 2 + DOCUMENT_NUMBER_LEN];
                let mut writer = tlv::Writer::new(&mut object);
                let number = card.document_number().map_err(fault_status)?;
                writer.object(0x04, number).map_err(|tlv::Full| Status::MemoryFailure)?;
                Ok(use_octets(&object))
            }
            Self::PersonalData(field) => match card.personal_data(field).map_err(fault_status)? {
                [] => Ok(use_octets(&[0])),
                data => Ok(use_octets(data)),
            },
            Self::Certificate(key) => Ok(use_octets(card.certificate(key).map_err(fault_status)?)),
        }
    }

    /// Appends at most `le` of its octets, from `offset` on.
    ///
    /// # Errors
    /// [`Status::WrongParameters`] (6B00): nothing is there.
    pub(super) fn read<P: Platform>(
        self,
        card: &mut Card<P>,
        offset: usize,
        le: usize,
        response: &mut VecView<u8>,
    ) -> Result<(), Status> {
        self.with_octets(card, |octets| match octets.get(offset..) {
            None | Some([]) => Err(Status::WrongParameters),
            Some(rest) => append(response, rest.get(..le).unwrap_or(rest)),
        })?
    }
}
