//! The subset of FlatBuffers that the two schemas need, checked while it is walked.
//!
//! A table begins with the distance back to its vtable; the vtable gives its own length, the length of the table's fields, and
//! for each slot the offset of its field in the table, 0 if absent. Tables, vectors and strings are reached by unsigned forward
//! distances. Everything is little-endian and aligned to its size, counted from the start of the buffer.
//!
//! Stricter than the verifier of the `flatbuffers` crate in two points: the fields of a table lie inside the length that the
//! vtable states, and that length lies inside the buffer. Laxer in one: strings are not checked for UTF-8, which would cost more
//! than linear work where many records share one string.
//!
//! Source: FlatBuffers documentation, "Internals".

use crate::{Error, Field};

/// Octets of an offset, a length or an `int32`.
const WORD: usize = 4;
/// Octets of an entry of a vtable.
const HALF: usize = 2;

/// A table whose vtable and whose extent were checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'b> {
    buffer: &'b [u8],
    position: usize,
    /// Offsets of the fields, without the two lengths in front.
    slots: &'b [u8],
    /// Octets from `position` that fields may lie in.
    len: usize,
}

impl<'b> Table<'b> {
    /// The table that the first word of `buffer` points at.
    pub(super) fn root(buffer: &'b [u8]) -> Result<Self, Error> {
        follow(buffer, 0).and_then(|position| Self::at(buffer, position)).ok_or(Error::Malformed(Field::Header))
    }

    fn at(buffer: &'b [u8], position: usize) -> Option<Self> {
        let distance = i64::from(i32::from_le_bytes(word(buffer, position)?));
        let vtable = usize::try_from(i64::try_from(position).ok()?.checked_sub(distance)?).ok()?;
        let vtable_len = usize::from(half(buffer, vtable)?);
        let len = usize::from(half(buffer, vtable.checked_add(HALF)?)?);
        if !vtable_len.is_multiple_of(HALF) || len < WORD || position.checked_add(len)? > buffer.len() {
            return None;
        }
        let slots = buffer.get(vtable.checked_add(WORD)?..vtable.checked_add(vtable_len)?)?;
        Some(Self { buffer, position, slots, len })
    }

    /// Position of the field in `slot`, `size` octets long and so aligned; `None` if the table has no such field.
    fn field(&self, slot: usize, size: usize) -> Option<Option<usize>> {
        let offset = match slot.checked_mul(HALF).and_then(|at| self.slots.get(at..)).and_then(|rest| rest.first_chunk()) {
            Some(offset) => usize::from(u16::from_le_bytes(*offset)),
            None => 0,
        };
        if offset == 0 {
            return Some(None);
        }
        let position = self.position.checked_add(offset)?;
        if offset < WORD || offset.checked_add(size)? > self.len || !position.is_multiple_of(size) {
            return None;
        }
        Some(Some(position))
    }

    /// An `ubyte`, or a `byte` or an enum by its bits; `None` if absent.
    pub(super) fn octet(&self, slot: usize, field: Field) -> Result<Option<u8>, Error> {
        match self.field(slot, 1) {
            Some(None) => Ok(None),
            Some(Some(position)) => self.buffer.get(position).copied().map(Some).ok_or(Error::Malformed(field)),
            None => Err(Error::Malformed(field)),
        }
    }

    /// A `byte` or an enum, 0 if absent.
    pub(super) fn byte(&self, slot: usize, field: Field) -> Result<i8, Error> {
        Ok(self.octet(slot, field)?.unwrap_or(0).cast_signed())
    }

    /// An `int32`, 0 if absent.
    pub(super) fn int32(&self, slot: usize, field: Field) -> Result<i32, Error> {
        match self.field(slot, WORD) {
            Some(None) => Ok(0),
            Some(Some(position)) => word(self.buffer, position).map(i32::from_le_bytes).ok_or(Error::Malformed(field)),
            None => Err(Error::Malformed(field)),
        }
    }

    /// Where the offset in `slot` points; `None` if absent.
    fn target(&self, slot: usize, field: Field) -> Result<Option<usize>, Error> {
        match self.field(slot, WORD) {
            Some(None) => Ok(None),
            Some(Some(position)) => follow(self.buffer, position).map(Some).ok_or(Error::Malformed(field)),
            None => Err(Error::Malformed(field)),
        }
    }

    /// A table; `None` if absent.
    pub(super) fn table(&self, slot: usize, field: Field) -> Result<Option<Self>, Error> {
        match self.target(slot, field)? {
            None => Ok(None),
            Some(position) => Self::at(self.buffer, position).map(Some).ok_or(Error::Malformed(field)),
        }
    }

    /// Whether an offset stands in `slot`, of whatever it is an offset.
    pub(super) fn has_target(&self, slot: usize, field: Field) -> Result<bool, Error> {
        Ok(self.target(slot, field)?.is_some())
    }

    /// A required vector of octets.
    pub(super) fn octets(&self, slot: usize, field: Field) -> Result<&'b [u8], Error> {
        let malformed = Error::Malformed(field);
        let position = self.target(slot, field)?.ok_or(malformed)?;
        elements(self.buffer, position, 1).ok_or(malformed)
    }

    /// A required string: its octets without the NUL that must follow them.
    pub(super) fn string(&self, slot: usize, field: Field) -> Result<&'b [u8], Error> {
        let malformed = Error::Malformed(field);
        let position = self.target(slot, field)?.ok_or(malformed)?;
        let octets = elements(self.buffer, position, 1).ok_or(malformed)?;
        let end = position.checked_add(WORD).and_then(|start| start.checked_add(octets.len()));
        match end.and_then(|end| self.buffer.get(end)) {
            Some(0) => Ok(octets),
            _ => Err(malformed),
        }
    }

    /// A vector of tables, each of which is yet to be checked; `None` if absent.
    pub(super) fn tables(&self, slot: usize, field: Field) -> Result<Option<Tables<'b>>, Error> {
        let Some(position) = self.target(slot, field)? else {
            return Ok(None);
        };
        let offsets = elements(self.buffer, position, WORD).ok_or(Error::Malformed(field))?;
        let next = position.checked_add(WORD).ok_or(Error::Malformed(field))?;
        Ok(Some(Tables { buffer: self.buffer, next, count: offsets.len() / WORD, field }))
    }
}

/// Walks a vector of tables, each of them checked as it is reached.
#[derive(Clone, Debug)]
pub(super) struct Tables<'b> {
    buffer: &'b [u8],
    next: usize,
    count: usize,
    field: Field,
}

impl<'b> Iterator for Tables<'b> {
    type Item = Result<Table<'b>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let position = self.next;
        self.next = position.saturating_add(WORD);
        let table = follow(self.buffer, position).and_then(|position| Table::at(self.buffer, position));
        Some(table.ok_or(Error::Malformed(self.field)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Tables<'_> {}

/// The position that the offset at `position` points at. Distance 0 would be the offset itself.
fn follow(buffer: &[u8], position: usize) -> Option<usize> {
    let distance = usize::try_from(u32::from_le_bytes(word(buffer, position)?)).ok()?;
    if distance == 0 {
        return None;
    }
    position.checked_add(distance)
}

/// The octets of a vector of `size`-octet elements whose length stands at `position`.
fn elements(buffer: &[u8], position: usize, size: usize) -> Option<&[u8]> {
    let count = usize::try_from(u32::from_le_bytes(word(buffer, position)?)).ok()?;
    let start = position.checked_add(WORD)?;
    buffer.get(start..start.checked_add(count.checked_mul(size)?)?)
}

fn word(buffer: &[u8], position: usize) -> Option<[u8; WORD]> {
    if !position.is_multiple_of(WORD) {
        return None;
    }
    buffer.get(position..)?.first_chunk().copied()
}

fn half(buffer: &[u8], position: usize) -> Option<u16> {
    if !position.is_multiple_of(HALF) {
        return None;
    }
    buffer.get(position..)?.first_chunk().map(|octets| u16::from_le_bytes(*octets))
}
