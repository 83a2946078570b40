//! A person who signs in, as the holder of a recipient's key (UC.Client.04).

use std::fmt;

use cdoc2::core::Feature;
use cdoc2::core::holder::{Fit, KeyHolder, Released};
use cdoc2::core::key::combine;
use cdoc2::core::wire::capsule::Capsule;
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2_api::{Nonce, RecipientId};
use cdoc2_auth_token::{Audience, Unsigned};
use getrandom::SysRng;

use super::Error;
use super::fetch::{Credentials, nonces, shares};
use super::record::{Place, Shares};
use crate::auth::{Algorithm, AuthSigner, Interaction, Signed};
use crate::config::Config;
use crate::https::Timeouts;

/// Opens records whose key is split over shares servers, by one signature of the person whose they are.
///
/// Before anything is sent, all that can be found wrong is found: the record must be sound, every server of it must stand in the configuration, and the
/// signer must have a key of the person. Each attempt has nonces of its own, so that one that has failed begins anew with another
/// [`Container::unlock_with`](cdoc2::Container::unlock_with), where [`Error::may_be_tried_again`] says that it makes sense.
pub struct SharesHolder<'c> {
    person: &'c RecipientId,
    signer: &'c mut dyn AuthSigner,
    interaction: &'c mut dyn Interaction,
    config: &'c Config,
    timeouts: Timeouts,
}

impl fmt::Debug for SharesHolder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharesHolder").finish_non_exhaustive()
    }
}

impl<'c> SharesHolder<'c> {
    /// `signer` signs for `person`, with the servers of `config`.
    pub fn new(
        person: &'c RecipientId,
        signer: &'c mut dyn AuthSigner,
        interaction: &'c mut dyn Interaction,
        config: &'c Config,
        timeouts: Timeouts,
    ) -> Self {
        Self { person, signer, interaction, config, timeouts }
    }

    /// Lets the person sign over the places and nonces of all shares; what each server is shown of it, in the order of the places.
    fn sign(&mut self, places: &[Place<'_>], nonces: Vec<Nonce>, algorithm: Algorithm) -> Result<Vec<Credentials>, Error> {
        let audience = |(place, nonce): (&Place<'_>, Nonce)| Audience {
            server: place.server.base_url.clone(),
            share_id: place.share_id.clone(),
            nonce,
        };
        let audiences: Vec<Audience> = places.iter().zip(nonces).map(audience).collect();
        let unsigned = Unsigned::new(self.person, algorithm, &audiences, &mut SysRng)?;
        let Signed { certificate, signature } =
            self.signer.sign(self.person, unsigned.signing_input(), algorithm, self.interaction)?;
        let token = unsigned.sign(signature)?;
        let tickets = (0..audiences.len()).filter_map(|index| token.ticket(index));
        Ok(tickets.map(|ticket| Credentials { ticket, certificate: certificate.clone() }).collect())
    }
}

impl KeyHolder for SharesHolder<'_> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        let is_theirs =
            matches!(record.capsule, Capsule::KeyShares(capsule) if capsule.recipient_id.0 == self.person.as_str().as_bytes());
        if is_theirs { Fit::Yes } else { Fit::No }
    }

    fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        let Capsule::KeyShares(capsule) = record.capsule else {
            return Err(cdoc2::Error::Unsupported(Feature::Capsule).into());
        };
        let Shares { recipient, places } = Shares::locate(&capsule, self.config)?;
        let algorithm = self.signer.algorithm(self.person)?;
        let nonces = nonces(&places, self.timeouts, self.interaction)?;
        let credentials = self.sign(&places, nonces, algorithm)?;
        let shares = shares(&places, &recipient, credentials, self.timeouts, self.interaction)?;
        Ok(Released::Kek(combine(&shares)?))
    }
}
