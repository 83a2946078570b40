//! People who sign, and the shares that are kept for them. Nothing of a share is stored here: a number says it all.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_api::{ExpiryTime, KeyShare, RecipientId, Share, ShareId};
use cdoc2_auth_token::{Algorithm, Audience, Unsigned};
use cdoc2_server::store::{self, Store, StoredShare};
use getrandom::SysRng;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use zeroize::Zeroizing;

use crate::fill::Kept;
use crate::pki::{Authority, Error};
use crate::population::spread;

/// Keys of RSA are few, for they take long to make, and a server does not know one again.
const RSA_KEYS: u32 = 16;

/// What each token is for besides: somebody else's server.
const OTHER: &str = "https://shares.example.org:443/key-shares/ff0102030405060708090a0b0c0e0dff?nonce=AAECAwQFBgcICQoL";

/// With what people sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// ECDSA on P-256, as with Mobile-ID.
    Es256,
    /// RSA with 2048 bits.
    Rs256,
}

/// Whoever signs.
struct Person {
    id: RecipientId,
    /// Their certificate as requests have it.
    x5c: String,
    key: Arc<Key>,
}

enum Key {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// People who sign in the same way, and their shares. Share `first + n` belongs to person `n % people`.
pub(crate) struct People {
    signature: Signature,
    people: Vec<Person>,
    first: u64,
    shares: u64,
    other: Audience,
}

impl Signature {
    /// `alg` of their tokens.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::Rs256 => Algorithm::Rs256,
        }
    }

    /// What a figure of theirs is called.
    pub(crate) fn cost(self) -> &'static str {
        match self {
            Self::Es256 => "a ticket, ES256",
            Self::Rs256 => "a ticket, RS256",
        }
    }

    /// What nobody else's personal code begins with.
    fn code(self) -> u64 {
        match self {
            Self::Es256 => 30_001_000_000,
            Self::Rs256 => 40_001_000_000,
        }
    }
}

impl Key {
    fn of(pair: &KeyPair, signature: Signature) -> Result<Self, Error> {
        let der = pair.serialize_der();
        Ok(match signature {
            Signature::Es256 => Self::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(|_| Error::Key)?),
            Signature::Rs256 => Self::Rsa(RsaKeyPair::from_pkcs8(&der).map_err(|_| Error::Key)?),
        })
    }

    fn sign(&self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Ec(key) => key.sign(&SystemRandom::new(), octets).expect("the system has random octets").as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), octets, &mut signature).expect("a sound key signs");
                signature
            }
        }
    }
}

impl People {
    /// So many people with certificates of their own, and numbers for so many shares, from `first` on.
    pub(crate) fn generate(
        authority: &Authority,
        signature: Signature,
        people: u32,
        first: u64,
        shares: u64,
    ) -> Result<Self, Error> {
        let (algorithm, keys) = match signature {
            Signature::Es256 => (&PKCS_ECDSA_P256_SHA256, people),
            Signature::Rs256 => (&PKCS_RSA_SHA256, people.min(RSA_KEYS)),
        };
        let key = |_| {
            let pair = KeyPair::generate_for(algorithm)?;
            Ok((Arc::new(Key::of(&pair, signature)?), pair))
        };
        let keys: Vec<(Arc<Key>, KeyPair)> = (0..keys).map(key).collect::<Result<_, Error>>()?;
        let person = |(number, (key, pair)): (u64, &(Arc<Key>, KeyPair))| {
            let serial_number = format!("PNOEE-{}", signature.code() + number);
            let x5c = Base64UrlUnpadded::encode_string(&authority.person(&serial_number, pair)?);
            let id = RecipientId::of_serial_number(&serial_number).expect("PNOEE- and eleven digits are somebody");
            Ok(Person { id, x5c, key: Arc::clone(key) })
        };
        let people = (0..u64::from(people)).zip(keys.iter().cycle()).map(person).collect::<Result<_, Error>>()?;
        Ok(Self { signature, people, first, shares, other: OTHER.parse().expect("it is an audience") })
    }

    /// With what they sign.
    pub(crate) fn signature(&self) -> Signature {
        self.signature
    }

    /// How many they are.
    pub(crate) fn len(&self) -> u64 {
        self.people.len() as u64
    }

    /// The number of the share that each person has first, in their order.
    pub(crate) fn first_of_each(&self) -> impl Iterator<Item = u64> + use<> {
        self.first..self.first + self.len()
    }

    /// A random one of their shares.
    pub(crate) fn any(&self, rng: &mut fastrand::Rng) -> u64 {
        self.first + rng.u64(..self.shares)
    }

    /// Share `number`: all of one person are alike.
    pub(crate) fn share(&self, number: u64) -> KeyShare {
        let person = self.person(number);
        let octets = digest::digest(&digest::SHA256, person.id.as_str().as_bytes());
        let share = Share::new(octets.as_ref().to_vec()).expect("32 octets are a share");
        KeyShare { share, recipient: person.id.clone() }
    }

    /// A ticket for a share of the owner of share `number`, and the certificate that goes with it.
    pub(crate) fn ticket(&self, number: u64, audience: Audience) -> (Zeroizing<String>, &str) {
        let person = self.person(number);
        let audiences = [audience, self.other.clone()];
        let unsigned = Unsigned::new(&person.id, self.signature.algorithm(), &audiences, &mut SysRng)
            .expect("there are two servers, and random octets");
        let signature = person.key.sign(unsigned.signing_input());
        let token = unsigned.sign(signature).expect("it is of the algorithm");
        (token.ticket(0).expect("it is for the first server"), &person.x5c)
    }

    fn person(&self, number: u64) -> &Person {
        &self.people[((number - self.first) % self.len()) as usize]
    }
}

impl Kept for People {
    fn count(&self) -> u64 {
        self.shares
    }

    async fn put(&self, store: &dyn Store, number: u64, expiry: ExpiryTime) -> Result<(), store::Error> {
        // Nobody asks for those that do not stay, so that they are put as the server puts them.
        let stays = number < self.shares;
        let number = self.first + number;
        let id = if stays { id(number) } else { ShareId::from_bits(store.new_id()?) };
        store.put_share(&id, &StoredShare { share: self.share(number), expiry }).await
    }
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("signature", &self.signature).field("people", &self.people.len()).finish_non_exhaustive()
    }
}

/// The id of share `number`: spread as evenly as random ones.
pub(crate) fn id(number: u64) -> ShareId {
    ShareId::from_bits(spread(number))
}

#[cfg(test)]
mod tests {
    use cdoc2_auth_token::Ticket;
    use der::{Decode as _, Encode as _};
    use rustls_pki_types::CertificateDer;
    use x509_cert::Certificate;

    use super::*;

    #[test]
    fn tickets_are_signed_by_the_owners_certificate() {
        let authority = Authority::generate().unwrap();
        for signature in [Signature::Es256, Signature::Rs256] {
            let people = People::generate(&authority, signature, 3, 100, 8).unwrap();
            let audience: Audience = OTHER.replace("example", "invalid").parse().unwrap();
            let mut certificates = Vec::new();
            for number in people.first_of_each() {
                let (ticket, x5c) = people.ticket(number, audience.clone());
                let ticket = Ticket::parse(&ticket).unwrap();
                assert_eq!((ticket.issuer(), ticket.audience()), (&people.share(number).recipient, &audience));
                let certificate = CertificateDer::from(Base64UrlUnpadded::decode_vec(x5c).unwrap());
                let parsed = Certificate::from_der(&certificate).unwrap();
                let key = parsed.tbs_certificate().subject_public_key_info().to_der().unwrap();
                assert_eq!(ticket.verify_signature(&key), Ok(()));
                certificates.push(parsed.tbs_certificate().serial_number().clone());
            }
            certificates.dedup();
            assert_eq!(certificates.len(), 3);
        }
    }

    #[test]
    fn shares_are_somebodys() {
        let authority = Authority::generate().unwrap();
        let people = People::generate(&authority, Signature::Es256, 3, 100, 8).unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        assert!((0..100).all(|_| (100..108).contains(&people.any(&mut rng))));
        assert_eq!(people.share(100), people.share(103));
        assert_ne!(people.share(100).recipient, people.share(101).recipient);
        assert_ne!(id(1), id(2));
    }
}
