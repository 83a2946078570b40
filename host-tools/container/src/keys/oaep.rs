//! The padding of RSAES-OAEP, for who has a key that does RSA and nothing more: some modules know OAEP with SHA-1 only.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use sha2::{Digest as _, Sha256};

use super::{Error, KEK_LEN};

/// Octets of a hash.
const HASH_LEN: usize = 32;

/// Takes the padding off `encoded`, what RSADP makes of an encrypted KEK (RFC 8017, 7.1.2, step 3): as many octets as the modulus has. Hash
/// and mask are SHA-256's, the label is empty.
///
/// A KEK has one length, so that all that is before it is compared at once, in constant time. The first octet is not looked at: the hash
/// decides. On failure `kek` stays as it was.
///
/// # Errors
/// [`Error::Decryption`]: another length, another key, or altered octets.
pub fn oaep_unpad_kek(encoded: &[u8], kek: &mut [u8; KEK_LEN]) -> Result<(), Error> {
    let (_, masked) = encoded.split_first().ok_or(Error::Decryption)?;
    let (masked_seed, masked_block) = masked.split_first_chunk::<HASH_LEN>().ok_or(Error::Decryption)?;
    let mut seed = Zeroizing::new(*masked_seed);
    mask(&mut *seed, masked_block);
    let mut block = Zeroizing::new(masked_block.to_vec());
    mask(&mut block, &*seed);

    let (padding, message) = block.split_last_chunk::<KEK_LEN>().ok_or(Error::Decryption)?;
    let zeros = padding.len().checked_sub(HASH_LEN + 1).ok_or(Error::Decryption)?;
    let expected = [&Sha256::digest([])[..], &vec![0; zeros], &[1]].concat();
    if !bool::from(padding.ct_eq(&expected)) {
        return Err(Error::Decryption);
    }
    *kek = *message;
    Ok(())
}

/// `octets xor MGF1(seed)` (RFC 8017, B.2.1).
fn mask(octets: &mut [u8], seed: &[u8]) {
    for (counter, chunk) in (0_u32..).zip(octets.chunks_mut(HASH_LEN)) {
        let mask =
            Zeroizing::new(<[u8; HASH_LEN]>::from(Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize()));
        chunk.iter_mut().zip(&*mask).for_each(|(octet, mask)| *octet ^= mask);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEK: [u8; KEK_LEN] = [0xA5; KEK_LEN];

    /// EME-OAEP encoding (RFC 8017, 7.1.1, step 2) for a modulus of 256 octets.
    fn encoded(before_message: &[u8]) -> Vec<u8> {
        let zeros = 256 - 1 - HASH_LEN - HASH_LEN - before_message.len() - KEK_LEN;
        let mut block = [&Sha256::digest([])[..], &vec![0; zeros], before_message, &KEK].concat();
        let mut seed = [0x3C; HASH_LEN];
        mask(&mut block, &seed);
        mask(&mut seed, &block);
        [&[0][..], &seed, &block].concat()
    }

    #[test]
    fn padding_comes_off() {
        let mut kek = [0; KEK_LEN];
        oaep_unpad_kek(&encoded(&[1]), &mut kek).unwrap();
        assert_eq!(kek, KEK);
    }

    #[test]
    fn whatever_else_is_refused() {
        let refused = |encoded: &[u8]| {
            let mut kek = [7; KEK_LEN];
            assert!(matches!(oaep_unpad_kek(encoded, &mut kek), Err(Error::Decryption)));
            assert_eq!(kek, [7; KEK_LEN]);
        };
        // A message that is longer or shorter than a KEK.
        for before_message in [&[1, 0][..], &[0], &[2], &[1, 1]] {
            refused(&encoded(before_message));
        }
        let sound = encoded(&[1]);
        for at in 1..sound.len() - KEK_LEN {
            let mut altered = sound.clone();
            altered[at] ^= 1;
            refused(&altered);
        }
        for len in 0..100 {
            refused(&sound[..len]);
        }
    }
}
