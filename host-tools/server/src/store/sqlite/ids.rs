//! Ids that are random to whoever sees them, and whose rows are neighbours all the same.
//!
//! A table is in the order of its rows' numbers. With random numbers, or with an index of random ids, each row that is put or deleted changes a page
//! of its own somewhere in the file, and pages are what keeps a disk busy. So a new id is a block of AES, and in the block is the row's number, which
//! begins with the time and a count: what is put one after another stays together, and an id is found without an index.
//!
//! The key is in the database, where the ids are. Whoever has it not sees 128 random bits, for no block comes twice, and a block cipher is a
//! pseudorandom permutation; whoever has it would still have to guess 64.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::random;
use crate::store::Error;

/// Octets of a key.
const KEY_LEN: usize = 16;

/// Hexadecimal digits of an id.
const DIGITS: usize = 32;

/// Bits of a number that count what this process made; the time before them is in units of 2^24 ns, a sixtieth of a second. Should another process
/// have made the same number, it is taken.
const COUNT_BITS: u32 = 24;

/// How the ids of a database tell the numbers of their rows.
pub(super) struct Ids {
    cipher: Aes128,
    /// From a random number on.
    count: AtomicU32,
}

impl Ids {
    /// Those of the database that `connection` is to, which is up to date.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let key = connection.query_row("SELECT key FROM id_key", [], |row| row.get(0))?;
        let count = random::octets().map(u32::from_be_bytes).map_err(to_sqlite)?;
        Ok(Self::new(&key, count))
    }

    fn new(key: &[u8; KEY_LEN], count: u32) -> Self {
        Self { cipher: Aes128::new(key.into()), count: count.into() }
    }

    /// A new id, for what is put at `now`. A clock that is off costs the neighbourhood, and nothing else.
    pub(super) fn next(&self, now: SystemTime) -> Result<u128, Error> {
        let time = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let counting = (1 << COUNT_BITS) - 1;
        let number = time & !counting | u64::from(self.count.fetch_add(1, Ordering::Relaxed)) & counting;
        let random = u64::from_be_bytes(random::octets()?);
        let mut block = (u128::from(number) << 64 | u128::from(random)).to_be_bytes().into();
        self.cipher.encrypt_block(&mut block);
        Ok(u128::from_be_bytes(block.into()))
    }

    /// The number of the row of `id`. An id that cannot have been made here has one as well, of its hash.
    pub(super) fn number(&self, id: &str) -> i64 {
        let Some(bits) = digits(id) else {
            let hash = digest(&SHA256, id.as_bytes());
            return i64::from_be_bytes(*hash.as_ref().first_chunk().expect("SHA-256 has 32 octets"));
        };
        let mut block = bits.to_be_bytes().into();
        self.cipher.decrypt_block(&mut block);
        (u128::from_be_bytes(block.into()) >> 64) as i64
    }
}

/// What the digits of an id say, if it is one of those that the server makes of [`Ids::next`].
fn digits(id: &str) -> Option<u128> {
    let digits = id.strip_prefix("KC").unwrap_or(id);
    let ours = digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    ours.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

/// Gives `connection` what a migration takes: `new_id_key()`, and `id_number(key, id)`.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_scalar_function("new_id_key", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        random::octets::<KEY_LEN>().map(Vec::from).map_err(to_sqlite)
    })?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("id_number", 2, flags, |call| {
        let id: String = call.get(1)?;
        Ok(Ids::new(&call.get(0)?, 0).number(&id))
    })
}

fn to_sqlite(reason: Error) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(reason.into())
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// FIPS 197, appendix B: which half of a block is the number, and in which order, must be the same in each version.
    #[test]
    fn an_id_is_a_block_of_aes() {
        let key = [0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F, 0x3C];
        let ids = Ids::new(&key, 0);
        for id in ["KC3925841d02dc09fbdc118597196a0b32", "3925841d02dc09fbdc118597196a0b32"] {
            assert_eq!(ids.number(id), 0x3243_F6A8_885A_308D, "{id}");
        }
    }

    #[test]
    fn later_ones_have_greater_numbers_and_look_random() {
        let ids = Ids::new(&[7; KEY_LEN], u32::MAX - 50);
        let times: Vec<SystemTime> = (0..100).map(|number| at(1_800_000_000 + number)).chain([at(9_000_000_000)]).collect();
        let made: Vec<u128> = times.iter().map(|time| ids.next(*time).unwrap()).collect();
        let numbers: Vec<i64> = made.iter().map(|id| ids.number(&format!("{id:032x}"))).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next) && numbers[0] > 0, "{numbers:?}");
        assert!(!made.is_sorted());
        // As many of one moment, too.
        let numbers: HashSet<i64> = (0..1000).map(|_| ids.number(&format!("{:032x}", ids.next(times[0]).unwrap()))).collect();
        assert_eq!(numbers.len(), 1000);
        assert!(ids.next(UNIX_EPOCH - Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn each_id_has_a_number_of_its_own() {
        let ids = Ids::new(&[7; KEY_LEN], 0);
        let digits = "0123456789abcdef0123456789abcdef";
        let others = ["KC0123456789abcdef", "KC0123456789ABCDEF0123456789ABCDEF", "+123456789abcdef0123456789abcdef", digits];
        let mut numbers = others.map(|id| ids.number(id));
        numbers.sort_unstable();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        assert_eq!(ids.number(digits), ids.number(&format!("KC{digits}")), "they are told apart by their text");
        assert_ne!(ids.number(digits), Ids::new(&[8; KEY_LEN], 0).number(digits));
    }
}
