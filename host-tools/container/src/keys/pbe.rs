//! Encryption under a passphrase, as PKCS#8 and PKCS#12 files have it: PBES2 (RFC 8018, 6.2) with PBKDF2 or scrypt and AES or
//! triple DES, and the old schemes of PKCS#12 (RFC 7292, appendix C), which Windows and old versions of OpenSSL write.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt as _, KeyInit, KeyIvInit as _};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{ErrorKind, Sequence};
use hmac::digest::Digest;
use hmac::digest::block_api::BlockSizeUser;
use pkcs8::pkcs5;
use pkcs8::pkcs5::pbes2::{Kdf, PBES2_OID, Parameters};
use sha1::Sha1;
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::{Zeroize as _, Zeroizing};

use super::Error;
use super::error::name;

/// A few seconds of SHA-256; writers of today use some hundred thousand.
const MAX_ITERATIONS: u32 = 10_000_000;

/// Octets that scrypt may fill (128 N r) and, with all its passes (128 N r p), may work through.
const MAX_SCRYPT_MEMORY: u64 = 1 << 28;
const MAX_SCRYPT_WORK: u64 = 1 << 30;

/// `pbeWithSHAAnd3-KeyTripleDES-CBC` and its siblings (RFC 7292, appendix C).
const TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const DOUBLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");
const RC2_128: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5");
const RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");

/// A passphrase in the two forms in which the schemes take it.
pub(super) struct Passphrase<'p> {
    /// As given: for PBES2.
    octets: &'p [u8],
    /// In UTF-16, big-endian, with a zero at the end: for what RFC 7292 defines itself.
    bmp: Zeroizing<Vec<u8>>,
}

impl<'p> Passphrase<'p> {
    /// What is not in UTF-8 counts as Latin-1, as with OpenSSL.
    pub(super) fn new(octets: &'p [u8]) -> Self {
        let mut bmp = Zeroizing::new(Vec::with_capacity(2 * octets.len() + 2));
        match std::str::from_utf8(octets) {
            Ok(text) => bmp.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
            Err(_) => bmp.extend(octets.iter().flat_map(|octet| [0, *octet])),
        }
        bmp.extend([0, 0]);
        Self { octets, bmp }
    }

    /// No passphrase at all, which RFC 7292 tells apart from an empty one.
    pub(super) fn none() -> Self {
        Self { octets: &[], bmp: Zeroizing::default() }
    }
}

/// Decrypts `ciphertext`.
///
/// These modes do not authenticate: a wrong passphrase shows in the padding, and otherwise in what comes out.
pub(super) fn decrypt(
    algorithm: &AlgorithmIdentifierRef<'_>,
    ciphertext: &[u8],
    passphrase: &Passphrase<'_>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    match algorithm.oid {
        PBES2_OID => pbes2(algorithm, ciphertext, passphrase),
        TRIPLE_DES => pkcs12_scheme::<des::TdesEde3>(24, algorithm, ciphertext, passphrase),
        DOUBLE_DES => pkcs12_scheme::<des::TdesEde2>(16, algorithm, ciphertext, passphrase),
        RC2_128 => pkcs12_scheme::<rc2::Rc2>(16, algorithm, ciphertext, passphrase),
        RC2_40 => pkcs12_scheme::<rc2::Rc2>(5, algorithm, ciphertext, passphrase),
        other => Err(Error::UnsupportedEncryption(name(other))),
    }
}

const PARAMETERS: Error = Error::Malformed("the parameters of its encryption");

fn pbes2(
    algorithm: &AlgorithmIdentifierRef<'_>,
    ciphertext: &[u8],
    passphrase: &Passphrase<'_>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let parameters = algorithm.parameters.ok_or(PARAMETERS)?;
    // The library panics at an initialisation vector shorter than a block of DES.
    let Pbes2Params { scheme, .. } = parameters.decode_as().map_err(|_| PARAMETERS)?;
    if scheme.parameters.is_some_and(|iv| iv.value().len() < 8) {
        return Err(PARAMETERS);
    }
    let parameters = Parameters::try_from(parameters).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { oid } => Error::UnsupportedEncryption(name(oid)),
        _ => PARAMETERS,
    })?;
    check_work(&parameters.kdf)?;
    let mut octets = Zeroizing::new(ciphertext.to_vec());
    let len = parameters.decrypt_in_place(passphrase.octets, &mut octets).map_err(|error| match error {
        pkcs5::Error::DecryptFailed => Error::WrongPassphrase,
        pkcs5::Error::UnsupportedAlgorithm { oid } => Error::UnsupportedEncryption(name(oid)),
        _ => PARAMETERS,
    })?;
    let len = len.len();
    octets.truncate(len);
    Ok(octets)
}

/// `PBES2-params` (RFC 8018, A.4).
#[derive(Sequence)]
struct Pbes2Params<'a> {
    #[allow(dead_code, reason = "the library reads it")]
    kdf: AlgorithmIdentifierRef<'a>,
    scheme: AlgorithmIdentifierRef<'a>,
}

fn check_work(kdf: &Kdf) -> Result<(), Error> {
    match kdf {
        Kdf::Pbkdf2(parameters) => check_iterations(parameters.iteration_count),
        Kdf::Scrypt(parameters) => {
            // The library panics at N = 0.
            if !parameters.cost_parameter.is_power_of_two() || parameters.cost_parameter < 2 {
                return Err(PARAMETERS);
            }
            let memory = parameters.cost_parameter.saturating_mul(128).saturating_mul(parameters.block_size.into());
            let work = memory.saturating_mul(parameters.parallelization.into());
            if memory > MAX_SCRYPT_MEMORY || work > MAX_SCRYPT_WORK {
                return Err(Error::TooMuchWork("scrypt"));
            }
            Ok(())
        }
        _ => Err(PARAMETERS),
    }
}

fn check_iterations(iterations: u32) -> Result<(), Error> {
    match iterations {
        0 => Err(PARAMETERS),
        1..=MAX_ITERATIONS => Ok(()),
        _ => Err(Error::TooMuchWork("iterations")),
    }
}

/// `pkcs-12PbeParams` (RFC 7292, appendix C).
#[derive(Sequence)]
struct Pkcs12PbeParams<'a> {
    salt: &'a OctetStringRef,
    iterations: u32,
}

fn pkcs12_scheme<C: BlockCipherDecrypt + KeyInit>(
    key_len: usize,
    algorithm: &AlgorithmIdentifierRef<'_>,
    ciphertext: &[u8],
    passphrase: &Passphrase<'_>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let parameters = algorithm.parameters.ok_or(PARAMETERS)?;
    let parameters: Pkcs12PbeParams<'_> = parameters.decode_as().map_err(|_| PARAMETERS)?;
    let salt = parameters.salt.as_bytes();
    let mut key = Zeroizing::new([0; 24]);
    let key = &mut key[..key_len];
    let mut iv = [0; 8];
    derive::<Sha1>(Purpose::Key, passphrase, salt, parameters.iterations, key)?;
    derive::<Sha1>(Purpose::Iv, passphrase, salt, parameters.iterations, &mut iv)?;
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, &iv).map_err(|_| PARAMETERS)?;
    let mut octets = Zeroizing::new(ciphertext.to_vec());
    let len = cipher.decrypt_padded::<Pkcs7>(&mut octets).map_err(|_| Error::WrongPassphrase)?.len();
    octets.truncate(len);
    Ok(octets)
}

/// What octets are derived for: `ID` (RFC 7292, B.3).
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// The key derivation of PKCS#12 (RFC 7292, B.2).
///
/// ```text
/// D = ID repeated to v octets            I = salt repeated to a multiple of v || passphrase likewise
/// A_i = H^iterations(D || I)             output = A_1 || A_2 || ...
/// between two A:  each v octets of I += A_i repeated to v octets + 1  (mod 256^v)
/// ```
///
/// # Errors
/// No iterations at all, or too many of them.
pub(super) fn derive<H: Digest + BlockSizeUser>(
    purpose: Purpose,
    passphrase: &Passphrase<'_>,
    salt: &[u8],
    iterations: u32,
    output: &mut [u8],
) -> Result<(), Error> {
    check_iterations(iterations)?;
    let v = H::block_size();
    let repeated = |octets: &[u8]| v * octets.len().div_ceil(v);
    let (salt_len, passphrase_len) = (repeated(salt), repeated(&passphrase.bmp));
    let mut i = Zeroizing::new(Vec::with_capacity(salt_len + passphrase_len));
    i.extend(salt.iter().cycle().take(salt_len));
    i.extend(passphrase.bmp.iter().cycle().take(passphrase_len));
    for part in output.chunks_mut(<H as Digest>::output_size()) {
        let mut hash = H::new();
        hash.update(vec![purpose as u8; v]);
        hash.update(&*i);
        let mut a = hash.finalize();
        for _ in 1..iterations {
            a = H::digest(&a);
        }
        part.copy_from_slice(&a[..part.len()]);
        for block in i.chunks_mut(v) {
            let addend = (0..v).rev().map(|k| u16::from(a[k % a.len()]));
            let mut carry = 1;
            for (octet, addend) in block.iter_mut().rev().zip(addend) {
                let [high, low] = (u16::from(*octet) + addend + carry).to_be_bytes();
                *octet = low;
                carry = high.into();
            }
        }
        a.as_mut_slice().zeroize();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use der::{Decode as _, Encode as _};
    use pkcs8::pkcs5::pbes2::{EncryptionScheme, ScryptParams};

    use super::*;

    /// An `AlgorithmIdentifier` in DER of these parameters.
    fn identifier(oid: ObjectIdentifier, parameters: &[u8]) -> Vec<u8> {
        let content = [oid.to_der().unwrap(), parameters.to_vec()].concat();
        [vec![0x30, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn attempt(identifier: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        decrypt(&AlgorithmIdentifierRef::from_der(identifier).unwrap(), &[0; 16], &Passphrase::new(b"x"))
    }

    fn with_scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Result<Zeroizing<Vec<u8>>, Error> {
        let any = pkcs5::scrypt::Params::new(1, 1, 1).unwrap();
        let kdf = ScryptParams {
            cost_parameter,
            block_size,
            parallelization,
            ..ScryptParams::from_params_and_salt(any, &[0; 8]).unwrap()
        };
        let parameters = Parameters { kdf: kdf.into(), encryption: EncryptionScheme::Aes128Cbc { iv: [0; 16] } };
        attempt(&identifier(PBES2_OID, &parameters.to_der().unwrap()))
    }

    #[test]
    fn scrypt_is_bounded() {
        // Each of these panics in the library, is refused by it, or takes gigabytes.
        for cost_parameter in [0, 1, 3, 6, (1 << 20) + 1] {
            assert!(matches!(with_scrypt(cost_parameter, 1, 1), Err(Error::Malformed(_))), "{cost_parameter}");
        }
        assert!(matches!(with_scrypt(2, 0, 1), Err(Error::Malformed(_))));
        assert!(matches!(with_scrypt(2, 1, 0), Err(Error::Malformed(_))));
        for (cost_parameter, block_size, parallelization) in
            [(1 << 63, u16::MAX, u16::MAX), (1 << 22, 8, 1), (1 << 18, 8, 5), (2, u16::MAX, u16::MAX)]
        {
            assert!(matches!(with_scrypt(cost_parameter, block_size, parallelization), Err(Error::TooMuchWork("scrypt"))));
        }
        assert!(matches!(with_scrypt(2, 1, 1), Err(Error::WrongPassphrase)));
    }

    #[test]
    fn iterations_are_bounded() {
        let with = |iterations: &[u8]| {
            let salt = [4, 1, 0];
            let content = [&salt[..], &[2, u8::try_from(iterations.len()).unwrap()], iterations].concat();
            attempt(&identifier(TRIPLE_DES, &[&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()))
        };
        assert!(matches!(with(&[1]), Err(Error::WrongPassphrase)));
        assert!(matches!(with(&[0]), Err(Error::Malformed(_))));
        assert!(matches!(with(&[0xFF]), Err(Error::Malformed(_))));
        assert!(matches!(with(&[0x7F, 0xFF, 0xFF, 0xFF]), Err(Error::TooMuchWork("iterations"))));
    }

    #[test]
    fn initialisation_vectors_have_their_length() {
        const DES_EDE3_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
        let kdf = pbes2_kdf();
        for iv_len in 0..=16_u8 {
            let iv = [vec![4, iv_len], vec![0; iv_len.into()]].concat();
            let content = [kdf.clone(), identifier(DES_EDE3_CBC, &iv)].concat();
            let result = attempt(&identifier(PBES2_OID, &[vec![0x30, u8::try_from(content.len()).unwrap()], content].concat()));
            match iv_len {
                ..8 => assert!(matches!(result, Err(Error::Malformed(_))), "{iv_len}"),
                8 => assert!(matches!(result, Err(Error::WrongPassphrase))),
                // What the library makes of a longer one is not to be relied upon; it must not panic.
                _ => assert!(result.is_err()),
            }
        }
    }

    /// PBKDF2 with one iteration.
    fn pbes2_kdf() -> Vec<u8> {
        let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[0; 8], [0; 16]).unwrap();
        parameters.kdf.to_der().unwrap()
    }

    #[test]
    fn passphrases_have_two_forms() {
        assert_eq!(*Passphrase::new("aõ".as_bytes()).bmp, [0, b'a', 0, 0xF5, 0, 0]);
        assert_eq!(*Passphrase::new(&[b'a', 0xF5]).bmp, [0, b'a', 0, 0xF5, 0, 0]);
        assert_eq!(*Passphrase::new(b"").bmp, [0, 0]);
        assert!(Passphrase::none().bmp.is_empty());
    }
}
