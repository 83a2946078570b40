//! Certificates of people and organisations, and of a directory's server.

use std::time::{Duration, SystemTime};

use cdoc2_client::directory::{Directory, QueryKind, Settings};
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::directory::{Tree, Use};
use cdoc2_testbed::{Algorithm, Authority, Content, Holder, Identity, PersonalCode, Subject};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, SignatureAlgorithm, date_time_ymd,
};
use tempfile::TempDir;
use x509_cert::der::Encode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::name::GeneralName;

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
        let key = KeyPair::generate_for(self.algorithm).unwrap();
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
        params.self_signed(&key).unwrap().der().to_vec()
    }
}

/// The certificate of an ID-card of `authority`'s, whose holder [`Person`] names in the same way.
pub(crate) fn issued_by(authority: &Authority, common_name: &str, change: impl FnOnce(Content) -> Content) -> Vec<u8> {
    let content = content::person(&holder(common_name), Document::IdCard).unwrap();
    authority.identity(&change(content), Algorithm::P384).unwrap().certificate().to_vec()
}

pub(crate) fn holder(common_name: &str) -> Holder {
    let (names, code) = common_name.rsplit_once(',').unwrap();
    Holder::new(names, PersonalCode::parse(code).unwrap()).unwrap()
}

/// An authority, and a certificate for localhost, by its name alone, that it issued.
pub(crate) struct Server {
    authority: Authority,
    pub(crate) identity: Identity,
}

impl Server {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("directory", None).unwrap();
        let mut content = Content::server(Subject::named("directory").unwrap(), SystemTime::now()).unwrap();
        content.alternative_names.retain(|name| matches!(name, GeneralName::DnsName(_)));
        let identity = authority.identity(&content, Algorithm::P384).unwrap();
        Self { authority, identity }
    }

    /// A slapd with these lines in its configuration, and nobody in it.
    pub(crate) fn start(&self, more: &str) -> Slapd {
        let folder = tempfile::tempdir().unwrap();
        let directory = cdoc2_testbed::Directory::start_new(&folder.path().join("ldap"), &self.identity, more);
        let directory = directory.expect("slapd, which scripts/bootstrap installs");
        let [ldap, ldaps] = [directory.ldap_url(), directory.ldaps_url()].map(|url| url.replace("127.0.0.1", "localhost"));
        Slapd { directory, ldap, ldaps, _folder: folder }
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
            authorities: vec![self.authority.root().to_vec().into()],
            system_authorities: false,
            queries: vec![QueryKind::Person, QueryKind::Organisation, QueryKind::Name],
            timeout: Duration::from_secs(60),
            size_limit: 20,
            issuers: None,
        }
    }
}

/// A running slapd; it ends with the value.
pub(crate) struct Slapd {
    directory: cdoc2_testbed::Directory,
    pub(crate) ldap: String,
    pub(crate) ldaps: String,
    _folder: TempDir,
}

impl Slapd {
    /// Adds certificates of a person, as [`Person`] names one.
    pub(crate) fn add(&self, document: Document, common_name: &str, certificates: &[Vec<u8>]) {
        self.directory.add_person(Tree::Sk, &holder(common_name), document, Use::Authentication, &slices(certificates)).unwrap();
    }

    pub(crate) fn add_organisation(&self, name: &str, registry_code: &str, certificates: &[Vec<u8>]) {
        self.directory.add_organisation(name, registry_code, &slices(certificates)).unwrap();
    }
}

fn slices(certificates: &[Vec<u8>]) -> Vec<&[u8]> {
    certificates.iter().map(Vec::as_slice).collect()
}
