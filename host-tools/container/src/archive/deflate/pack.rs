//! Compressing one block of text.

use flate2::{Compress, Compression, FlushCompress};

/// Octets of text in a block.
pub(super) const BLOCK_LEN: usize = 128 << 10;
/// Octets before a block that it may refer to: the whole deflate window.
pub(super) const HISTORY_LEN: usize = 32 << 10;

/// A piece of the text with what comes before it, and the result.
#[derive(Debug, Default)]
pub(super) struct Block {
    octets: Vec<u8>,
    history_len: usize,
    /// Deflate blocks that end on an octet boundary; unused when `stored`.
    pub(super) packed: Vec<u8>,
    pub(super) stored: bool,
}

impl Block {
    fn history(&self) -> &[u8] {
        &self.octets[..self.history_len]
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.octets[self.history_len..]
    }

    pub(super) fn is_full(&self) -> bool {
        self.text().len() == BLOCK_LEN
    }

    /// Takes what fits and says how much.
    pub(super) fn append(&mut self, octets: &[u8]) -> usize {
        let taken = octets.len().min(BLOCK_LEN - self.text().len());
        self.octets.extend_from_slice(&octets[..taken]);
        taken
    }

    /// Empties the block and gives it the end of `before` as its history.
    pub(super) fn restart_after(&mut self, before: &Self) {
        let start = before.octets.len().saturating_sub(HISTORY_LEN);
        self.octets.clear();
        self.octets.reserve_exact(HISTORY_LEN + BLOCK_LEN);
        self.octets.extend_from_slice(&before.octets[start..]);
        self.history_len = self.octets.len();
    }
}

/// What a worker keeps between blocks.
#[derive(Debug)]
pub(super) struct Packer {
    deflater: Compress,
    level: Compression,
    /// Blocks before both levels are compared again.
    trial_in: u32,
    /// The result at the other level.
    rival: Vec<u8>,
}

impl Packer {
    /// zlib's fast level: on some text (few and regular matches) nearly as good as the dense one.
    const FAST: Compression = Compression::new(2);
    /// The fastest level that stays near level 6 on all text that was measured; takes half as long again as the fast one.
    pub(super) const DENSE: Compression = Compression::new(3);
    /// Both levels are tried on one block in this many.
    const TRIAL_EVERY: u32 = 32;
    /// The fast level may lose one part in this many to the dense one.
    pub(super) const MAX_LOSS: usize = 22;
    /// Octets of a block that looks random which are compressed on trial.
    const SAMPLE_LEN: usize = 8 << 10;
    /// That trial must save one part in this many.
    const MIN_GAIN: usize = 32;

    pub(super) fn new() -> Self {
        Self { deflater: Compress::new(Self::DENSE, false), level: Self::DENSE, trial_in: 0, rival: Vec::new() }
    }

    /// Compresses the text of `block`, or marks it as stored.
    pub(super) fn pack(&mut self, block: &mut Block) {
        let mut packed = std::mem::take(&mut block.packed);
        block.stored = !self.try_pack(block, &mut packed);
        block.packed = packed;
    }

    /// Whether the text gets smaller, with the result in `packed`.
    fn try_pack(&mut self, block: &Block, packed: &mut Vec<u8>) -> bool {
        let text = block.text();
        if looks_random(text) {
            let sample = &text[..text.len().min(Self::SAMPLE_LEN)];
            let worthwhile = sample.len() - sample.len() / Self::MIN_GAIN;
            if !self.compress(Self::FAST, &[], sample, packed) || packed.len() > worthwhile {
                return false;
            }
        }
        if self.trial_in > 0 {
            self.trial_in -= 1;
            return self.compress(self.level, block.history(), text, packed);
        }
        self.trial_in = Self::TRIAL_EVERY;
        let mut rival = std::mem::take(&mut self.rival);
        let fast = self.compress(Self::FAST, block.history(), text, &mut rival);
        let dense = self.compress(Self::DENSE, block.history(), text, packed);
        let fast_is_best = fast && !(dense && rival.len() > packed.len() + packed.len() / Self::MAX_LOSS);
        if fast_is_best {
            std::mem::swap(&mut rival, packed);
        }
        self.level = if fast_is_best { Self::FAST } else { Self::DENSE };
        self.rival = rival;
        fast || dense
    }

    /// Compresses `text` to `packed`, up to an octet boundary. `false` if it does not get smaller.
    fn compress(&mut self, level: Compression, history: &[u8], text: &[u8], packed: &mut Vec<u8>) -> bool {
        packed.clear();
        packed.reserve_exact(BLOCK_LEN);
        self.deflater.reset();
        let ready = self.deflater.set_level(level).is_ok() && (history.is_empty() || self.deflater.set_dictionary(history).is_ok());
        // The output is smaller than the space for it, so the flush is complete: nothing is held back.
        ready
            && self.deflater.compress_vec(text, packed, FlushCompress::Sync).is_ok()
            && self.deflater.total_in() == text.len() as u64
            && packed.len() < text.len()
    }
}

/// A cheap first look: octet values are as evenly spread as in random, encrypted or compressed data.
///
/// The sum of the squared counts of n random octets is near n^2 / 256 + n; text has several times as much.
fn looks_random(text: &[u8]) -> bool {
    const PIECES: usize = 4;
    const PIECE_LEN: usize = 1024;
    let mut counts = [0_u64; 256];
    let mut n = 0;
    for piece in text.chunks(text.len().div_ceil(PIECES).max(PIECE_LEN)) {
        let piece = &piece[..piece.len().min(PIECE_LEN)];
        piece.iter().for_each(|&octet| counts[usize::from(octet)] += 1);
        n += piece.len() as u64;
    }
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    (squares - n) * 256 < n * n + n * n / 4
}
