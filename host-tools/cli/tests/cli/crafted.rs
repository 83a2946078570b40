//! Containers that the program itself would not write.

use std::io::Write as _;

use cdoc2::core::key::{Fmk, KEY_LEN};
use cdoc2::core::payload::NONCE_LEN;
use cdoc2::core::wire::capsule::{Capsule, FmkEncryptionMethod, KdfAlgorithmIdentifier, Pbkdf2Capsule, SymmetricKeyCapsule};
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::wire::label::KeyLabel;
use cdoc2::core::{derive, encrypt};
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// The secret that opens them, as [`Sandbox::with_secret`](crate::support::Sandbox::with_secret) has it.
const SECRET: [u8; KEY_LEN] = [0x5A; KEY_LEN];

/// A container for the secret, labelled `s`, with `plaintext` where the compressed archive should be.
pub(crate) fn container(plaintext: &[u8]) -> Vec<u8> {
    let fmk = Fmk::generate(&mut getrandom::SysRng).unwrap();
    let salt = [1; KEY_LEN];
    let kek = derive::kek_from_symmetric_key(&SECRET, &salt, b"s").unwrap();
    let record = RecipientRecord {
        capsule: Capsule::SymmetricKey(SymmetricKeyCapsule { salt: &salt }),
        key_label: KeyLabel::new(b"s"),
        encrypted_fmk: &kek.encrypt_fmk(&fmk),
        fmk_encryption_method: FmkEncryptionMethod::Xor,
    };
    let mut envelope = vec![0; encrypt::encoded_len(&[record]).unwrap()];
    let sealed = encrypt::seal(&fmk, &[record], &mut envelope).unwrap();
    let nonce = [2; NONCE_LEN];
    let mut encryptor = sealed.encryptor(&nonce).unwrap();
    let mut ciphertext = plaintext.to_vec();
    encryptor.encrypt(&mut ciphertext).unwrap();
    [sealed.octets(), &nonce, &ciphertext, &encryptor.finish()].concat()
}

/// A container for the secret with an empty file called `name`.
pub(crate) fn with_file_named(name: &str) -> Vec<u8> {
    container(&archive(name))
}

/// A compressed archive of one empty file.
fn archive(name: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(header.as_bytes()).unwrap();
    zlib.write_all(&[0; 1024]).unwrap();
    zlib.finish().unwrap()
}

/// A container with a record for a password under each of these labels; none opens it.
pub(crate) fn for_passwords(labels: &[&str]) -> Vec<u8> {
    let capsule = Pbkdf2Capsule {
        salt: &[1; KEY_LEN],
        password_salt: &[2; KEY_LEN],
        kdf_algorithm_identifier: KdfAlgorithmIdentifier::Pbkdf2WithHmacSha256,
        kdf_iterations: 600_000,
    };
    envelope(&labels.iter().map(|label| record(Capsule::Pbkdf2(capsule), label.as_bytes())).collect::<Vec<_>>())
}

/// A record with nothing in it that could be decrypted.
pub(crate) fn record<'b>(capsule: Capsule<'b>, label: &'b [u8]) -> RecipientRecord<'b> {
    RecipientRecord {
        capsule,
        key_label: KeyLabel::new(label),
        encrypted_fmk: &[0; KEY_LEN],
        fmk_encryption_method: FmkEncryptionMethod::Xor,
    }
}

/// The envelope of `records`, and a payload that is none.
pub(crate) fn envelope(records: &[RecipientRecord<'_>]) -> Vec<u8> {
    let fmk = Fmk::generate(&mut getrandom::SysRng).unwrap();
    let mut octets = vec![0; encrypt::encoded_len(records).unwrap()];
    encrypt::seal(&fmk, records, &mut octets).unwrap();
    octets.extend([0; 100]);
    octets
}
