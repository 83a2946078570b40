//! People with keys, servers, and tickets that nobody here would make.

use std::convert::Infallible;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_api::RecipientId;
use cdoc2_auth_token::{Algorithm, Audience, TYPE, Token, Unsigned};
use rand_core::{TryCryptoRng, TryRng};

pub(crate) const ISSUER: &str = "etsi/PNOEE-48010010101";

pub(crate) fn issuer() -> RecipientId {
    ISSUER.parse().unwrap()
}

pub(crate) fn base64(octets: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(octets.as_ref())
}

pub(crate) fn decoded(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

/// A digest as it stands in a token.
pub(crate) fn digest_of(disclosure: &str) -> String {
    base64(digest(&SHA256, disclosure.as_bytes()))
}

/// Octets that look random and are the same in each run: SHA-256 of a counter.
pub(crate) struct Deterministic(pub(crate) u64);

impl TryRng for Deterministic {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(random(self)))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(random(self)))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for chunk in octets.chunks_mut(32) {
            self.0 += 1;
            chunk.copy_from_slice(&digest(&SHA256, &self.0.to_le_bytes()).as_ref()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Deterministic {}

fn random<const N: usize>(rng: &mut Deterministic) -> [u8; N] {
    let mut octets = [0; N];
    let Ok(()) = rng.try_fill_bytes(&mut octets);
    octets
}

/// Shares on as many servers.
pub(crate) fn audiences(count: usize, rng: &mut Deterministic) -> Vec<Audience> {
    (0..count)
        .map(|_| {
            let [host, id] = [(); 2].map(|()| format!("{:032x}", u128::from_le_bytes(random(rng))));
            format!("https://{host}.example:8443/key-shares/{id}?nonce={}", base64(random::<12>(rng))).parse().unwrap()
        })
        .collect()
}

/// Whoever signs.
pub(crate) enum Signer {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    pub(crate) fn p256() -> Self {
        Self::ec(&ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub(crate) fn p384() -> Self {
        Self::ec(&ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    pub(crate) fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        Self::Ec(EcdsaKeyPair::generate(algorithm).unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Es256 => Self::p256(),
            Algorithm::Es384 => Self::p384(),
            Algorithm::Rs256 | Algorithm::Ps256 => Self::rsa(),
        }
    }

    pub(crate) fn public_key_info(&self) -> Vec<u8> {
        match self {
            Self::Ec(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
            Self::Rsa(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
        }
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, signing_input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(key) => key.sign(&random, signing_input).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let padding = if algorithm == Algorithm::Ps256 { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                key.sign(padding, &random, signing_input, &mut signature).unwrap();
                signature
            }
        }
    }

    pub(crate) fn token(&self, algorithm: Algorithm, audiences: &[Audience], rng: &mut Deterministic) -> Token {
        let unsigned = Unsigned::new(&issuer(), algorithm, audiences, rng).unwrap();
        let signature = self.sign(algorithm, unsigned.signing_input());
        unsigned.sign(signature).unwrap()
    }
}

/// The parts of a ticket, of which each can be anything.
#[derive(Clone)]
pub(crate) struct Forged {
    pub(crate) header: String,
    pub(crate) payload: String,
    pub(crate) disclosures: Vec<String>,
}

/// The only audience of [`Forged::new`].
pub(crate) const AUDIENCE: &str = "https://css.example:443/key-shares/ff0102030405060708090a0b0c0e0dff?nonce=AAECAwQFBgcI";

/// `[salt, text]`.
pub(crate) fn element(text: &str) -> String {
    base64(format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","{text}"]"#))
}

/// `[salt, name, [{"...": digest}, ...]]`.
pub(crate) fn member(name: &str, digests: &[String]) -> String {
    base64(format!(r#"["BBBBBBBBBBBBBBBBBBBBBA","{name}",{}]"#, places(digests)))
}

/// `[{"...": digest}, ...]`.
pub(crate) fn places(digests: &[String]) -> String {
    let places: Vec<String> = digests.iter().map(|digest| format!(r#"{{"...":"{digest}"}}"#)).collect();
    format!("[{}]", places.join(","))
}

impl Forged {
    /// A sound one for [`AUDIENCE`] and one server more, in the form that is written here.
    pub(crate) fn new() -> Self {
        let element = element(AUDIENCE);
        Self::disclosing(vec![member("aud", &[digest_of("other"), digest_of(&element)]), element])
    }

    /// With the digest of the first disclosure in `_sd`.
    pub(crate) fn disclosing(disclosures: Vec<String>) -> Self {
        Self {
            header: format!(r#"{{"typ":"{TYPE}","alg":"ES256"}}"#),
            payload: format!(r#"{{"iss":"{ISSUER}","_sd":["{}"],"_sd_alg":"sha-256"}}"#, digest_of(&disclosures[0])),
            disclosures,
        }
    }

    /// A sound one in the form of the specification.
    pub(crate) fn in_payload() -> Self {
        let element = element(AUDIENCE);
        let places = places(&[digest_of(&element), digest_of("other")]);
        let payload = format!(r#"{{"iss":"{ISSUER}","aud":{places},"_sd_alg":"sha-256"}}"#);
        Self { payload, disclosures: vec![element], ..Self::new() }
    }

    pub(crate) fn signing_input(&self) -> String {
        format!("{}.{}", base64(&self.header), base64(&self.payload))
    }

    pub(crate) fn text(&self) -> String {
        format!("{}.{}~{}~", self.signing_input(), base64([1; 64]), self.disclosures.join("~"))
    }
}
