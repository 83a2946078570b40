//! People who sign tokens, always in the same way.

use std::convert::Infallible;

use cdoc2_api::RecipientId;
use cdoc2_auth_token::{Algorithm, Audience, Token, Unsigned};
use p256::ecdsa::{Signature, signature::Signer as _};
use rand_core::{TryCryptoRng, TryRng};

use crate::key::Key;

/// Somebody with a key for ES256.
pub(crate) struct Person {
    pub(crate) key: Key,
    pub(crate) id: RecipientId,
}

/// Salts that count up.
struct Salts(u8);

impl TryRng for Salts {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0 += 1;
        Ok(u32::from(self.0))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 += 1;
        Ok(u64::from(self.0))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        self.0 += 1;
        octets.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Salts {}

impl Person {
    /// The holder of the key of which each octet is `octet`.
    pub(crate) fn new(octet: u8, id: &str) -> Self {
        Self { key: Key::new(octet), id: id.parse().unwrap() }
    }

    /// A token for these shares.
    pub(crate) fn token(&self, audiences: &[Audience]) -> Token {
        let unsigned = Unsigned::new(&self.id, Algorithm::Es256, audiences, &mut Salts(0)).unwrap();
        let signature: Signature = self.key.key.sign(unsigned.signing_input());
        unsigned.sign(signature.to_bytes().to_vec()).unwrap()
    }
}

/// What is signed of a ticket, and its signature: all before the disclosures.
pub(crate) fn signed(ticket: &str) -> &str {
    ticket.split('~').next().unwrap()
}
