//! BER-TLV data objects (ISO 7816-4, 5.2.2 of the edition of 2005; ISO 8825-1): tags of up to three octets, as one big-endian number.

/// The octets are not a sequence of data objects, or not the ones that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The buffer is full, or a value is longer than 127 octets, which none is that a token and its hosts write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A data object: its tag and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// The tag's octets as a big-endian number: `0x70`, `0xDF21`, `0xBF8101`.
    pub tag: u32,
    /// The value; for a constructed object, more data objects.
    pub value: &'a [u8],
}

/// Reads data objects one after another; ends after the first that is malformed.
#[derive(Clone, Debug)]
pub struct Objects<'a>(&'a [u8]);

impl<'a> Objects<'a> {
    /// The data objects of which `octets` is the concatenation.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    fn next_object(&mut self) -> Option<Object<'a>> {
        let mut tag = u32::from(self.octet()?);
        if tag & 0x1F == 0x1F {
            for more in [true, false] {
                let octet = self.octet()?;
                tag = tag << 8 | u32::from(octet);
                match (octet & 0x80 != 0, more) {
                    (false, _) => break,
                    (true, true) => {}
                    (true, false) => return None,
                }
            }
        }
        let len = match self.octet()? {
            len @ ..=0x7F => usize::from(len),
            0x81 => usize::from(self.octet()?),
            0x82 => usize::from(u16::from_be_bytes([self.octet()?, self.octet()?])),
            _ => return None,
        };
        let (value, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(Object { tag, value })
    }

    fn octet(&mut self) -> Option<u8> {
        let (octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*octet)
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = Result<Object<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let object = self.next_object().ok_or(Malformed);
        if object.is_err() {
            self.0 = &[];
        }
        Some(object)
    }
}

/// The value of the first data object with `tag` in `octets`.
///
/// # Errors
/// [`Malformed`]: none has it, or the octets before it are no data objects.
pub fn find(octets: &[u8], tag: u32) -> Result<&[u8], Malformed> {
    for object in Objects::new(octets) {
        let object = object?;
        if object.tag == tag {
            return Ok(object.value);
        }
    }
    Err(Malformed)
}

/// The value of `octets`, which are one data object with `tag` and nothing else.
///
/// # Errors
/// [`Malformed`]: they are not.
pub fn only(octets: &[u8], tag: u32) -> Result<&[u8], Malformed> {
    let mut objects = Objects::new(octets);
    match (objects.next(), objects.next()) {
        (Some(Ok(object)), None) if object.tag == tag => Ok(object.value),
        _ => Err(Malformed),
    }
}

/// Writes data objects into a buffer that the caller lends.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// Writes from the start of `buffer`.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Octets written.
    #[must_use]
    pub const fn written_len(&self) -> usize {
        self.len
    }

    /// Writes the data object with this tag and value.
    ///
    /// # Errors
    /// [`Full`]; what the buffer holds is of no use then.
    pub fn object(&mut self, tag: u32, value: &[u8]) -> Result<(), Full> {
        self.constructed(tag, |writer| writer.put(value))
    }

    /// Writes the data object with this tag whose value is what `fill` writes.
    ///
    /// # Errors
    /// [`Full`]; what the buffer holds is of no use then.
    pub fn constructed(&mut self, tag: u32, fill: impl FnOnce(&mut Self) -> Result<(), Full>) -> Result<(), Full> {
        let octets = tag.to_be_bytes();
        let leading = octets.iter().take_while(|octet| **octet == 0).count().min(3);
        self.put(octets.get(leading..).ok_or(Full)?)?;
        let at = self.len;
        self.put(&[0])?;
        fill(self)?;
        let value_len = self.len.checked_sub(at).and_then(|len| len.checked_sub(1)).ok_or(Full)?;
        let place = self.buffer.get_mut(at).ok_or(Full)?;
        *place = u8::try_from(value_len).ok().filter(|len| *len < 0x80).ok_or(Full)?;
        Ok(())
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.len.checked_add(octets.len()).ok_or(Full)?;
        self.buffer.get_mut(self.len..end).ok_or(Full)?.copy_from_slice(octets);
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tags_of_one_two_and_three_octets() {
        let octets = b"\x70\x01\xAA\xDF\x21\x00\xBF\x81\x01\x02\xBB\xCC";
        let mut objects = Objects::new(octets).map(Result::unwrap);
        assert_eq!(objects.next(), Some(Object { tag: 0x70, value: b"\xAA" }));
        assert_eq!(objects.next(), Some(Object { tag: 0xDF21, value: b"" }));
        assert_eq!(objects.next(), Some(Object { tag: 0x00BF_8101, value: b"\xBB\xCC" }));
        assert_eq!(objects.next(), None);
    }

    #[test]
    fn reads_longer_lengths() {
        let mut octets = [0; 4 + 0x0180];
        octets[..4].copy_from_slice(b"\x53\x82\x01\x80");
        assert_eq!(only(&octets, 0x53).unwrap().len(), 0x0180);
        assert_eq!(only(b"\x53\x81\x01\xAA", 0x53), Ok(&b"\xAA"[..]));
    }

    #[test]
    fn every_truncation_is_malformed() {
        for whole in [&b"\xBF\x81\x01\x02\xBB\xCC"[..], b"\x53\x82\x00\x01\xAA", b"\x53\x81\x01\xAA"] {
            for len in 1..whole.len() {
                let mut objects = Objects::new(&whole[..len]);
                assert_eq!(objects.next(), Some(Err(Malformed)));
                assert_eq!(objects.next(), None);
            }
        }
    }

    #[test]
    fn overlong_tag_and_indefinite_length_are_malformed() {
        assert_eq!(only(b"\x1F\x81\x81\x01\x00", 0x1F), Err(Malformed));
        assert_eq!(only(b"\x70\x80\x00\x00", 0x70), Err(Malformed));
        assert_eq!(only(b"\x70\x83\x00\x00\x00", 0x70), Err(Malformed));
    }

    #[test]
    fn finds_the_first_and_wants_the_only() {
        assert_eq!(find(b"\x80\x01\xAA\x81\x01\xBB", 0x81), Ok(&b"\xBB"[..]));
        assert_eq!(find(b"\x80\x01\xAA", 0x81), Err(Malformed));
        assert_eq!(find(b"\x80\x02\xAA", 0x80), Err(Malformed));
        assert_eq!(only(b"\x80\x00\x81\x00", 0x80), Err(Malformed));
    }

    #[test]
    fn writes_what_it_reads() {
        let mut buffer = [0; 12];
        let mut writer = Writer::new(&mut buffer);
        writer
            .constructed(0x70, |inner| {
                inner.object(0x9A, b"\x03")?;
                inner.object(0x00BF_8101, b"\xAA\xBB")
            })
            .unwrap();
        assert_eq!(writer.written_len(), 11);
        assert_eq!(buffer[..11], *b"\x70\x09\x9A\x01\x03\xBF\x81\x01\x02\xAA\xBB");
    }

    #[test]
    fn a_short_buffer_or_a_long_value_is_refused() {
        for len in 0..5 {
            assert_eq!(Writer::new(&mut [0; 5][..len]).object(0xDF21, b"\x01\x02"), Err(Full));
        }
        assert_eq!(Writer::new(&mut [0; 256]).object(0x53, &[0; 127]), Ok(()));
        assert_eq!(Writer::new(&mut [0; 256]).object(0x53, &[0; 128]), Err(Full));
    }
}
