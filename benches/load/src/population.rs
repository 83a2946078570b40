//! Recipients, and the capsules that are kept for them. Nothing of it is stored here: a number says it all.

use std::sync::Arc;

use aws_lc_rs::digest;
use cdoc2_api::{Capsule, CapsuleType, ExpiryTime, TransactionId};
use cdoc2_server::store::{self, Store, StoredCapsule};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

use crate::fill::Kept;
use crate::pki::{Authority, Error, Recipient};

/// Senders' keys are few, for a server checks each as if it had never seen it.
const EPHEMERAL_KEYS: u32 = 64;

/// Recipients and capsules. Capsule `n` belongs to recipient `n % recipients`.
#[derive(Debug)]
pub(crate) struct Population {
    recipients: Vec<Arc<Recipient>>,
    ephemeral_keys: Vec<Vec<u8>>,
    capsules: u64,
}

impl Population {
    /// So many recipients with keys of their own, and numbers for so many capsules.
    pub(crate) fn generate(authority: &Authority, recipients: u32, capsules: u64) -> Result<Self, Error> {
        let ephemeral = |_| Ok(KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?.public_key_raw().to_vec());
        Ok(Self {
            recipients: (0..recipients).map(|number| authority.recipient(number)).collect::<Result<_, _>>()?,
            ephemeral_keys: (0..EPHEMERAL_KEYS).map(ephemeral).collect::<Result<_, Error>>()?,
            capsules,
        })
    }

    /// All recipients.
    pub(crate) fn recipients(&self) -> &[Arc<Recipient>] {
        &self.recipients
    }

    /// Capsule `number`; those beyond their count are for putting more.
    pub(crate) fn capsule(&self, number: u64) -> Capsule {
        Capsule {
            recipient_id: self.recipients[self.owner(number)].public_key.clone(),
            ephemeral_key_material: self.ephemeral_keys[(number % u64::from(EPHEMERAL_KEYS)) as usize].clone(),
            capsule_type: CapsuleType::EccSecp384r1,
        }
    }

    /// Whose it is: an index into [`Self::recipients`].
    pub(crate) fn owner(&self, number: u64) -> usize {
        (number % self.recipients.len() as u64) as usize
    }

    /// A random capsule that was stored beforehand.
    pub(crate) fn any(&self, rng: &mut fastrand::Rng) -> u64 {
        rng.u64(..self.capsules)
    }

    /// A random one of those of recipient `owner`.
    pub(crate) fn any_of(&self, owner: usize, rng: &mut fastrand::Rng) -> u64 {
        let recipients = self.recipients.len() as u64;
        let own = (self.capsules - owner as u64).div_ceil(recipients);
        rng.u64(..own) * recipients + owner as u64
    }
}

impl Kept for Population {
    fn count(&self) -> u64 {
        self.capsules
    }

    async fn put(&self, store: &dyn Store, number: u64, expiry: ExpiryTime) -> Result<(), store::Error> {
        // Nobody asks for those that do not stay, so that they are put as the server puts them.
        let id = if number < self.capsules { id(number) } else { TransactionId::from_bits(store.new_id()?) };
        store.put_capsule(&id, &StoredCapsule { capsule: self.capsule(number), expiry }).await
    }
}

/// The transaction id of capsule `number`: spread as evenly as random ones.
pub(crate) fn id(number: u64) -> TransactionId {
    TransactionId::from_bits(spread(number))
}

/// 128 bits for a number.
pub(crate) fn spread(number: u64) -> u128 {
    let digest = digest::digest(&digest::SHA256, &number.to_be_bytes());
    u128::from_be_bytes(*digest.as_ref().first_chunk().expect("SHA-256 has 32 octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capsules_of_a_recipient_are_found() {
        let authority = Authority::generate().unwrap();
        let population = Population::generate(&authority, 3, 8).unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        for owner in 0..3 {
            let mut seen: Vec<u64> = (0..200).map(|_| population.any_of(owner, &mut rng)).collect();
            seen.sort_unstable();
            seen.dedup();
            let own: Vec<u64> = (0..8).filter(|number| population.owner(*number) == owner).collect();
            assert_eq!(seen, own);
        }
        assert_eq!(population.capsule(4).recipient_id, population.recipients()[1].public_key);
    }

    #[test]
    fn ids_differ() {
        assert_eq!(id(1).as_str().len(), 34);
        assert_ne!(id(1), id(2));
    }
}
