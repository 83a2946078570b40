//! Making a token: what is to be signed, the signed token, and its tickets. Source: specification, "Creating SD-JWT structure (authentication data and
//! authentication signature)" and "Presenting SD-JWT (creating authentication ticket)".

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_api::RecipientId;
use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use crate::disclosure::{self, Digest};
use crate::{Algorithm, Audience, MAX_AUDIENCES, TYPE, Unverified};

/// A token without its signature.
///
/// The specification writes `aud` as an array in the payload; libcdoc and Java put it into a disclosure of its own, and so does this.
pub struct Unsigned {
    algorithm: Algorithm,
    signing_input: String,
    audiences: Zeroizing<String>,
    each: Vec<Zeroizing<String>>,
}

/// A signed token: all that its tickets are made of. It is for whoever signed, and for nobody else.
pub struct Token {
    unsigned: Unsigned,
    signature: Vec<u8>,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// For fewer than two servers, or more than [`MAX_AUDIENCES`].
    #[error("a token is for 2 to {MAX_AUDIENCES} servers")]
    Audiences,
    /// The random generator failed.
    #[error("the system gives no random octets")]
    Random,
    /// A signature that is none of the token's algorithm, such as one of ECDSA in DER.
    #[error("the signature does not have the length of one of the token's algorithm")]
    SignatureLength,
}

impl Unsigned {
    /// What `issuer` has to sign to fetch one share from each of `audiences`. Salts come from `rng`.
    ///
    /// # Errors
    /// [`Error::Audiences`], [`Error::Random`].
    pub fn new<R: TryCryptoRng + ?Sized>(
        issuer: &RecipientId,
        algorithm: Algorithm,
        audiences: &[Audience],
        rng: &mut R,
    ) -> Result<Self, Error> {
        if !(2..=MAX_AUDIENCES).contains(&audiences.len()) {
            return Err(Error::Audiences);
        }
        let each = audiences.iter().map(|audience| disclosure::of_audience(audience, rng)).collect::<Result<Vec<_>, _>>()?;
        let digests: Vec<Digest> = each.iter().map(|text| Digest::of(text)).collect();
        let audiences = disclosure::of_audiences(&digests, rng)?;
        // No character of these is one that JSON escapes.
        let header = format!(r#"{{"typ":"{TYPE}","alg":"{}"}}"#, algorithm.name());
        let payload = format!(r#"{{"iss":"{issuer}","_sd":["{}"],"_sd_alg":"sha-256"}}"#, Digest::of(&audiences));
        let [header, payload] = [header, payload].map(|json| Base64UrlUnpadded::encode_string(json.as_bytes()));
        Ok(Self { algorithm, signing_input: format!("{header}.{payload}"), audiences, each })
    }

    /// The algorithm that the signature must be of.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The octets that the signature is over.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// The token with its signature: r and s, each as long as the curve's order, for ECDSA. Whose it is, [`Token::verify_signature`] says.
    ///
    /// # Errors
    /// [`Error::SignatureLength`].
    pub fn sign(self, signature: Vec<u8>) -> Result<Token, Error> {
        if !self.algorithm.has_signature_len(signature.len()) {
            return Err(Error::SignatureLength);
        }
        Ok(Token { unsigned: self, signature })
    }
}

impl Token {
    /// The ticket for the server of the audience at `index`; `None` if there were not so many. For this server only: others could use it up.
    #[must_use]
    pub fn ticket(&self, index: usize) -> Option<Zeroizing<String>> {
        let Unsigned { signing_input, audiences, each, .. } = &self.unsigned;
        let signature = Base64UrlUnpadded::encode_string(&self.signature);
        each.get(index).map(|audience| Zeroizing::new(format!("{signing_input}.{signature}~{}~{}~", **audiences, **audience)))
    }

    /// Checks the signature by the key in a DER `SubjectPublicKeyInfo`, as a server will.
    ///
    /// # Errors
    /// [`Unverified`].
    pub fn verify_signature(&self, public_key_info: &[u8]) -> Result<(), Unverified> {
        self.unsigned.algorithm.verify(public_key_info, self.unsigned.signing_input(), &self.signature)
    }
}

impl fmt::Debug for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsigned").field("algorithm", &self.algorithm).field("audiences", &self.each.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.unsigned).finish()
    }
}
