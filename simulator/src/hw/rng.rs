//! The random generator.

use std::sync::{Arc, Mutex};

use chacha20::ChaCha20Rng;
use getrandom::SysRng;
use rand_core::{Rng as _, SeedableRng as _, TryCryptoRng, TryRng};

use super::lock;

/// A random generator: the operating system's, or one that repeats itself.
#[derive(Clone, Debug)]
pub struct Rng(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Seeded(Arc<Mutex<ChaCha20Rng>>),
}

impl Rng {
    /// The operating system's generator, for tokens whose secrets matter.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// ChaCha20 from `seed`, for tests: the same octets on every run.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))))
    }
}

impl TryRng for Rng {
    type Error = getrandom::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        match &self.0 {
            Source::System => SysRng.try_next_u32(),
            Source::Seeded(generator) => Ok(lock(generator).next_u32()),
        }
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        match &self.0 {
            Source::System => SysRng.try_next_u64(),
            Source::Seeded(generator) => Ok(lock(generator).next_u64()),
        }
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Self::Error> {
        match &self.0 {
            Source::System => SysRng.try_fill_bytes(octets),
            Source::Seeded(generator) => {
                lock(generator).fill_bytes(octets);
                Ok(())
            }
        }
    }
}

impl TryCryptoRng for Rng {}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(rng: &mut Rng) -> [u8; 16] {
        let mut octets = [0; 16];
        rng.try_fill_bytes(&mut octets).unwrap();
        octets
    }

    #[test]
    fn seeded_repeats_itself_and_clones_share_its_course() {
        let (mut one, mut other) = (Rng::seeded(7), Rng::seeded(7));
        let first = octets(&mut one);
        assert_eq!(first, octets(&mut other));
        assert_ne!(first, octets(&mut one.clone()));
        assert_ne!(octets(&mut other.clone()), octets(&mut other));
    }

    #[test]
    fn system_does_not_repeat_itself() {
        assert_ne!(octets(&mut Rng::system()), octets(&mut Rng::system()));
    }
}
