//! Writing machine-readable labels.

use core::iter;

use super::{KeyLabel, LabelField, LabelType};
use crate::{Error, Field};

const PLAIN: &[u8] = b"data:,";
const BASE64: &[u8] = b"data:;base64,";

/// A machine-readable label to be written: `data:,v=1&type=...`, then the fields in their order.
///
/// Names are in lower case. Of a value, ASCII letters, digits and `-._~` stand as they are and every other octet of its UTF-8 is
/// percent-encoded, a space too: so any reader of form or of percent-encoding reads the same, and libcdoc and Java do.
#[derive(Clone, Copy, Debug)]
pub struct NewKeyLabel<'a> {
    label_type: LabelType,
    fields: &'a [(LabelField, &'a str)],
    base64: bool,
}

impl<'a> NewKeyLabel<'a> {
    /// A label of `label_type` with `fields` after its version and type.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with [`Field::KeyLabel`]: a field is there twice, or is one that the label has already (version, type), or
    /// has an empty value, at which Java fails. Leave such a field out.
    pub fn new(label_type: LabelType, fields: &'a [(LabelField, &'a str)]) -> Result<Self, Error> {
        let mut rest = fields;
        while let Some((&(field, value), others)) = rest.split_first() {
            let repeated = others.iter().any(|(other, _)| *other == field);
            if repeated || value.is_empty() || matches!(field, LabelField::Version | LabelField::Type) {
                return Err(Error::InvalidInput(Field::KeyLabel));
            }
            rest = others;
        }
        Ok(Self { label_type, fields, base64: false })
    }

    /// The same label with its fields in base64: `data:;base64,...`, with padding, which libcdoc and Java want.
    #[must_use]
    pub const fn base64(self) -> Self {
        Self { base64: true, ..self }
    }

    /// Octets that [`emit`](Self::emit) writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let data_len = self.data().count();
        if self.base64 {
            data_len.div_ceil(3).saturating_mul(4).saturating_add(BASE64.len())
        } else {
            data_len.saturating_add(PLAIN.len())
        }
    }

    /// Writes the label to the start of the caller's `out`. It is ASCII.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`]: `out` is shorter than [`encoded_len`](Self::encoded_len).
    pub fn emit<'o>(&self, out: &'o mut [u8]) -> Result<KeyLabel<'o>, Error> {
        let needed = self.encoded_len();
        let (out, _) = out.split_at_mut_checked(needed).ok_or(Error::BufferTooSmall { needed })?;
        if self.base64 {
            fill(out, BASE64.iter().copied().chain(base64(self.data())));
        } else {
            fill(out, PLAIN.iter().copied().chain(self.data()));
        }
        Ok(KeyLabel::new(out))
    }

    /// `v=1&type=..&name=value..`, percent-encoded.
    fn data(&self) -> impl Iterator<Item = u8> {
        let head = "v=1&type=".bytes().chain(percent_encoded(self.label_type.name()));
        let field = |&(field, value): &(LabelField, &'a str)| {
            iter::once(b'&').chain(field.name().bytes()).chain(iter::once(b'=')).chain(percent_encoded(value))
        };
        head.chain(self.fields.iter().flat_map(field))
    }
}

fn fill(out: &mut [u8], octets: impl Iterator<Item = u8>) {
    for (place, octet) in out.iter_mut().zip(octets) {
        *place = octet;
    }
}

fn percent_encoded(text: &str) -> impl Iterator<Item = u8> {
    let encoded = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => [Some(octet), None, None],
        _ => [Some(b'%'), Some(hex_digit(octet >> 4)), Some(hex_digit(octet & 0xF))],
    };
    text.bytes().flat_map(encoded).flatten()
}

/// RFC 4648, section 4, with padding.
fn base64(octets: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    let mut octets = octets.fuse();
    let group = move || {
        let (first, second, third) = (octets.next()?, octets.next(), octets.next());
        Some([
            base64_digit(first >> 2),
            base64_digit((first << 4 | second.unwrap_or(0) >> 4) & 0x3F),
            second.map_or(b'=', |second| base64_digit((second << 2 | third.unwrap_or(0) >> 6) & 0x3F)),
            third.map_or(b'=', |third| base64_digit(third & 0x3F)),
        ])
    };
    iter::from_fn(group).flatten()
}

/// The digit of a value below 16.
const fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0'.wrapping_add(value),
        _ => b'A'.wrapping_sub(10).wrapping_add(value),
    }
}

/// The digit of a value below 64. RFC 4648, table 1.
const fn base64_digit(value: u8) -> u8 {
    match value {
        0..=25 => b'A'.wrapping_add(value),
        26..=51 => b'a'.wrapping_sub(26).wrapping_add(value),
        52..=61 => b'0'.wrapping_sub(52).wrapping_add(value),
        62 => b'+',
        _ => b'/',
    }
}
