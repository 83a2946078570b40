//! Key labels: what a record says about its recipient, for a person to read.
//!
//! Specification: "KeyLabel recommendations" and appendix D. A label is either free text or a `data:` URL (RFC 2397) whose data are
//! `name=value` pairs in `application/x-www-form-urlencoded`, as they stand or in base64:
//!
//! ```text
//! data:[<media type>][;base64],v=1&type=pw&label=kevade
//! ```
//!
//! A label is a hint: nothing in it decides whether a container opens. Its octets do: they are an input of the KEK of symmetric key and
//! password capsules. So [`KeyLabel`] keeps them as they are stored, and reads the fields in place, base64 included.
//!
//! Where implementations differ from the text, this reader takes what any of them wrote. What it cannot read is free text, not an error:
//! - Java 1.2 left out the comma: `data:V=1&LABEL=..`.
//! - `data:` and `;base64` may be in any case; libcdoc and Java want lower case.
//! - Base64 may lack its padding; libcdoc and Java stop with an exception there.
//! - A media type without `;base64` is passed over; libcdoc makes it a part of the first name.
//! - A value goes on to the next `&`; libcdoc and Java cut it at a second `=`.

use crate::{Error, Field};

#[cfg(feature = "write")]
mod emit;
#[cfg(test)]
mod tests;

#[cfg(feature = "write")]
pub use emit::NewKeyLabel;

const SCHEME: &[u8] = b"data:";
const BASE64: &[u8] = b";base64";

/// The label of a recipient record, in the octets in which it is stored.
///
/// Nothing is known about these octets: they may be empty, hold control characters, or not be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyLabel<'b>(&'b [u8]);

impl<'b> KeyLabel<'b> {
    /// A label of these octets, free text or `data:` URL.
    #[must_use]
    pub const fn new(octets: &'b [u8]) -> Self {
        Self(octets)
    }

    /// The octets as they are stored, which enter the KEK of symmetric key and password capsules.
    #[must_use]
    pub const fn octets(&self) -> &'b [u8] {
        self.0
    }

    /// The fields of a machine-readable label; `None` if the label is free text.
    ///
    /// Free text is also what begins with `data:` but has malformed base64 or a `%` without two hexadecimal digits, or no `=` at all.
    /// Neither `v` nor `type` need be there: libcdoc leaves out the type for a bare public key.
    #[must_use]
    pub fn fields(&self) -> Option<LabelFields<'b>> {
        let (scheme, rest) = self.0.split_at_checked(SCHEME.len())?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return None;
        }
        LabelFields::parse(Data::parse(rest)?)
    }
}

/// The fields of a machine-readable label: sound percent-encoding, at least one `name=value`.
#[derive(Clone, Copy, Debug)]
pub struct LabelFields<'b>(Data<'b>);

impl<'b> LabelFields<'b> {
    fn parse(data: Data<'b>) -> Option<Self> {
        let mut has_value = false;
        let mut octets = data.span().raw();
        while let Some(octet) = octets.next() {
            match octet {
                b'=' => has_value = true,
                b'%' => {
                    hex_digit(octets.next()?)?;
                    hex_digit(octets.next()?)?;
                }
                _ => {}
            }
        }
        has_value.then_some(Self(data))
    }

    /// Every field in the order of the label, repeated and unknown ones included.
    #[must_use]
    pub fn iter(&self) -> LabelFieldsIter<'b> {
        LabelFieldsIter(self.0.span())
    }

    /// The value of `field`. Of a field that is repeated the last one counts, as it does for libcdoc and Java.
    #[must_use]
    pub fn get(&self, field: LabelField) -> Option<LabelText<'b>> {
        let same = |(name, value): (LabelText<'b>, _)| name.eq_ignore_ascii_case(field.name()).then_some(value);
        self.iter().filter_map(same).last()
    }

    /// The value of [`LabelField::Type`], if it is one of appendix D in any case.
    #[must_use]
    pub fn label_type(&self) -> Option<LabelType> {
        let value = self.get(LabelField::Type)?;
        LabelType::ALL.into_iter().find(|label_type| value.eq_ignore_ascii_case(label_type.name()))
    }
}

impl<'b> IntoIterator for LabelFields<'b> {
    type Item = (LabelText<'b>, LabelText<'b>);
    type IntoIter = LabelFieldsIter<'b>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The `(name, value)` pairs of a label. The value of a name without `=` is empty. Nothing between two `&` is no pair.
#[derive(Clone, Debug)]
pub struct LabelFieldsIter<'b>(Span<'b>);

impl<'b> Iterator for LabelFieldsIter<'b> {
    type Item = (LabelText<'b>, LabelText<'b>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let (pair, rest) = self.0.split_once(b'&');
            self.0 = rest;
            if !pair.is_empty() {
                let (name, value) = pair.split_once(b'=');
                return Some((LabelText(name), LabelText(value)));
            }
        }
        None
    }
}

/// A name or a value of a label, still encoded.
#[derive(Clone, Copy, Debug)]
pub struct LabelText<'b>(Span<'b>);

impl<'b> LabelText<'b> {
    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The decoded octets: usually UTF-8, but nobody has checked it.
    #[must_use]
    pub const fn octets(&self) -> LabelOctets<'b> {
        LabelOctets(self.0.raw())
    }

    /// Compares the decoded octets with `text`, ASCII letters in any case.
    #[must_use]
    pub fn eq_ignore_ascii_case(&self, text: &str) -> bool {
        self.octets().map(|octet| octet.to_ascii_lowercase()).eq(text.bytes().map(|octet| octet.to_ascii_lowercase()))
    }

    /// Decodes into the caller's `out`.
    ///
    /// # Errors
    /// - [`Error::BufferTooSmall`]: `out` is shorter than the decoded octets.
    /// - [`Error::Malformed`]: they are not UTF-8.
    pub fn decode_into<'o>(&self, out: &'o mut [u8]) -> Result<&'o str, Error> {
        let needed = self.octets().count();
        let (out, _) = out.split_at_mut_checked(needed).ok_or(Error::BufferTooSmall { needed })?;
        for (place, octet) in out.iter_mut().zip(self.octets()) {
            *place = octet;
        }
        core::str::from_utf8(out).map_err(|_| Error::Malformed(Field::KeyLabel))
    }
}

/// The decoded octets of a [`LabelText`]: `+` is a space, `%XX` an octet.
#[derive(Clone, Debug)]
pub struct LabelOctets<'b>(Raw<'b>);

impl Iterator for LabelOctets<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self.0.next()? {
            b'+' => Some(b' '),
            b'%' => {
                let high = hex_digit(self.0.next()?)?;
                let low = hex_digit(self.0.next()?)?;
                Some(high << 4 | low)
            }
            octet => Some(octet),
        }
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident: $count:literal { $($(#[$case_doc:meta])* $case:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$case_doc])* $case,)*
        }

        impl $name {
            /// All of them, in the order of the specification.
            pub const ALL: [Self; $count] = [$(Self::$case,)*];

            /// The text in a label.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$case => $text,)*
                }
            }
        }
    };
}

names! {
    /// A field that the specification names: appendix D, and from `KeyManager` on "KeyLabel recommendations".
    LabelField: 17 {
        /// `v`: version of the type's fields, 1.
        Version = "v",
        /// `type`: see [`LabelType`].
        Type = "type",
        /// `cn`: common name of the recipient's certificate.
        Cn = "cn",
        /// `serial_number`: as in the directory, such as "PNOEE-38001085718".
        SerialNumber = "serial_number",
        /// `last_name`.
        LastName = "last_name",
        /// `first_name`.
        FirstName = "first_name",
        /// `server_exp`: when the capsule expires on its server, Unix time in seconds.
        ServerExp = "server_exp",
        /// `file`: name of the file that the certificate or key came from.
        File = "file",
        /// `cert_sha1`: SHA-1 fingerprint of the certificate, upper-case hexadecimal.
        CertSha1 = "cert_sha1",
        /// `label`: tells a key or a password from others.
        Label = "label",
        /// `sn`: identifier of a Smart-ID or Mobile-ID user, such as "etsi/PNOEE-48010010101".
        Sn = "sn",
        /// `km`: key manager, such as "bitwarden".
        KeyManager = "km",
        /// `vault`: vault, keyring or wallet inside the key manager.
        Vault = "vault",
        /// `key_id`: name of the key in the vault.
        KeyId = "key_id",
        /// `user_desc`: the user's own description.
        UserDesc = "user_desc",
        /// `cert_hash`: digest of the certificate.
        CertHash = "cert_hash",
        /// `pno`: personal number issued by a national authority, such as "etsi/PNOEE-48010010101".
        Pno = "pno",
    }
}

names! {
    /// What kind of recipient a label describes. Appendix D.
    LabelType: 8 {
        /// `ID-card`.
        IdCard = "ID-card",
        /// `Digi-ID`.
        DigiId = "Digi-ID",
        /// `Digi-ID E-RESIDENT`.
        DigiIdEResident = "Digi-ID E-RESIDENT",
        /// `cert`: certificate from a file.
        Certificate = "cert",
        /// `pub_key`: public key from a file.
        PublicKey = "pub_key",
        /// `secret`: symmetric key.
        Secret = "secret",
        /// `pw`: password.
        Password = "pw",
        /// `auth`: Smart-ID or Mobile-ID.
        Auth = "auth",
    }
}

/// What follows the `data:` and the media type. Every octet can be had by its position, so base64 needs no buffer.
#[derive(Clone, Copy, Debug)]
enum Data<'b> {
    Plain(&'b [u8]),
    /// Digits of the alphabet only, the padding taken off, and not one digit more than whole octets need.
    Base64(&'b [u8]),
}

impl<'b> Data<'b> {
    /// Takes the media type off. `None`: malformed base64.
    fn parse(rest: &'b [u8]) -> Option<Self> {
        let mut parts = rest.splitn(2, |octet| *octet == b',');
        match (parts.next(), parts.next()) {
            (Some(head), Some(data)) if is_media_type(head) => {
                let (_, end) = head.split_at_checked(head.len().saturating_sub(BASE64.len()))?;
                if end.eq_ignore_ascii_case(BASE64) { Self::parse_base64(data) } else { Some(Self::Plain(data)) }
            }
            _ => Some(Self::Plain(rest)),
        }
    }

    fn parse_base64(text: &'b [u8]) -> Option<Self> {
        let digits = match text {
            [digits @ .., b'=', b'='] | [digits @ .., b'='] if text.len().is_multiple_of(4) => digits,
            digits => digits,
        };
        (digits.len() % 4 != 1 && digits.iter().all(|digit| base64_digit(*digit).is_some())).then_some(Self::Base64(digits))
    }

    /// The octet at position `at`, `None` from the end on.
    fn octet(self, at: usize) -> Option<u8> {
        match self {
            Self::Plain(octets) => octets.get(at).copied(),
            // three octets are four digits of six bits
            Self::Base64(digits) => {
                let first = at.checked_add(at / 3)?;
                let here = base64_digit(*digits.get(first)?)?;
                let next = base64_digit(*digits.get(first.checked_add(1)?)?)?;
                Some(match at % 3 {
                    0 => here << 2 | next >> 4,
                    1 => here << 4 | next >> 2,
                    _ => here << 6 | next,
                })
            }
        }
    }

    fn span(self) -> Span<'b> {
        let end = match self {
            Self::Plain(octets) => octets.len(),
            // without the padding: 0, 2, 3 digits more are 0, 1, 2 octets more
            Self::Base64(digits) => digits.len().saturating_sub(digits.len().div_ceil(4)),
        };
        Span { data: self, start: 0, end }
    }
}

/// A media type ends at the comma, and what is before its parameters has no `=` and no `&`; otherwise the comma belongs to a value.
fn is_media_type(head: &[u8]) -> bool {
    head.iter().take_while(|octet| **octet != b';').all(|octet| !matches!(octet, b'=' | b'&'))
}

/// A part of the data, by positions.
#[derive(Clone, Copy, Debug)]
struct Span<'b> {
    data: Data<'b>,
    start: usize,
    end: usize,
}

impl<'b> Span<'b> {
    const fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    const fn raw(self) -> Raw<'b> {
        Raw(self)
    }

    /// What is before the first `separator` and what is after it. Without one that is everything and nothing.
    fn split_once(self, separator: u8) -> (Self, Self) {
        let len = self.raw().take_while(|octet| *octet != separator).count();
        let middle = self.start.saturating_add(len);
        (Self { end: middle, ..self }, Self { start: middle.saturating_add(1).min(self.end), ..self })
    }
}

/// The octets of a [`Span`], still percent-encoded.
#[derive(Clone, Copy, Debug)]
struct Raw<'b>(Span<'b>);

impl Iterator for Raw<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.0.is_empty() {
            return None;
        }
        let octet = self.0.data.octet(self.0.start)?;
        self.0.start = self.0.start.saturating_add(1);
        Some(octet)
    }
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

/// RFC 4648, table 1.
const fn base64_digit(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit.wrapping_sub(b'A')),
        b'a'..=b'z' => Some(digit.wrapping_sub(b'a').wrapping_add(26)),
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0').wrapping_add(52)),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
