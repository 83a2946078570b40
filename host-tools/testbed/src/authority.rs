//! The authority: a root, an intermediate below it, and certificates for everybody.

use std::fmt;
use std::time::SystemTime;

use simulator::ca::{self, Ca};
use simulator::certificate::{Content, Subject};
use simulator::hw::Rng;

use crate::identity::{Algorithm, Identity};
use crate::{Error, key};

/// Root and intermediate, both ECDSA over secp384r1. Certificates are the intermediate's.
pub struct Authority {
    root: Ca,
    intermediate: Ca,
}

impl Authority {
    /// A new authority. Certificates will say that `ocsp` is where its responder answers, if there is one. Two of the same `name` have the
    /// same names in their certificates, and other keys.
    ///
    /// # Errors
    /// No random numbers.
    pub fn new(name: &str, ocsp: Option<&str>) -> Result<Self, Error> {
        let (now, mut rng) = (SystemTime::now(), Rng::system());
        let root = Ca::root(Subject::named(&format!("{name} Root"))?, now, &mut rng)?;
        let mut intermediate = root.subordinate(Subject::named(&format!("{name} Intermediate"))?, now, &mut rng)?;
        if let Some(url) = ocsp {
            intermediate = intermediate.with_ocsp(url.into());
        }
        Ok(Self { root, intermediate })
    }

    /// The root's certificate in DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        self.root.certificate()
    }

    /// The intermediate's certificate in DER.
    #[must_use]
    pub fn intermediate(&self) -> &[u8] {
        self.intermediate.certificate()
    }

    /// Both certificates in PEM: the intermediate's, then the root's.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.intermediate.to_pem() + &self.root.to_pem()
    }

    /// The root's certificate in PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.root.to_pem()
    }

    /// The intermediate's certificate in PEM.
    #[must_use]
    pub fn intermediate_pem(&self) -> String {
        self.intermediate.to_pem()
    }

    /// The intermediate, for making cards.
    pub(crate) fn issuer(&self) -> &Ca {
        &self.intermediate
    }

    /// Certifies that the key `info` (DER of `SubjectPublicKeyInfo`) is that of whom `content` names; the certificate in DER.
    ///
    /// # Errors
    /// No random numbers, or `info` is none.
    pub fn certify(&self, content: &Content, info: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.intermediate.certify(content, info, &mut Rng::system())?)
    }

    /// A new key in software, and its certificate.
    ///
    /// # Errors
    /// No random numbers.
    pub fn identity(&self, content: &Content, algorithm: Algorithm) -> Result<Identity, Error> {
        let key = key::generate(algorithm)?;
        let certificate = self.certify(content, &key.info)?;
        Ok(Identity::new(key, certificate, self.intermediate().to_vec()))
    }

    /// The key of `identity` once more, with a certificate of this authority that says what `content` does.
    ///
    /// # Errors
    /// No random numbers.
    pub fn certify_again(&self, identity: &Identity, content: &Content) -> Result<Identity, Error> {
        let certificate = self.certify(content, identity.public_key())?;
        Ok(identity.with_certificate(certificate, self.intermediate().to_vec()))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate in DER as PEM.
#[must_use]
pub fn to_pem(der: &[u8]) -> String {
    ca::to_pem(der)
}
