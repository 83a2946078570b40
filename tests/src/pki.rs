//! Keys and certificates of a test, made anew for it by a library that nobody here wrote.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// How long a certificate is valid, before and after now.
const HOUR: Duration = Duration::from_secs(3600);

/// The kinds of keys that recipients have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On P-256.
    P256,
    /// On P-384.
    P384,
    /// On P-521.
    P521,
    /// RSA of 2048 bits.
    Rsa,
}

impl Kind {
    /// The three on curves.
    pub const ECC: [Self; 3] = [Self::P256, Self::P384, Self::P521];
    /// All four.
    pub const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::Rsa];

    /// The `capsule_type` for such a key.
    #[must_use]
    pub fn capsule_type(self) -> &'static str {
        match self {
            Self::P256 => "ecc_secp256r1",
            Self::P384 => "ecc_secp384r1",
            Self::P521 => "ecc_secp521r1",
            Self::Rsa => "rsa",
        }
    }

    /// A new key.
    ///
    /// # Panics
    /// No random numbers.
    #[must_use]
    pub fn generate(self) -> KeyPair {
        let algorithm = match self {
            Self::P256 => &PKCS_ECDSA_P256_SHA256,
            Self::P384 => &PKCS_ECDSA_P384_SHA384,
            Self::P521 => &PKCS_ECDSA_P521_SHA512,
            Self::Rsa => &PKCS_RSA_SHA256,
        };
        KeyPair::generate_for(algorithm).expect("a key")
    }
}

/// A key with its certificate.
#[derive(Debug)]
pub struct Identity {
    /// The key.
    pub key: KeyPair,
    /// The certificate, and those above it but for the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's serial number.
    pub serial: u32,
}

impl Identity {
    /// The public key as a capsule's `recipient_id` has it: the point, or `RSAPublicKey`.
    #[must_use]
    pub fn recipient_id(&self) -> &[u8] {
        self.key.public_key_raw()
    }

    /// The private key, PKCS#8.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key that was just made")
    }

    /// The chain in PEM.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem(certificate)).collect()
    }
}

/// An authority whose certificates nobody should trust.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The certificates from its own up to the one below the root: empty for a root.
    above: Vec<CertificateDer<'static>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A root called `name`.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn root(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), Kind::P384.generate()).expect("a root");
        Self { issuer, above: Vec::new() }
    }

    /// An authority below this one.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        let issuer = CertifiedIssuer::signed_by(authority(name), Kind::P384.generate(), &self.issuer).expect("an intermediate");
        let mut above = vec![issuer.der().clone()];
        above.extend(self.above.iter().cloned());
        Self { issuer, above }
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        pem(self.certificate())
    }

    /// A server at 127.0.0.1.
    #[must_use]
    pub fn server(&self) -> Identity {
        let mut wanted = leaf("127.0.0.1", &[ExtendedKeyUsagePurpose::ServerAuth]);
        wanted.subject_alt_names =
            CertificateParams::new(["127.0.0.1".into(), "localhost".into()]).expect("names").subject_alt_names;
        self.issue(wanted, Kind::P256.generate())
    }

    /// Somebody with a new key of `kind`, as a client.
    #[must_use]
    pub fn person(&self, kind: Kind) -> Identity {
        self.certify(kind.generate())
    }

    /// The holder of `key`, as a client.
    #[must_use]
    pub fn certify(&self, key: KeyPair) -> Identity {
        self.issue(person(), key)
    }

    /// The holder of `key`, who is known by `serial_number`, such as "PNOEE-60001017727", and signs in with it.
    #[must_use]
    pub fn certify_as(&self, serial_number: &str, key: KeyPair) -> Identity {
        let mut wanted = person();
        wanted.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), serial_number);
        self.issue(wanted, key)
    }

    /// The same with a certificate that was valid until an hour ago.
    #[must_use]
    pub fn certify_expired(&self, key: KeyPair) -> Identity {
        let mut wanted = person();
        wanted.not_before = (SystemTime::now() - 3 * HOUR).into();
        wanted.not_after = (SystemTime::now() - HOUR).into();
        self.issue(wanted, key)
    }

    /// The same with a certificate that will be valid in an hour.
    #[must_use]
    pub fn certify_early(&self, key: KeyPair) -> Identity {
        let mut wanted = person();
        wanted.not_before = (SystemTime::now() + HOUR).into();
        self.issue(wanted, key)
    }

    /// The same with a certificate for servers alone.
    #[must_use]
    pub fn certify_as_server(&self, key: KeyPair) -> Identity {
        self.issue(leaf("no client", &[ExtendedKeyUsagePurpose::ServerAuth]), key)
    }

    /// Who signs this authority's OCSP answers.
    #[must_use]
    pub fn responder(&self) -> Identity {
        let mut wanted = leaf("OCSP responder", &[ExtendedKeyUsagePurpose::OcspSigning]);
        // id-pkix-ocsp-nocheck (RFC 6960, 4.2.2.2.1), NULL
        wanted.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0]));
        self.issue(wanted, Kind::P256.generate())
    }

    fn issue(&self, mut wanted: CertificateParams, key: KeyPair) -> Identity {
        static SERIAL: AtomicU32 = AtomicU32::new(0x1000_0001);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        wanted.serial_number = Some(SerialNumber::from_slice(&serial.to_be_bytes()));
        wanted.use_authority_key_identifier_extension = true;
        let certificate = wanted.signed_by(&key, &*self.issuer).expect("a certificate");
        let mut chain = vec![certificate.der().clone()];
        chain.extend(self.above.iter().cloned());
        Identity { key, chain, serial }
    }
}

fn dated(name: &str) -> CertificateParams {
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name.push(DnType::CommonName, name);
    wanted.not_before = (SystemTime::now() - HOUR).into();
    wanted.not_after = (SystemTime::now() + 24 * 365 * HOUR).into();
    wanted
}

fn authority(name: &str) -> CertificateParams {
    let mut wanted = dated(name);
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    wanted
}

fn leaf(name: &str, purposes: &[ExtendedKeyUsagePurpose]) -> CertificateParams {
    let mut wanted = dated(name);
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = purposes.to_vec();
    wanted
}

fn person() -> CertificateParams {
    let mut wanted = leaf("MAASIKAS,MARI,60001017727", &[ExtendedKeyUsagePurpose::ClientAuth]);
    wanted.key_usages.push(KeyUsagePurpose::KeyAgreement);
    wanted
}

/// A certificate in PEM.
#[must_use]
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    armour("CERTIFICATE", certificate)
}

/// A private key in PEM.
#[must_use]
pub fn key_pem(identity: &Identity) -> String {
    armour("PRIVATE KEY", identity.private_key().secret_der())
}

/// RFC 7468.
fn armour(label: &str, octets: &[u8]) -> String {
    let text = Base64::encode_string(octets);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
