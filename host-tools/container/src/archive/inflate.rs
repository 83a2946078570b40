//! Decompression of one zlib stream, strictly (RFC 1950).

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::error::{Error, ZlibProblem};
use super::writer::read;

/// Compressed octets that are read at once.
const INPUT_LEN: usize = 64 << 10;

/// A [`Read`] of the text of a zlib stream, and of nothing else: the header, the Adler-32 and the end of the source are
/// verified before the last read answers 0. Errors are [`Error::Zlib`] inside [`io::Error`], or those of the source.
///
/// Reads into large buffers are fastest; the text is made in place.
#[derive(Debug)]
pub struct Inflate<R> {
    source: R,
    inflater: Decompress,
    input: Box<[u8]>,
    /// The part of `input` that was not used yet.
    unused: std::ops::Range<usize>,
    at_end: bool,
}

impl<R: Read> Inflate<R> {
    /// A decompressor of what `source` yields, to its end.
    pub fn new(source: R) -> Self {
        let input = vec![0; INPUT_LEN].into();
        Self { source, inflater: Decompress::new(true), input, unused: 0..0, at_end: false }
    }

    /// Compressed octets used so far.
    pub fn total_in(&self) -> u64 {
        self.inflater.total_in()
    }

    /// Octets of text made so far.
    pub fn total_out(&self) -> u64 {
        self.inflater.total_out()
    }

    /// Reads more input after what is unused, which must not fill the buffer. `false` at the end of the source.
    fn fill(&mut self) -> io::Result<bool> {
        self.input.copy_within(self.unused.clone(), 0);
        self.unused = 0..self.unused.len();
        let len = read(&mut self.source, &mut self.input[self.unused.end..])?;
        self.unused.end += len;
        Ok(len > 0)
    }

    /// zlib looks at the header too, but says less about it.
    fn check_header(&mut self) -> io::Result<()> {
        while self.unused.len() < 2 {
            if !self.fill()? {
                return Err(malformed(ZlibProblem::Truncated));
            }
        }
        let [cmf, flg] = [self.input[0], self.input[1]];
        if cmf & 0x0f != 8 || cmf >> 4 > 7 || u16::from_be_bytes([cmf, flg]) % 31 != 0 {
            return Err(malformed(ZlibProblem::Header));
        }
        if flg & 0x20 != 0 {
            return Err(malformed(ZlibProblem::Dictionary));
        }
        Ok(())
    }
}

impl<R: Read> Read for Inflate<R> {
    fn read(&mut self, text: &mut [u8]) -> io::Result<usize> {
        if self.at_end || text.is_empty() {
            return Ok(0);
        }
        if self.total_in() == 0 {
            self.check_header()?;
        }
        loop {
            if self.unused.is_empty() && !self.fill()? {
                return Err(malformed(ZlibProblem::Truncated));
            }
            let (before_in, before_out) = (self.total_in(), self.total_out());
            let status = self.inflater.decompress(&self.input[self.unused.clone()], text, FlushDecompress::None);
            let used = (self.total_in() - before_in) as usize;
            let len = (self.total_out() - before_out) as usize;
            self.unused.start += used;
            match status {
                Err(error) => {
                    let message = error.message().unwrap_or("invalid compressed data");
                    return Err(malformed(ZlibProblem::Data(message.to_owned())));
                }
                Ok(Status::StreamEnd) => {
                    self.at_end = true;
                    if !self.unused.is_empty() || self.fill()? {
                        return Err(malformed(ZlibProblem::Trailing));
                    }
                    return Ok(len);
                }
                Ok(Status::Ok | Status::BufError) if len > 0 => return Ok(len),
                // The input went in and nothing came out yet.
                Ok(Status::Ok | Status::BufError) if used > 0 => {}
                Ok(Status::Ok | Status::BufError) => return Err(malformed(ZlibProblem::Data("no progress".to_owned()))),
            }
        }
    }
}

fn malformed(problem: ZlibProblem) -> io::Error {
    io::Error::other(Error::Zlib(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// zlib level 9 of "CDOC2 CDOC2 CDOC2 CDOC2".
    const STREAM: [u8; 16] = [0x78, 0xda, 0x73, 0x76, 0xf1, 0x77, 0x36, 0x52, 0x70, 0x46, 0x27, 0x01, 0x43, 0x33, 0x05, 0x8d];
    const TEXT: &[u8] = b"CDOC2 CDOC2 CDOC2 CDOC2";

    fn problem(stream: &[u8]) -> Option<ZlibProblem> {
        let error = Inflate::new(stream).read_to_end(&mut Vec::new()).err()?;
        match error.downcast::<Error>().expect("an error of this crate") {
            Error::Zlib(problem) => Some(problem),
            other => panic!("{other}"),
        }
    }

    /// Yields one octet a read.
    struct Slow<'s>(&'s [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(1);
            self.0.read(&mut buffer[..len])
        }
    }

    #[test]
    fn a_stream_by_single_octets() {
        let mut inflate = Inflate::new(Slow(&STREAM));
        let mut text = Vec::new();
        let mut octet = [0];
        while inflate.read(&mut octet).expect("a sound stream") > 0 {
            text.push(octet[0]);
        }
        assert_eq!(text, TEXT);
        assert_eq!((inflate.total_in(), inflate.total_out()), (STREAM.len() as u64, TEXT.len() as u64));
        assert_eq!(inflate.read(&mut octet).expect("the end stays the end"), 0);
    }

    #[test]
    fn every_truncation_is_found() {
        for len in 0..STREAM.len() {
            assert_eq!(problem(&STREAM[..len]), Some(ZlibProblem::Truncated), "{len}");
        }
    }

    #[test]
    fn every_bit_flip_is_found() {
        for bit in 0..STREAM.len() * 8 {
            let mut stream = STREAM;
            stream[bit / 8] ^= 1 << (bit % 8);
            assert!(problem(&stream).is_some(), "{bit}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_named() {
        let mut stream = STREAM;
        stream[STREAM.len() - 1] ^= 1;
        assert_eq!(problem(&stream), Some(ZlibProblem::Data("incorrect data check".to_owned())));
    }

    #[test]
    fn only_a_plain_zlib_header_will_do() {
        // gzip, raw deflate, a tar header, a window of 64 KiB, a wrong check value
        for start in [[0x1f, 0x8b], [0x4b, 0x4c], *b"go", [0x88, 0x1c], [0x78, 0x9d]] {
            assert_eq!(problem(&[start.as_slice(), &STREAM[2..]].concat()), Some(ZlibProblem::Header));
        }
        assert_eq!(problem(&[&[0x78, 0xbb], &STREAM[2..]].concat()), Some(ZlibProblem::Dictionary));
    }

    #[test]
    fn nothing_may_follow() {
        assert_eq!(problem(&STREAM), None);
        for rest in [&[0][..], &[0; 100_000], &STREAM] {
            assert_eq!(problem(&[&STREAM, rest].concat()), Some(ZlibProblem::Trailing));
        }
    }

    #[test]
    fn an_error_of_the_source_passes_through() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let error = Inflate::new(STREAM[..5].chain(Broken)).read_to_end(&mut Vec::new()).expect_err("the source fails");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
