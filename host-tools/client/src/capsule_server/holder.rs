//! A holder of a key that fetches the capsules of records that are on servers.

use cdoc2::core::holder::{Fit, KeyHolder, Released};
use cdoc2::core::wire::capsule::{Capsule, EccPublicKeyCapsule, EllipticCurve, KeyDetails, KeyServerCapsule, RsaPublicKeyCapsule};
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::{Curve, Feature};
use cdoc2_api::{CapsuleType, TransactionId};

use super::Error;
use super::authenticate::{Authenticate, Failure};
use super::fetch::fetch;
use crate::config::{Config, Server};
use crate::https::Timeouts;

/// Another holder, and the servers that keep capsules for its keys.
///
/// A server is asked only for a record whose key the other holder has. Everything that can be found wrong without the key is found before: the
/// server must stand in the configuration, and the transaction id must be one. What the server gives must be of the record's kind and for its
/// key; then the other holder opens it as if it had stood in the container.
#[derive(Debug)]
pub struct ServerHolder<'c, H> {
    inner: H,
    config: &'c Config,
    timeouts: Timeouts,
}

impl<'c, H: Authenticate> ServerHolder<'c, H> {
    /// `inner`, with the servers of `config`.
    pub fn new(inner: H, config: &'c Config, timeouts: Timeouts) -> Self {
        Self { inner, config, timeouts }
    }

    fn fetch_and_release(
        &mut self,
        envelope: &Envelope<'_>,
        record: &RecipientRecord<'_>,
        place: &KeyServerCapsule<'_>,
    ) -> Result<Released, Failure<H::Error>> {
        let (server, id) = self.locate(place)?;
        let Some(stand_in) = stand_in(&place.recipient_key_details) else {
            return Err(Failure::Holder(cdoc2::Error::Unsupported(Feature::Capsule).into()));
        };
        let stand_in = RecipientRecord { capsule: stand_in, ..*record };
        let credentials = self.inner.credentials(&stand_in)?;
        let inner = &mut self.inner;
        let fetched = fetch(server, &id, credentials, self.timeouts, |scheme, message| inner.sign(&stand_in, scheme, message))?;
        let (capsule_type, key) = expected(&place.recipient_key_details)?;
        if fetched.capsule_type != capsule_type {
            return Err(Error::Mismatch("it is of another kind").into());
        }
        if fetched.recipient_id != key {
            return Err(Error::Mismatch("it is for another key").into());
        }
        let material = &fetched.ephemeral_key_material[..];
        let capsule = match stand_in.capsule {
            Capsule::EccPublicKey(capsule) => Capsule::EccPublicKey(EccPublicKeyCapsule { sender_public_key: material, ..capsule }),
            Capsule::RsaPublicKey(capsule) => Capsule::RsaPublicKey(RsaPublicKeyCapsule { encrypted_kek: material, ..capsule }),
            _ => return Err(Failure::Holder(cdoc2::Error::Unsupported(Feature::Capsule).into())),
        };
        self.inner.release(envelope, &RecipientRecord { capsule, ..*record }).map_err(Failure::Holder)
    }

    /// Where the capsule is, as far as the container and the configuration say it.
    fn locate(&self, place: &KeyServerCapsule<'_>) -> Result<(&'c Server, TransactionId), Error> {
        let server = self.config.server(place.keyserver_id.as_str().ok_or(Error::Id)?)?;
        let id = place.transaction_id.as_str().ok_or(cdoc2_api::id::Malformed::Character)?;
        Ok((server, id.parse()?))
    }
}

impl<H: Authenticate> KeyHolder for ServerHolder<'_, H> {
    type Error = H::Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        let Capsule::KeyServer(place) = record.capsule else { return self.inner.fit(record) };
        stand_in(&place.recipient_key_details).map_or(Fit::No, |capsule| self.inner.fit(&RecipientRecord { capsule, ..*record }))
    }

    fn release(&mut self, envelope: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, H::Error> {
        let Capsule::KeyServer(place) = record.capsule else { return self.inner.release(envelope, record) };
        self.fetch_and_release(envelope, record, &place).map_err(|failure| match failure {
            Failure::Holder(error) => error,
            Failure::Server(reason) => {
                cdoc2::Error::NotFetched { server: place.keyserver_id.to_string(), reason: reason.into() }.into()
            }
        })
    }
}

/// `record` as it would be if its capsule were in the container, as far as a holder looks at it to say whether it fits; `None` if that cannot be
/// said.
#[must_use]
pub fn without_server<'b>(record: &RecipientRecord<'b>) -> Option<RecipientRecord<'b>> {
    let Capsule::KeyServer(place) = record.capsule else { return Some(*record) };
    Some(RecipientRecord { capsule: stand_in(&place.recipient_key_details)?, ..*record })
}

/// The capsule that a record would have if it were not on a server, without what only the server knows.
fn stand_in<'b>(details: &KeyDetails<'b>) -> Option<Capsule<'b>> {
    match *details {
        KeyDetails::Ecc { curve, recipient_public_key } => {
            Some(Capsule::EccPublicKey(EccPublicKeyCapsule { curve, recipient_public_key, sender_public_key: &[] }))
        }
        KeyDetails::Rsa { recipient_public_key } => {
            Some(Capsule::RsaPublicKey(RsaPublicKeyCapsule { recipient_public_key, encrypted_kek: &[] }))
        }
        KeyDetails::Unknown(_) => None,
    }
}

/// What the server's capsule must be.
fn expected<'b, E: From<cdoc2::Error>>(details: &KeyDetails<'b>) -> Result<(CapsuleType, &'b [u8]), Failure<E>> {
    let unsupported = |feature| Failure::Holder(cdoc2::Error::Unsupported(feature).into());
    match *details {
        KeyDetails::Ecc { curve: EllipticCurve::Known(curve), recipient_public_key } => {
            let capsule_type = match curve {
                Curve::Secp256r1 => CapsuleType::EccSecp256r1,
                Curve::Secp384r1 => CapsuleType::EccSecp384r1,
                Curve::Secp521r1 => CapsuleType::EccSecp521r1,
            };
            Ok((capsule_type, recipient_public_key))
        }
        KeyDetails::Ecc { .. } => Err(unsupported(Feature::Curve)),
        KeyDetails::Rsa { recipient_public_key } => Ok((CapsuleType::Rsa, recipient_public_key)),
        KeyDetails::Unknown(_) => Err(unsupported(Feature::Capsule)),
    }
}
