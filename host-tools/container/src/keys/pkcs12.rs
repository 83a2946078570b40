//! PKCS#12 files (RFC 7292): `.p12`, `.pfx`.
//!
//! Read here rather than by a library, so that no private key stays behind in memory: the structures borrow from the file and
//! from what was decrypted, both of which are wiped.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Choice, Decode, DecodeValue, Reader as _, Sequence, SliceReader};
use hmac::digest::Digest;
use hmac::digest::block_api::BlockSizeUser;
use hmac::{KeyInit as _, Mac as _, SimpleHmac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::certificate::directory_string;
use super::error::name;
use super::format::{self, Format, Wanted};
use super::pbe::{self, Passphrase, Purpose};
use super::{Certificate, Error, PrivateKey};

/// The private keys of a PKCS#12 file, at least one.
#[derive(Debug)]
pub struct Pkcs12 {
    entries: Vec<Pkcs12Entry>,
}

/// A private key of a PKCS#12 file.
#[derive(Debug)]
pub struct Pkcs12Entry {
    /// The name that somebody gave it (`friendlyName`), for people to choose by.
    pub friendly_name: Option<String>,
    /// The key.
    pub key: PrivateKey,
    /// The certificate for this key, if the file holds it.
    pub certificate: Option<Certificate>,
}

impl Pkcs12 {
    /// Reads a PKCS#12 file in DER, protected by a passphrase or by nothing. Keys that CDOC2 has no use for are passed over as long
    /// as one is left.
    ///
    /// `passphrase` is called once, if anything in the file is authenticated or encrypted under one.
    ///
    /// # Errors
    /// What `passphrase` answers; [`Error::WrongPassphrase`]; [`Error::WrongFormat`]: another kind of file, or no private key
    /// in it. The others say why the only key, or the first of them, cannot be used.
    pub fn parse<E: From<Error>>(octets: &[u8], passphrase: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E>) -> Result<Self, E> {
        let block = format::block(octets, Wanted::Pkcs12)?;
        let file = Pfx::from_der(&block.der).map_err(|_| MALFORMED)?;
        let safe = data(&file.auth_safe)?;
        let contents = Vec::<ContentInfo<'_>>::from_der(safe).map_err(|_| MALFORMED)?;

        let octets = if file.mac_data.is_some() || is_encrypted(&contents)? { passphrase()? } else { Zeroizing::default() };
        let mut passphrase = Passphrase::new(&octets);
        if let Some(mac) = &file.mac_data
            && !mac.verify(safe, &passphrase)?
        {
            // Where people give no passphrase, some writers take an empty one, others none.
            passphrase = Passphrase::none();
            if !(octets.is_empty() && mac.verify(safe, &passphrase)?) {
                return Err(Error::WrongPassphrase.into());
            }
        }

        let mut bags = Bags::default();
        for content in &contents {
            bags.read_content(content, &passphrase)?;
        }
        Ok(Self { entries: bags.entries()? })
    }

    /// The private keys in the order of the file, at least one.
    #[must_use]
    pub fn entries(&self) -> &[Pkcs12Entry] {
        &self.entries
    }

    /// The private keys, given away.
    #[must_use]
    pub fn into_entries(self) -> Vec<Pkcs12Entry> {
        self.entries
    }
}

const MALFORMED: Error = Error::Malformed("not a sound PKCS#12 file");

/// PKCS#7 `data` and `encryptedData` (RFC 5652, 4 and 8).
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");

/// `keyBag`, `pkcs8ShroudedKeyBag`, `certBag` (RFC 7292, appendix D) and `x509Certificate` in it.
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERT_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");

/// `friendlyName` (RFC 2985, 5.5.1).
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// `PFX` (RFC 7292, 4).
#[derive(Sequence)]
struct Pfx<'a> {
    #[allow(dead_code, reason = "there is one version only")]
    version: u8,
    auth_safe: ContentInfo<'a>,
    #[asn1(optional = "true")]
    mac_data: Option<MacData<'a>>,
}

/// `ContentInfo` (RFC 5652, 3).
#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: ObjectIdentifier,
    #[asn1(context_specific = "0")]
    content: AnyRef<'a>,
}

/// `MacData` (RFC 7292, 4).
#[derive(Sequence)]
struct MacData<'a> {
    mac: DigestInfo<'a>,
    salt: &'a OctetStringRef,
    #[asn1(default = "one")]
    iterations: u32,
}

fn one() -> u32 {
    1
}

/// `DigestInfo` (RFC 2315, 9.4).
#[derive(Sequence)]
struct DigestInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    digest: &'a OctetStringRef,
}

/// `EncryptedData` (RFC 5652, 8).
#[derive(Sequence)]
struct EncryptedData<'a> {
    #[allow(dead_code, reason = "it says nothing of use")]
    version: u8,
    content: EncryptedContentInfo<'a>,
}

/// `EncryptedContentInfo` (RFC 5652, 6.1).
#[derive(Sequence)]
struct EncryptedContentInfo<'a> {
    #[allow(dead_code, reason = "always `data`")]
    content_type: ObjectIdentifier,
    algorithm: AlgorithmIdentifierRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    encrypted: &'a OctetStringRef,
}

/// `SafeBag` (RFC 7292, 4.2).
#[derive(Sequence)]
struct SafeBag<'a> {
    id: ObjectIdentifier,
    #[asn1(context_specific = "0")]
    value: AnyRef<'a>,
    /// A SET OF whose order nobody keeps, so it is walked and not decoded.
    #[asn1(optional = "true")]
    attributes: Option<AnyRef<'a>>,
}

/// `CertBag` (RFC 7292, 4.2.3).
#[derive(Sequence)]
struct CertBag<'a> {
    id: ObjectIdentifier,
    #[asn1(context_specific = "0")]
    value: AnyRef<'a>,
}

/// `Attribute` (RFC 2985), a SET OF values.
#[derive(Sequence)]
struct Attribute<'a> {
    id: ObjectIdentifier,
    values: AnyRef<'a>,
}

/// The octets of a `data` content.
fn data<'a>(content: &ContentInfo<'a>) -> Result<&'a [u8], Error> {
    if content.content_type != DATA {
        return Err(Error::UnsupportedEncryption(name(content.content_type)));
    }
    let octets: &OctetStringRef = decode(content.content)?;
    Ok(octets.as_bytes())
}

fn is_encrypted(contents: &[ContentInfo<'_>]) -> Result<bool, Error> {
    for content in contents {
        if content.content_type == ENCRYPTED_DATA || safe_bags(data(content)?)?.iter().any(|bag| bag.id == SHROUDED_KEY_BAG) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn safe_bags(octets: &[u8]) -> Result<Vec<SafeBag<'_>>, Error> {
    Vec::from_der(octets).map_err(|_| MALFORMED)
}

impl MacData<'_> {
    fn verify(&self, octets: &[u8], passphrase: &Passphrase<'_>) -> Result<bool, Error> {
        match self.mac.algorithm.oid {
            SHA1 => self.verify_with::<Sha1>(octets, passphrase),
            SHA256 => self.verify_with::<Sha256>(octets, passphrase),
            SHA384 => self.verify_with::<Sha384>(octets, passphrase),
            SHA512 => self.verify_with::<Sha512>(octets, passphrase),
            other => Err(Error::UnsupportedEncryption(name(other))),
        }
    }

    fn verify_with<H: Digest + BlockSizeUser + Clone>(&self, octets: &[u8], passphrase: &Passphrase<'_>) -> Result<bool, Error> {
        let mut key = Zeroizing::new([0; 64]);
        let key = &mut key[..<H as Digest>::output_size()];
        pbe::derive::<H>(Purpose::Mac, passphrase, self.salt.as_bytes(), self.iterations, key)?;
        let mac = SimpleHmac::<H>::new_from_slice(key).map_err(|_| MALFORMED)?;
        Ok(mac.chain_update(octets).verify_slice(self.mac.digest.as_bytes()).is_ok())
    }
}

/// What the bags of a file turned out to hold.
#[derive(Default)]
struct Bags {
    keys: Vec<(Option<String>, PrivateKey)>,
    /// Why the first key that cannot be used cannot be used.
    unusable: Option<Error>,
    certificates: Vec<Certificate>,
}

impl Bags {
    fn read_content(&mut self, content: &ContentInfo<'_>, passphrase: &Passphrase<'_>) -> Result<(), Error> {
        if content.content_type != ENCRYPTED_DATA {
            return self.read_bags(data(content)?, passphrase);
        }
        let EncryptedData { content, .. } = decode(content.content)?;
        let octets = pbe::decrypt(&content.algorithm, content.encrypted.as_bytes(), passphrase)?;
        // Without a MAC, one wrong passphrase in 256 leaves padding that looks right.
        AnyRef::from_der(&octets).map_err(|_| Error::WrongPassphrase)?;
        self.read_bags(&octets, passphrase)
    }

    fn read_bags(&mut self, octets: &[u8], passphrase: &Passphrase<'_>) -> Result<(), Error> {
        for bag in safe_bags(octets)? {
            let key = match bag.id {
                KEY_BAG => decode(bag.value).and_then(|info| PrivateKey::from_pkcs8(&info)),
                SHROUDED_KEY_BAG => {
                    decode(bag.value).and_then(|encrypted| PrivateKey::from_encrypted_pkcs8(&encrypted, passphrase))
                }
                CERT_BAG => {
                    self.certificates.extend(certificate(&bag));
                    continue;
                }
                _ => continue,
            };
            match key {
                Ok(key) => self.keys.push((friendly_name(&bag), key)),
                // Without a MAC this is where it shows.
                Err(Error::WrongPassphrase) => return Err(Error::WrongPassphrase),
                Err(error) => self.unusable = self.unusable.take().or(Some(error)),
            }
        }
        Ok(())
    }

    fn entries(self) -> Result<Vec<Pkcs12Entry>, Error> {
        if self.keys.is_empty() {
            let found = if self.certificates.is_empty() { Format::Empty } else { Format::Certificate };
            return Err(self.unusable.unwrap_or(Error::WrongFormat { wanted: Wanted::Pkcs12, found }));
        }
        let entry = |(friendly_name, key): (_, PrivateKey)| {
            let public = key.public_key();
            let certificate = self.certificates.iter().find(|certificate| *certificate.public_key() == public).cloned();
            Pkcs12Entry { friendly_name, key, certificate }
        };
        Ok(self.keys.into_iter().map(entry).collect())
    }
}

fn decode<'a, T: Choice<'a> + DecodeValue<'a, Error = der::Error>>(value: AnyRef<'a>) -> Result<T, Error> {
    value.decode_as().map_err(|_| MALFORMED)
}

/// The certificate in a `certBag`. One that cannot be read, or whose key CDOC2 has no use for, belongs to no key here.
fn certificate(bag: &SafeBag<'_>) -> Option<Certificate> {
    let CertBag { id, value } = bag.value.decode_as().ok()?;
    let octets: &OctetStringRef = value.decode_as().ok()?;
    if id == X509_CERTIFICATE { Certificate::from_der(octets.as_bytes()).ok() } else { None }
}

fn friendly_name(bag: &SafeBag<'_>) -> Option<String> {
    let attributes = bag.attributes?;
    let attribute = elements::<Attribute<'_>>(attributes).find(|attribute| attribute.id == FRIENDLY_NAME)?;
    directory_string(elements(attribute.values).next()?)
}

/// The elements of a SET OF or SEQUENCE OF, up to the first that is not sound.
fn elements<'a, T: Decode<'a>>(set: AnyRef<'a>) -> impl Iterator<Item = T> {
    let mut reader = SliceReader::new(set.value()).ok();
    std::iter::from_fn(move || {
        let reader = reader.as_mut()?;
        if reader.is_finished() { None } else { T::decode(reader).ok() }
    })
}
