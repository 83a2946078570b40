//! Certificates of people and organisations, and of a directory's server.

use cdoc2_client::directory::{Directory, QueryKind, Settings};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, SignatureAlgorithm, date_time_ymd,
};
use std::time::Duration;
use x509_cert::der::Encode as _;
use x509_cert::der::asn1::ObjectIdentifier;

/// Policies: the ID-card of 2018, a Digi-ID, Mobile-ID, Smart-ID.
pub(crate) const ID_CARD: &str = "1.3.6.1.4.1.51361.1.2.1";
pub(crate) const DIGI_ID: &str = "1.3.6.1.4.1.51361.1.2.3";
pub(crate) const MOBILE_ID: &str = "1.3.6.1.4.1.10015.18.1";
pub(crate) const SMART_ID: &str = "1.3.6.1.4.1.10015.17.2";

/// What a certificate says.
pub(crate) struct Person<'a> {
    pub(crate) name: &'a str,
    pub(crate) serial_number: &'a str,
    pub(crate) policy: Option<&'a str>,
    pub(crate) usages: Vec<KeyUsagePurpose>,
    pub(crate) purposes: Vec<ExtendedKeyUsagePurpose>,
    pub(crate) years: (i32, i32),
    pub(crate) algorithm: &'static SignatureAlgorithm,
}

impl<'a> Person<'a> {
    /// With an ID-card that is good for years.
    pub(crate) fn new(name: &'a str, serial_number: &'a str) -> Self {
        Self {
            name,
            serial_number,
            policy: Some(ID_CARD),
            usages: vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement],
            purposes: vec![ExtendedKeyUsagePurpose::ClientAuth],
            years: (2020, 2100),
            algorithm: &PKCS_ECDSA_P384_SHA384,
        }
    }

    /// For a key that nobody has.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.certificate_for(&KeyPair::generate_for(self.algorithm).unwrap())
    }

    pub(crate) fn certificate_for(&self, key: &KeyPair) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), self.serial_number);
        params.key_usages.clone_from(&self.usages);
        params.extended_key_usages.clone_from(&self.purposes);
        params.not_before = date_time_ymd(self.years.0, 1, 1);
        params.not_after = date_time_ymd(self.years.1, 1, 1);
        if let Some(policy) = self.policy {
            let policies = vec![vec![ObjectIdentifier::new_unwrap(policy)]].to_der().unwrap();
            params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 32], policies));
        }
        params.self_signed(key).unwrap().der().to_vec()
    }
}

/// An authority, and a certificate for localhost that it issued.
pub(crate) struct Server {
    pub(crate) authority: Vec<u8>,
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Server {
    pub(crate) fn new() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = authority.self_signed(&authority_key).unwrap().der().to_vec();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        Self { authority: certificate, certificate: leaf, key }
    }

    /// A directory at `url` for which this authority vouches.
    pub(crate) fn directory(&self, name: &str, url: &str) -> Directory {
        Directory::new(self.settings(name, url)).unwrap()
    }

    pub(crate) fn settings(&self, name: &str, url: &str) -> Settings {
        Settings {
            name: name.to_owned(),
            url: url.parse().unwrap(),
            start_tls: url.starts_with("ldap:"),
            base: "c=EE".to_owned(),
            authorities: vec![self.authority.clone().into()],
            system_authorities: false,
            queries: vec![QueryKind::Person, QueryKind::Organisation, QueryKind::Name],
            timeout: Duration::from_secs(60),
            size_limit: 20,
        }
    }
}
