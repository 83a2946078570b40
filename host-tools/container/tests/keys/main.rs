//! Keys and certificates against OpenSSL: it writes what is read here, reads what is written here, and computes the same.

mod certificate;
mod corpus;
mod ec;
mod generate;
mod openssl;
mod pkcs12;
mod private;
mod public;
mod robust;
mod rsa;

use cdoc2::keys::{Error, PrivateKey};
use zeroize::Zeroizing;

const CURVES: [(cdoc2_nostd::Curve, &str); 3] =
    [(cdoc2_nostd::Curve::Secp384r1, "P-384"), (cdoc2_nostd::Curve::Secp256r1, "P-256"), (cdoc2_nostd::Curve::Secp521r1, "P-521")];

/// A passphrase for the parsers.
fn give(passphrase: &str) -> impl FnOnce() -> Result<Zeroizing<Vec<u8>>, Error> {
    let passphrase = Zeroizing::new(passphrase.as_bytes().to_vec());
    move || Ok(passphrase)
}

/// For files that are not encrypted.
fn nobody() -> Result<Zeroizing<Vec<u8>>, Error> {
    Err(Error::PassphraseNeeded)
}

fn private(octets: &[u8]) -> Result<PrivateKey, Error> {
    PrivateKey::parse(octets, nobody)
}

/// The text of an error that must occur.
fn refusal<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("taken where it should have been refused"),
        Err(error) => error.to_string(),
    }
}
