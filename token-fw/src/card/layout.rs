//! What stands where in the flash: two banks, a mark at each end of a bank, records in between.
//!
//! ```text
//! bank    first mark | record | record | .. | erased | last mark
//! mark    "CRD1", generation, sequence number, 0; then the complement of these 16 octets
//! record  header | committed | body
//! header  slot, format version, length of the plaintext, sequence number; then the complement of these 8 octets
//! ```
//! Numbers are big-endian. Each part begins at a flash word of its own, so that none is written twice. `committed` is one word, all zero
//! once the body is written. The complements tell what was written from what was torn: erased flash is `FF` and programming clears bits.

use embedded_storage::nor_flash::NorFlash;

use super::Fault;
use super::seal::{MAX_PLAINTEXT_LEN, OVERHEAD};
use super::slot::Slot;

/// Octets of the longest flash word that the store copes with.
pub(super) const MAX_WORD_LEN: usize = 32;

const MAGIC: [u8; 4] = *b"CRD1";
/// Version of the format of records.
const FORMAT: u8 = 1;
const MARK_LEN: usize = 32;
const HEADER_LEN: usize = 16;
/// Octets of a header that say something, and that the seal binds.
pub(super) const BOUND_LEN: usize = HEADER_LEN / 2;

/// Flash words of `F`, and lengths in whole ones.
pub(super) struct Words<F>(core::marker::PhantomData<F>);

impl<F: NorFlash> Words<F> {
    /// Octets of a word: of the larger of what can be read and what can be written.
    pub(super) const LEN: usize = {
        let len = if F::WRITE_SIZE > F::READ_SIZE { F::WRITE_SIZE } else { F::READ_SIZE };
        assert!(len.is_multiple_of(F::WRITE_SIZE) && len.is_multiple_of(F::READ_SIZE) && F::ERASE_SIZE.is_multiple_of(len));
        assert!(len <= MAX_WORD_LEN && MAX_WORD_LEN.is_multiple_of(len));
        len
    };
    /// Octets of the place of a mark.
    pub(super) const MARK_LEN: usize = MARK_LEN.next_multiple_of(Self::LEN);
    /// Octets of the place of a header.
    pub(super) const HEADER_LEN: usize = HEADER_LEN.next_multiple_of(Self::LEN);
    /// Octets before the body of a record.
    pub(super) const PREFIX_LEN: usize = Self::HEADER_LEN.saturating_add(Self::LEN);

    /// Octets of the place of a body whose plaintext has `len` octets.
    pub(super) fn body_len(len: usize) -> usize {
        len.saturating_add(OVERHEAD).next_multiple_of(Self::LEN)
    }

    /// Octets of the record whose plaintext has `len` octets.
    pub(super) fn record_len(len: usize) -> usize {
        Self::PREFIX_LEN.saturating_add(Self::body_len(len))
    }

    /// Octets that a bank must have: both marks, the longest record of every slot, and one more, so that a full bank can always be
    /// followed by another that takes the next record.
    pub(super) fn min_bank_len() -> usize {
        let records = Slot::all().fold(0, |sum: usize, slot| sum.saturating_add(Self::record_len(slot.max_len())));
        records.saturating_add(Self::record_len(MAX_PLAINTEXT_LEN)).saturating_add(Self::MARK_LEN.saturating_mul(2))
    }

    /// Reads `octets` at `at`; both are multiples of a word.
    pub(super) fn read(flash: &mut F, at: usize, octets: &mut [u8]) -> Result<(), Fault> {
        flash.read(address(at)?, octets).map_err(|_| Fault::Flash)
    }

    /// Writes `octets` at `at`; both are multiples of a word.
    pub(super) fn write(flash: &mut F, at: usize, octets: &[u8]) -> Result<(), Fault> {
        flash.write(address(at)?, octets).map_err(|_| Fault::Flash)
    }

    /// Erases from `from` to `to`, multiples of what `F` erases at once.
    pub(super) fn erase(flash: &mut F, from: usize, to: usize) -> Result<(), Fault> {
        flash.erase(address(from)?, address(to)?).map_err(|_| Fault::Flash)
    }

    /// Whether everything between `from` and `to` reads as erased.
    pub(super) fn erased(flash: &mut F, from: usize, to: usize) -> Result<bool, Fault> {
        let mut chunk = [0; CHUNK_LEN];
        let mut at = from;
        while at < to {
            let len = to.saturating_sub(at).min(CHUNK_LEN);
            let chunk = chunk.get_mut(..len).ok_or(Fault::Flash)?;
            Self::read(flash, at, chunk)?;
            if !blank(chunk) {
                return Ok(false);
            }
            at = at.saturating_add(len);
        }
        Ok(true)
    }

    /// Copies `len` octets, a multiple of a word.
    pub(super) fn copy(flash: &mut F, from: usize, to: usize, len: usize) -> Result<(), Fault> {
        let mut chunk = [0; CHUNK_LEN];
        let mut done = 0;
        while done < len {
            let part = chunk.get_mut(..len.saturating_sub(done).min(CHUNK_LEN)).ok_or(Fault::Flash)?;
            Self::read(flash, from.saturating_add(done), part)?;
            Self::write(flash, to.saturating_add(done), part)?;
            done = done.saturating_add(part.len());
        }
        Ok(())
    }
}

/// Octets that are copied or looked at together; a multiple of every word.
const CHUNK_LEN: usize = 128;
const _: () = assert!(CHUNK_LEN.is_multiple_of(MAX_WORD_LEN));

fn address(at: usize) -> Result<u32, Fault> {
    u32::try_from(at).map_err(|_| Fault::Capacity)
}

/// Whether `octets` read as erased.
pub(super) fn blank(octets: &[u8]) -> bool {
    octets.iter().all(|octet| *octet == 0xFF)
}

/// `N` octets, and their complement behind them; `M` is twice `N`. What fills the last word is erased.
fn with_complement<const M: usize>(octets: &[u8]) -> [u8; M] {
    let mut both = [0xFF; M];
    for (place, octet) in both.iter_mut().zip(octets.iter().copied().chain(octets.iter().map(|octet| !octet))) {
        *place = octet;
    }
    both
}

/// The octets before the complement, if it is one.
fn without_complement<const N: usize>(both: &[u8]) -> Option<&[u8; N]> {
    let (octets, rest) = both.split_first_chunk()?;
    let (complement, _) = rest.split_first_chunk::<N>()?;
    octets.iter().zip(complement).all(|(octet, other)| *octet == !other).then_some(octets)
}

/// What stands at both ends of a bank in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Counts the banks that were put to use; the highest is the one in use.
    pub(super) generation: u32,
    /// Sequence number of the last record written before the bank was put to use.
    pub(super) sequence: u32,
}

impl Mark {
    /// The mark at `at`, if there is one.
    pub(super) fn read<F: NorFlash>(flash: &mut F, at: usize) -> Result<Option<Self>, Fault> {
        let mut place = [0; MARK_LEN];
        Words::<F>::read(flash, at, &mut place)?;
        Ok(without_complement::<16>(&place).and_then(|octets| {
            let (magic, octets) = octets.split_first_chunk()?;
            let (generation, octets) = octets.split_first_chunk()?;
            let (sequence, _) = octets.split_first_chunk()?;
            (*magic == MAGIC)
                .then_some(Self { generation: u32::from_be_bytes(*generation), sequence: u32::from_be_bytes(*sequence) })
        }))
    }

    /// Writes the mark at `at`.
    pub(super) fn write<F: NorFlash>(self, flash: &mut F, at: usize) -> Result<(), Fault> {
        let [g0, g1, g2, g3] = self.generation.to_be_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_be_bytes();
        let [m0, m1, m2, m3] = MAGIC;
        let octets = [m0, m1, m2, m3, g0, g1, g2, g3, s0, s1, s2, s3, 0, 0, 0, 0];
        Words::<F>::write(flash, at, &with_complement::<MARK_LEN>(&octets))
    }
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) slot: Slot,
    /// Octets of the plaintext.
    pub(super) len: u16,
    /// Counts the records of the card's life.
    pub(super) sequence: u32,
}

/// What stands where a record may begin.
pub(super) enum Found {
    /// Nothing: the log ends here.
    Nothing,
    /// A header whose writing was cut; nothing follows.
    Torn,
    /// A record.
    Record { header: Header, committed: bool },
}

impl Header {
    /// The octets that the seal binds.
    pub(super) fn bound(&self) -> [u8; BOUND_LEN] {
        let [l0, l1] = self.len.to_be_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_be_bytes();
        [self.slot.number(), FORMAT, l0, l1, s0, s1, s2, s3]
    }

    fn parse(place: &[u8]) -> Option<Self> {
        let [slot, format, l0, l1, s0, s1, s2, s3] = *without_complement::<BOUND_LEN>(place)?;
        let slot = Slot::from_number(slot).filter(|_| format == FORMAT)?;
        Some(Self { slot, len: u16::from_be_bytes([l0, l1]), sequence: u32::from_be_bytes([s0, s1, s2, s3]) })
    }

    /// Octets of the body in whole words.
    pub(super) fn body_len<F: NorFlash>(&self) -> usize {
        Words::<F>::body_len(usize::from(self.len))
    }

    /// Octets of the whole record.
    pub(super) fn record_len<F: NorFlash>(&self) -> usize {
        Words::<F>::record_len(usize::from(self.len))
    }

    /// What begins at `at`.
    ///
    /// # Errors
    /// [`Fault::Corrupt`]: something was committed there whose header is unreadable.
    pub(super) fn find<F: NorFlash>(flash: &mut F, at: usize) -> Result<Found, Fault> {
        let mut place = [0; 2 * MAX_WORD_LEN];
        let place = place.get_mut(..Words::<F>::PREFIX_LEN).ok_or(Fault::Corrupt)?;
        Words::<F>::read(flash, at, place)?;
        let (header, committed) = place.split_at_checked(Words::<F>::HEADER_LEN).ok_or(Fault::Corrupt)?;
        let committed = !blank(committed);
        match Self::parse(header) {
            Some(header) => Ok(Found::Record { header, committed }),
            None if committed => Err(Fault::Corrupt),
            None if blank(header) => Ok(Found::Nothing),
            None => Ok(Found::Torn),
        }
    }

    /// Writes the header at `at`.
    pub(super) fn write<F: NorFlash>(&self, flash: &mut F, at: usize) -> Result<(), Fault> {
        let place = with_complement::<MAX_WORD_LEN>(&self.bound());
        Words::<F>::write(flash, at, place.get(..Words::<F>::HEADER_LEN).ok_or(Fault::Flash)?)
    }

    /// Commits the record at `at`.
    pub(super) fn commit<F: NorFlash>(flash: &mut F, at: usize) -> Result<(), Fault> {
        let word = [0; MAX_WORD_LEN];
        Words::<F>::write(flash, at.saturating_add(Words::<F>::HEADER_LEN), word.get(..Words::<F>::LEN).ok_or(Fault::Flash)?)
    }
}
