//! What a key file holds: the blocks of a PEM file or the one of a DER file, and what kind each is of.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};
use zeroize::Zeroizing;

use super::Error;

/// What a file, or one block of a PEM file, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `PrivateKeyInfo` (RFC 5208) or `OneAsymmetricKey` (RFC 5958).
    Pkcs8,
    /// `EncryptedPrivateKeyInfo` (RFC 5208).
    EncryptedPkcs8,
    /// `ECPrivateKey` (RFC 5915, SEC 1).
    Sec1,
    /// `RSAPrivateKey` (RFC 8017).
    Pkcs1Private,
    /// A private key in the PEM encryption of OpenSSL before PKCS#8.
    LegacyEncrypted,
    /// `SubjectPublicKeyInfo` (RFC 5280).
    Spki,
    /// `RSAPublicKey` (RFC 8017).
    Pkcs1Public,
    /// `Certificate` (RFC 5280).
    Certificate,
    /// `CertificationRequest` (RFC 2986).
    CertificateRequest,
    /// `PFX` (RFC 7292).
    Pkcs12,
    /// `ContentInfo` (RFC 5652), used for bundles of certificates.
    Pkcs7,
    /// The private keys of `ssh-keygen`.
    OpenSshPrivate,
    /// A line of `authorized_keys`.
    OpenSshPublic,
    /// A PGP key.
    Pgp,
    /// A key store of Java, not in PKCS#12.
    JavaKeyStore,
    /// A CDOC2 container.
    Cdoc2,
    /// Parameters alone: an `EC PARAMETERS` block precedes the keys that `openssl ecparam` makes.
    Parameters,
    /// A PEM block of another kind.
    OtherPem,
    /// Nothing at all.
    Empty,
    /// None of these.
    Unknown,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs8 | Self::Sec1 | Self::Pkcs1Private => "a private key",
            Self::EncryptedPkcs8 | Self::LegacyEncrypted => "an encrypted private key",
            Self::Spki | Self::Pkcs1Public => "a public key",
            Self::Certificate => "a certificate",
            Self::CertificateRequest => "a certificate request",
            Self::Pkcs12 => "a PKCS#12 key store",
            Self::Pkcs7 => "a PKCS#7 bundle",
            Self::OpenSshPrivate => "an OpenSSH private key",
            Self::OpenSshPublic => "an OpenSSH public key",
            Self::Pgp => "a PGP key",
            Self::JavaKeyStore => "a Java key store",
            Self::Cdoc2 => "a CDOC2 container",
            Self::Parameters => "parameters without a key",
            Self::OtherPem => "PEM of another kind",
            Self::Empty => "nothing",
            Self::Unknown => "no known kind of key",
        })
    }
}

/// What a caller needs a file to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A private key.
    PrivateKey,
    /// A public key.
    PublicKey,
    /// A certificate.
    Certificate,
    /// A PKCS#12 file with a private key in it.
    Pkcs12,
}

impl Wanted {
    fn accepts(self, format: Format) -> bool {
        match self {
            Self::PrivateKey => matches!(
                format,
                Format::Pkcs8 | Format::EncryptedPkcs8 | Format::Sec1 | Format::Pkcs1Private | Format::LegacyEncrypted
            ),
            Self::PublicKey => matches!(format, Format::Spki | Format::Pkcs1Public),
            Self::Certificate => format == Format::Certificate,
            Self::Pkcs12 => format == Format::Pkcs12,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrivateKey => "a private key",
            Self::PublicKey => "a public key",
            Self::Certificate => "a certificate",
            Self::Pkcs12 => "a PKCS#12 key store with a private key",
        })
    }
}

/// What to do about `found` where `wanted` is needed: empty, or "; " and a clause.
pub(super) fn advice(found: Format, wanted: Wanted) -> &'static str {
    match (found, wanted) {
        (Format::Certificate, Wanted::PrivateKey) => "; a certificate carries the public half only",
        (Format::Certificate, Wanted::PublicKey) => "; use it as a certificate, so that its dates are checked",
        (Format::Spki | Format::Pkcs1Public, Wanted::PrivateKey) => "; the private key is in another file",
        (Format::Spki | Format::Pkcs1Public, Wanted::Certificate) => "; use it as a public key",
        (Format::Pkcs8 | Format::EncryptedPkcs8 | Format::Sec1 | Format::Pkcs1Private, Wanted::PublicKey) => {
            "; extract the public half: openssl pkey -in PRIVATE -pubout -out PUBLIC"
        }
        (Format::Pkcs8 | Format::EncryptedPkcs8 | Format::Sec1 | Format::Pkcs1Private, Wanted::Pkcs12) => {
            "; use it as a private key"
        }
        (Format::Pkcs12, Wanted::PrivateKey) => "; open it as PKCS#12",
        (Format::Pkcs12, Wanted::Certificate | Wanted::PublicKey) => {
            "; extract the certificate: openssl pkcs12 -in STORE -nokeys -clcerts -out CERTIFICATE"
        }
        (Format::Pkcs7, Wanted::Certificate) => {
            "; extract it: openssl pkcs7 -print_certs -in BUNDLE -out CERTIFICATE (with -inform DER for a binary one)"
        }
        (Format::CertificateRequest, Wanted::Certificate) => "; the certificate is what the authority sends back",
        (Format::OpenSshPrivate, Wanted::PrivateKey) => "; convert a copy of it: ssh-keygen -p -m PKCS8 -f COPY",
        (Format::OpenSshPublic, Wanted::PublicKey) => "; convert it: ssh-keygen -e -m PKCS8 -f OLD > NEW",
        (Format::JavaKeyStore, _) => {
            "; convert it: keytool -importkeystore -srckeystore OLD -destkeystore NEW -deststoretype PKCS12"
        }
        _ => "",
    }
}

/// One block of a file, decoded from base64 where it was in PEM.
pub(super) struct Block {
    pub(super) format: Format,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// All blocks of `octets` that are what `wanted` accepts, at least one.
pub(super) fn blocks(octets: &[u8], wanted: Wanted) -> Result<Vec<Block>, Error> {
    let mut blocks = split(octets)?;
    let found = blocks.iter().map(|block| block.format).find(|format| *format != Format::Parameters);
    blocks.retain(|block| wanted.accepts(block.format));
    if blocks.is_empty() {
        return Err(Error::WrongFormat { wanted, found: found.unwrap_or(Format::Parameters) });
    }
    Ok(blocks)
}

/// The one block of `octets` that is what `wanted` accepts.
pub(super) fn block(octets: &[u8], wanted: Wanted) -> Result<Block, Error> {
    let mut blocks = blocks(octets, wanted)?;
    let count = blocks.len();
    match blocks.pop() {
        Some(block) if count == 1 => Ok(block),
        _ => Err(Error::Several { wanted, count }),
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

fn split(octets: &[u8]) -> Result<Vec<Block>, Error> {
    let narrowed;
    let octets = match octets {
        // PowerShell's `>` writes UTF-16.
        [0xFF, 0xFE, rest @ ..] => {
            narrowed = narrow(rest, u16::from_le_bytes);
            &narrowed
        }
        [0xFE, 0xFF, rest @ ..] => {
            narrowed = narrow(rest, u16::from_be_bytes);
            &narrowed
        }
        _ => octets,
    };
    if position(octets, BEGIN).is_some() {
        return pem(octets);
    }
    let format = match octets {
        [] => Format::Empty,
        [b'C', b'D', b'O', b'C', 2, ..] => Format::Cdoc2,
        [0xFE, 0xED, 0xFE, 0xED, ..] | [0xCE, 0xCE, 0xCE, 0xCE, ..] => Format::JavaKeyStore,
        [0x30, 0x80, ..] => return Err(Error::IndefiniteLength),
        [0x30, ..] => der_format(octets)?,
        _ if SSH.iter().any(|start| octets.starts_with(start)) => Format::OpenSshPublic,
        _ => Format::Unknown,
    };
    Ok(vec![Block { format, der: Zeroizing::new(octets.to_vec()) }])
}

/// How a line of OpenSSH's `authorized_keys` begins.
const SSH: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];

/// UTF-16 to octets; PEM needs nothing beyond ASCII.
fn narrow(octets: &[u8], unit: fn([u8; 2]) -> u16) -> Zeroizing<Vec<u8>> {
    let units = octets.as_chunks::<2>().0;
    let mut narrowed = Zeroizing::new(Vec::with_capacity(units.len()));
    narrowed.extend(units.iter().map(|pair| u8::try_from(unit(*pair)).unwrap_or(b'?')));
    narrowed
}

fn position(octets: &[u8], sought: &[u8]) -> Option<usize> {
    octets.windows(sought.len()).position(|window| window == sought)
}

fn split_at<'o>(octets: &'o [u8], mark: &[u8]) -> Option<(&'o [u8], &'o [u8])> {
    let at = position(octets, mark)?;
    Some((&octets[..at], &octets[at + mark.len()..]))
}

/// The blocks of a PEM file (RFC 7468), with any text before, between and after them.
fn pem(octets: &[u8]) -> Result<Vec<Block>, Error> {
    const CUT: Error = Error::Malformed("a PEM block has no END line");
    let mut blocks = Vec::new();
    let mut rest = octets;
    while let Some((_, after_begin)) = split_at(rest, BEGIN) {
        let (label, body) = split_at(after_begin, DASHES).ok_or(CUT)?;
        let (body, after_end) = split_at(body, END).ok_or(CUT)?;
        let (end_label, after) = split_at(after_end, DASHES).ok_or(CUT)?;
        if end_label != label {
            return Err(Error::Malformed("a PEM block ends with another label than it begins with"));
        }
        blocks.push(pem_block(label, body)?);
        rest = after;
    }
    Ok(blocks)
}

fn pem_block(label: &[u8], body: &[u8]) -> Result<Block, Error> {
    let mut format = pem_format(label);
    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    for line in body.split(|octet| matches!(octet, b'\n' | b'\r')) {
        if !line.contains(&b':') {
            base64.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
        } else if line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED") {
            format = Format::LegacyEncrypted;
        }
    }
    let mut der = Zeroizing::new(Vec::new());
    if needs_content(format) {
        der.resize(base64.len() / 4 * 3, 0);
        let base64 = std::str::from_utf8(&base64).unwrap_or("?");
        let len = Base64::decode(base64, &mut der).map_err(|_| Error::Malformed("a PEM block is not in base64"))?.len();
        der.truncate(len);
    }
    Ok(Block { format, der })
}

fn pem_format(label: &[u8]) -> Format {
    match label {
        b"PRIVATE KEY" => Format::Pkcs8,
        b"ENCRYPTED PRIVATE KEY" => Format::EncryptedPkcs8,
        b"EC PRIVATE KEY" => Format::Sec1,
        b"RSA PRIVATE KEY" => Format::Pkcs1Private,
        b"PUBLIC KEY" => Format::Spki,
        b"RSA PUBLIC KEY" => Format::Pkcs1Public,
        b"CERTIFICATE" | b"X509 CERTIFICATE" => Format::Certificate,
        b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => Format::CertificateRequest,
        b"PKCS7" | b"CMS" => Format::Pkcs7,
        b"OPENSSH PRIVATE KEY" => Format::OpenSshPrivate,
        b"EC PARAMETERS" | b"DH PARAMETERS" | b"DSA PARAMETERS" => Format::Parameters,
        _ if label.starts_with(b"PGP ") => Format::Pgp,
        _ => Format::OtherPem,
    }
}

/// Whether anything here reads the content of such a block.
fn needs_content(format: Format) -> bool {
    [Wanted::PrivateKey, Wanted::PublicKey, Wanted::Certificate].iter().any(|wanted| wanted.accepts(format))
        && format != Format::LegacyEncrypted
}

/// The kind of a DER file, told by the tags of its first fields.
fn der_format(octets: &[u8]) -> Result<Format, Error> {
    let whole = AnyRef::from_der(octets).map_err(|_| Error::Malformed("it is cut short, or something follows it"))?;
    let fields = fields(whole);
    let tags: Vec<Tag> = fields.iter().map(|field| field.tag()).collect();
    Ok(match tags[..] {
        [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => Format::Pkcs8,
        [Tag::Integer, Tag::Sequence, ..] if fields[0].value() == [3] => Format::Pkcs12,
        [Tag::Integer, Tag::OctetString, ..] => Format::Sec1,
        [Tag::Integer, Tag::Integer] => Format::Pkcs1Public,
        [Tag::Integer, Tag::Integer, Tag::Integer, ..] => Format::Pkcs1Private,
        [Tag::Sequence, Tag::OctetString] => Format::EncryptedPkcs8,
        [Tag::Sequence, Tag::BitString] => Format::Spki,
        [Tag::Sequence, Tag::Sequence, Tag::BitString] => signed_format(fields[0]),
        [Tag::ObjectIdentifier, ..] => Format::Pkcs7,
        _ => Format::Unknown,
    })
}

/// A certificate and a request for one differ in what is signed: a request goes straight from the name to the key.
fn signed_format(signed: AnyRef<'_>) -> Format {
    let tags: Vec<Tag> = fields(signed).iter().map(|field| field.tag()).collect();
    match tags[..] {
        [Tag::Integer, Tag::Sequence, Tag::Sequence]
        | [Tag::Integer, Tag::Sequence, Tag::Sequence, Tag::ContextSpecific { .. }] => Format::CertificateRequest,
        _ => Format::Certificate,
    }
}

/// The first four fields of a SEQUENCE, or as many as are sound.
fn fields(sequence: AnyRef<'_>) -> Vec<AnyRef<'_>> {
    let Ok(mut reader) = SliceReader::new(sequence.value()) else { return Vec::new() };
    std::iter::from_fn(|| if reader.is_finished() { None } else { AnyRef::decode(&mut reader).ok() }).take(4).collect()
}
