//! Keys and certificates from files, and what a host computes with them.
//!
//! | what | from | for |
//! |---|---|---|
//! | [`PrivateKey`] | PEM or DER, or a [`Pkcs12`] file, encrypted or not | decryption: ECDH, RSA-OAEP |
//! | [`PublicKey`] | PEM or DER, a certificate, a private key | encryption |
//! | [`Certificate`] | PEM or DER | encryption: public key, holder's name, dates |
//!
//! A private key lives in memory that is wiped when it is dropped; so do the file's octets ([`read`]), a passphrase and
//! everything decoded on the way. What the libraries beneath copy on their own (an AES key schedule, a step of the modular
//! arithmetic) is theirs to wipe.
//!
//! A passphrase is asked for by a callback, only when the file turns out to be encrypted. To refuse rather than to ask,
//! the callback answers [`Error::PassphraseNeeded`].

mod certificate;
mod ec;
mod error;
mod format;
mod generate;
mod oaep;
mod pbe;
mod pkcs12;
mod private;
mod public;
mod rsa;

use std::io::Read;

use zeroize::Zeroizing;

pub use certificate::{Certificate, EidType, UsageWarning, Validity, directory_string};
pub use ec::{EcPrivateKey, EcPublicKey};
pub use error::Error;
pub use format::{Format, Wanted};
pub use generate::KeyType;
pub use oaep::oaep_unpad_kek;
pub use pkcs12::{Pkcs12, Pkcs12Entry};
pub use private::PrivateKey;
pub use public::PublicKey;
pub use rsa::{KEK_LEN, RSA_MAX_BITS, RSA_MIN_BITS, RsaPrivateKey, RsaPublicKey};

/// Octets of the longest file that is taken for a key or a certificate.
pub const MAX_FILE_LEN: usize = 1 << 20;

/// Reads a whole key file into memory that is wiped when dropped.
///
/// # Errors
/// [`Error::Io`]: the source cannot be read. [`Error::FileTooLarge`]: more than [`MAX_FILE_LEN`] octets.
pub fn read(source: impl Read) -> Result<Zeroizing<Vec<u8>>, Error> {
    // Room for everything at once: a vector that grows leaves unwiped copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN + 1));
    source.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut octets)?;
    if octets.len() > MAX_FILE_LEN {
        return Err(Error::FileTooLarge);
    }
    Ok(octets)
}
