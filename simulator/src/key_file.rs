//! A private key in a file, for a card whose key is not to be its own secret: the vectors' recipients are such keys.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use p384::elliptic_curve::pkcs8::DecodePrivateKey;
use token_proto::cdoc2::Curve;
use zeroize::Zeroizing;

/// More than any key's file has.
const MAX_FILE_LEN: u64 = 16 << 10;

/// A private scalar, wiped when dropped.
pub struct ImportedKey {
    pub(crate) curve: Curve,
    pub(crate) scalar: Zeroizing<Vec<u8>>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It holds something else.
    #[error("it holds no private key on P-384, P-256 or P-521 in PKCS#8, PEM, without a password")]
    Malformed,
}

impl ImportedKey {
    /// Reads a key from PKCS#8 in PEM (RFC 5958, RFC 7468).
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut pem = Zeroizing::new(String::new());
        File::open(path)?.take(MAX_FILE_LEN).read_to_string(&mut pem).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Error::Malformed,
            _ => Error::Read(error),
        })?;
        let key = |curve, scalar: Option<Zeroizing<Vec<u8>>>| scalar.map(|scalar| Self { curve, scalar });
        key(Curve::Secp384r1, p384::SecretKey::from_pkcs8_pem(&pem).ok().map(|key| octets(&key.to_bytes())))
            .or_else(|| key(Curve::Secp256r1, p256::SecretKey::from_pkcs8_pem(&pem).ok().map(|key| octets(&key.to_bytes()))))
            .or_else(|| key(Curve::Secp521r1, p521::SecretKey::from_pkcs8_pem(&pem).ok().map(|key| octets(&key.to_bytes()))))
            .ok_or(Error::Malformed)
    }

    /// Its curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }
}

impl fmt::Debug for ImportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ImportedKey").field(&self.curve).finish_non_exhaustive()
    }
}

fn octets(scalar: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(scalar.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that nobody else has.
    fn key_of(curve: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["genpkey", "-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}"), "-out"]).arg(file.path());
        assert!(openssl.status().unwrap().success());
        file
    }

    #[test]
    fn keys_of_all_three_curves_are_read() {
        for (name, curve) in [("P-384", Curve::Secp384r1), ("P-256", Curve::Secp256r1), ("P-521", Curve::Secp521r1)] {
            let key = ImportedKey::read(key_of(name).path()).unwrap();
            assert_eq!((key.curve(), 2 * key.scalar.len() + 1), (curve, curve.point_len()));
            assert_eq!(format!("{key:?}"), format!("ImportedKey({curve:?}, ..)"));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(ImportedKey::read(file.path()), Err(Error::Malformed)));
        std::fs::write(file.path(), [0xFF; 64]).unwrap();
        assert!(matches!(ImportedKey::read(file.path()), Err(Error::Malformed)));
        assert!(matches!(ImportedKey::read(key_of("P-224").path()), Err(Error::Malformed)));
        assert!(matches!(ImportedKey::read(Path::new("/nowhere")), Err(Error::Read(_))));
    }
}
