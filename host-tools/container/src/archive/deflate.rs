//! Compression: one zlib stream (RFC 1950), made on all cores.
//!
//! The text is cut into blocks. Worker threads compress them on their own, each one primed with the octets before it, so
//! that no match is lost at a cut. A block ends on an octet boundary (a sync flush of RFC 1951), hence the results can be
//! joined in order. What does not compress is stored.
//!
//! Two runs over the same text may differ in a few octets: zlib-rs looks, harmlessly, at what an earlier block left.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use zlib_rs::adler32::adler32;

use pack::{Block, Packer};

mod pack;

/// CMF and FLG of RFC 1950: deflate, 32 KiB window, default level, no dictionary. Every CDOC2 writer starts like this.
const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];
/// The final deflate block: empty, with fixed codes.
const FINAL_BLOCK: [u8; 2] = [0x03, 0x00];

/// Octets in a stored deflate block, at most.
const STORED_LEN: usize = 0xffff;

/// More threads than this would only wait for the thread that encrypts and writes, and each needs about 1 MiB.
const MAX_WORKERS: usize = 8;
/// Blocks under way besides one for each worker.
const QUEUED: usize = 2;

/// How a worker packs a block. Tests put a failing one in its place.
type Pack = fn(&mut Packer, &mut Block);

/// A [`Write`] that compresses to `sink`. It holds less than 8 MiB, whatever the text.
///
/// Threads start with the second block, so small archives need none. They end with this value, dropped or finished.
#[derive(Debug)]
pub struct Deflate<W> {
    sink: W,
    pack: Pack,
    filling: Block,
    spare: Vec<Block>,
    pool: Option<Pool>,
    /// Blocks with the workers, oldest first.
    under_way: VecDeque<Receiver<Block>>,
    checksum: u32,
    /// Octets given to the sink so far.
    total_out: u64,
    /// The stream has a hole and must not be finished.
    broken: bool,
}

impl<W: Write> Deflate<W> {
    /// A compressor to `sink`. Nothing is written before a block is full, or the end comes.
    pub fn new(sink: W) -> Self {
        Self::with_pack(sink, Packer::pack)
    }

    fn with_pack(sink: W, pack: Pack) -> Self {
        Self {
            sink,
            pack,
            filling: Block::default(),
            spare: Vec::new(),
            pool: None,
            under_way: VecDeque::new(),
            checksum: 1,
            total_out: 0,
            broken: false,
        }
    }

    /// Writes what is left and the end of the stream, and gives the sink back.
    ///
    /// # Errors
    /// Those of the sink; also when an earlier write had failed, or a worker thread.
    pub fn finish(mut self) -> io::Result<W> {
        self.check_whole()?;
        if self.pool.is_some() {
            self.submit()?;
            while !self.under_way.is_empty() {
                self.put_oldest()?;
            }
        } else if !self.filling.text().is_empty() {
            let mut block = std::mem::take(&mut self.filling);
            self.checksum = adler32(self.checksum, block.text());
            (self.pack)(&mut Packer::new(), &mut block);
            self.put_block(&block)?;
        }
        if self.total_out == 0 {
            self.put(&ZLIB_HEADER)?;
        }
        self.put(&FINAL_BLOCK)?;
        self.put(&self.checksum.to_be_bytes())?;
        Ok(self.sink)
    }

    /// Hands the block being filled to the workers, and writes the oldest result when enough are under way.
    fn submit(&mut self) -> io::Result<()> {
        let pool = match &mut self.pool {
            Some(pool) => pool,
            none => none.insert(Pool::start(self.pack)?),
        };
        let mut next = self.spare.pop().unwrap_or_default();
        next.restart_after(&self.filling);
        let block = std::mem::replace(&mut self.filling, next);
        self.checksum = adler32(self.checksum, block.text());
        self.under_way.push_back(pool.submit(block)?);
        if self.under_way.len() > pool.workers.len() + QUEUED {
            self.put_oldest()?;
        }
        Ok(())
    }

    fn put_oldest(&mut self) -> io::Result<()> {
        if let Some(result) = self.under_way.pop_front() {
            let block = result.recv().map_err(|_| worker_died())?;
            self.put_block(&block)?;
            self.spare.push(block);
        }
        Ok(())
    }

    fn put_block(&mut self, block: &Block) -> io::Result<()> {
        if self.total_out == 0 {
            self.put(&ZLIB_HEADER)?;
        }
        if !block.stored {
            return self.put(&block.packed);
        }
        for piece in block.text().chunks(STORED_LEN) {
            let [low, high] = (piece.len() as u16).to_le_bytes();
            self.put(&[0, low, high, !low, !high])?;
            self.put(piece)?;
        }
        Ok(())
    }

    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.sink.write_all(octets)?;
        self.total_out += octets.len() as u64;
        Ok(())
    }

    fn check_whole(&self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the compressed stream is broken by an earlier error"));
        }
        Ok(())
    }
}

impl<W: Write> Write for Deflate<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.check_whole()?;
        if self.filling.is_full() {
            self.submit().inspect_err(|_| self.broken = true)?;
        }
        Ok(self.filling.append(octets))
    }

    /// Flushes the sink. Text that does not fill a block stays here: cutting it would cost compression.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

struct Job {
    block: Block,
    /// Dropped without an answer if the worker panics.
    result: Sender<Block>,
}

/// Threads that pack blocks; joined on drop.
#[derive(Debug)]
struct Pool {
    jobs: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    fn start(pack: Pack) -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, |cores| cores.get()).min(MAX_WORKERS);
        let (sender, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let mut pool = Self { jobs: Some(sender), workers: Vec::with_capacity(count) };
        for _ in 0..count {
            let jobs = Arc::clone(&jobs);
            let worker = thread::Builder::new().name("deflate".into());
            pool.workers.push(worker.spawn(move || work(&jobs, pack))?);
        }
        Ok(pool)
    }

    fn submit(&self, block: Block) -> io::Result<Receiver<Block>> {
        let (result, receiver) = mpsc::channel();
        let jobs = self.jobs.as_ref().ok_or_else(worker_died)?;
        jobs.send(Job { block, result }).map_err(|_| worker_died())?;
        Ok(receiver)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A panic was reported to whoever waited for that block.
            let _ = worker.join();
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, pack: Pack) {
    let mut packer = Packer::new();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut block, result }) = job else {
            return;
        };
        pack(&mut packer, &mut block);
        // Nobody waits any more after an error of the sink.
        let _ = result.send(block);
    }
}

fn worker_died() -> io::Error {
    io::Error::other("a compression thread stopped unexpectedly")
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use flate2::read::ZlibDecoder;
    use flate2::{Compress, FlushCompress};

    use super::pack::{BLOCK_LEN, HISTORY_LEN};
    use super::*;

    /// Octets without any pattern, the same each time.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let step = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..len).map(step).collect()
    }

    /// Lines of words, which compress to about a quarter.
    fn text(len: usize) -> Vec<u8> {
        const WORDS: [&str; 12] =
            ["recipient", "capsule", "header", "of", "the", "container", "key", "label\n", "share", "and", "payload", "nonce\n"];
        let mut text: Vec<u8> =
            noise(len / 3 + 1).iter().flat_map(|octet| [WORDS[usize::from(octet % 12)], " "]).flat_map(str::bytes).collect();
        text.truncate(len);
        text
    }

    fn deflate(pieces: &[&[u8]]) -> Vec<u8> {
        let mut deflate = Deflate::new(Vec::new());
        for piece in pieces {
            deflate.write_all(piece).expect("a vector takes all");
        }
        deflate.finish().expect("a vector takes all")
    }

    fn inflate(stream: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut decoder = ZlibDecoder::new(stream);
        decoder.read_to_end(&mut text).expect("a sound stream");
        assert_eq!(decoder.total_in(), stream.len() as u64, "nothing follows the stream");
        text
    }

    #[test]
    fn nothing_gives_the_empty_stream() {
        assert_eq!(deflate(&[]), [0x78, 0x9c, 3, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn text_comes_back_whatever_its_length() {
        let all = [text(BLOCK_LEN), noise(BLOCK_LEN), text(3 * BLOCK_LEN)].concat();
        for len in [1, HISTORY_LEN, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 2 * BLOCK_LEN, 4 * BLOCK_LEN + 7, all.len()] {
            let stream = deflate(&[&all[..len]]);
            assert_eq!(stream[..2], ZLIB_HEADER);
            assert!(inflate(&stream) == all[..len], "{len}");
        }
    }

    #[test]
    fn the_size_of_the_writes_does_not_matter() {
        let text = text(2 * BLOCK_LEN + 100);
        for size in [1, 511, 65_537] {
            let pieces: Vec<_> = text.chunks(size).collect();
            assert!(inflate(&deflate(&pieces)) == text, "{size}");
        }
    }

    #[test]
    fn what_does_not_compress_is_stored() {
        let noise = noise(5 * BLOCK_LEN + 11);
        let stream = deflate(&[&noise]);
        assert!(stream.len() < noise.len() + noise.len() / 2000, "{}", stream.len());
        assert!(inflate(&stream) == noise);
    }

    #[test]
    fn high_entropy_that_does_compress_is_compressed() {
        // Even counts of all octets, as in random data, but a pattern.
        let pattern: Vec<u8> = (0..2 * BLOCK_LEN).map(|index| index as u8).collect();
        let stream = deflate(&[&pattern]);
        assert!(stream.len() < pattern.len() / 20, "{}", stream.len());
        assert!(inflate(&stream) == pattern);
    }

    #[test]
    fn cutting_into_blocks_costs_next_to_nothing() {
        let text = text(8 * BLOCK_LEN);
        let mut whole = Vec::with_capacity(text.len());
        let mut deflater = Compress::new(Packer::DENSE, true);
        deflater.compress_vec(&text, &mut whole, FlushCompress::Finish).expect("enough space");
        let stream = deflate(&[&text]);
        assert!(
            stream.len() < whole.len() + whole.len() / Packer::MAX_LOSS + whole.len() / 100,
            "{} {}",
            stream.len(),
            whole.len()
        );
    }

    #[test]
    fn a_panic_in_a_worker_is_an_error() {
        let mut deflate = Deflate::with_pack(Vec::new(), |_, _| panic!("on purpose"));
        let error = deflate.write_all(&text(20 * BLOCK_LEN)).expect_err("no block is ever packed");
        assert_eq!(error.to_string(), worker_died().to_string());
        deflate.write_all(b"more").expect_err("broken for good");
        deflate.finish().expect_err("broken for good");
    }

    /// Takes some octets, then fails.
    #[derive(Debug)]
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(octets.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failing_sink_is_reported_and_the_stream_stays_broken() {
        for room in [0, 2, 100_000] {
            let mut deflate = Deflate::new(Full(room));
            let error = deflate.write_all(&noise(20 * BLOCK_LEN)).expect_err("not enough room");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            deflate.finish().expect_err("broken for good");
        }
        let mut deflate = Deflate::new(Full(4));
        deflate.write_all(b"text").expect("nothing is written yet");
        deflate.finish().expect_err("not enough room");
    }

    #[test]
    fn no_worker_outlives_the_value() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static PACKED: AtomicUsize = AtomicUsize::new(0);
        let mut deflate = Deflate::with_pack(Vec::new(), |packer, block| {
            RUNNING.fetch_add(1, Ordering::SeqCst);
            packer.pack(block);
            PACKED.fetch_add(1, Ordering::SeqCst);
            RUNNING.fetch_sub(1, Ordering::SeqCst);
        });
        deflate.write_all(&text(6 * BLOCK_LEN)).expect("a vector takes all");
        drop(deflate);
        assert_eq!(RUNNING.load(Ordering::SeqCst), 0);
        assert!(PACKED.load(Ordering::SeqCst) > 0);
    }
}
