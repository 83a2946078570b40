//! What a sender makes of a key for a CDOC2 recipient, by the formulas of the specification and not by the core's code.

use cdoc2_nostd::Curve;
use p384::elliptic_curve::sec1::ToSec1Point as _;

use crate::client::hmac;

/// Data of DECAPSULATE, and the answer that it must have.
pub(crate) struct Sealed {
    pub(crate) sender: Vec<u8>,
    pub(crate) encrypted_fmk: Vec<u8>,
    pub(crate) mac: Vec<u8>,
    pub(crate) header: Vec<u8>,
    pub(crate) cek: Vec<u8>,
}

impl Sealed {
    /// For the recipient with this point.
    pub(crate) fn new(curve: Curve, recipient: &[u8], header: &[u8]) -> Self {
        let (sender, shared) = ecdh(curve, recipient);
        let premaster = hmac(b"CDOC20kekpremaster", &shared);
        let kek = expand(&premaster, &[b"CDOC20kek", b"XOR", recipient, &sender]);
        let fmk = [0x5F; 32];
        let encrypted_fmk = fmk.iter().zip(&kek).map(|(fmk, kek)| fmk ^ kek).collect();
        let mac = hmac(&expand(&fmk, &[b"CDOC20hmac"]), header);
        Self { sender, encrypted_fmk, mac, header: header.to_vec(), cek: expand(&fmk, &[b"CDOC20cek"]) }
    }

    pub(crate) fn data(&self) -> Vec<u8> {
        [&self.sender[..], &self.encrypted_fmk, &self.mac, &self.header].concat()
    }
}

/// RFC 5869, 2.3, for 32 octets.
fn expand(key: &[u8], info: &[&[u8]]) -> Vec<u8> {
    hmac(key, &[&info.concat()[..], &[1]].concat())
}

/// The sender's point, and what it shares with the recipient.
fn ecdh(curve: Curve, recipient: &[u8]) -> (Vec<u8>, Vec<u8>) {
    macro_rules! on {
        ($curve:ident, $scalar:expr) => {{
            let secret = $curve::SecretKey::from_slice(&$scalar).unwrap();
            let recipient = $curve::PublicKey::from_sec1_bytes(recipient).unwrap();
            let shared = $curve::ecdh::diffie_hellman(secret.to_nonzero_scalar(), recipient.as_affine());
            (secret.public_key().to_sec1_point(false).as_bytes().to_vec(), shared.raw_secret_bytes().to_vec())
        }};
    }
    match curve {
        Curve::Secp384r1 => on!(p384, [0x21; 48]),
        Curve::Secp256r1 => on!(p256, [0x21; 32]),
        Curve::Secp521r1 => on!(p521, std::array::from_fn::<u8, 66, _>(|at| if at == 0 { 0 } else { 0x21 })),
    }
}
