//! The records of a pax extended header (POSIX.1-2001, pax Extended Header).

use super::error::TarProblem;

/// What matters of an extended header. Later records win, and an empty value takes an earlier one back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pax {
    /// `path`. Not checked: with `hdrcharset=BINARY` it need not even be UTF-8, but the name rules ask for that.
    pub(crate) path: Option<Vec<u8>>,
    /// `size`.
    pub(crate) size: Option<u64>,
}

impl Pax {
    /// Parses all of `records`. Each is `length key=value\n`; the length counts the whole record, so values may hold
    /// anything.
    pub(crate) fn parse(mut records: &[u8]) -> Result<Self, TarProblem> {
        let mut pax = Self::default();
        while !records.is_empty() {
            let (key, value);
            (key, value, records) = next_record(records).ok_or(TarProblem::PaxRecord)?;
            match key {
                b"path" => pax.path = (!value.is_empty()).then(|| value.to_vec()),
                b"size" if value.is_empty() => pax.size = None,
                b"size" => pax.size = Some(decimal(value).ok_or(TarProblem::PaxSize)?),
                _ if key.starts_with(b"GNU.sparse.") => return Err(TarProblem::Sparse),
                _ => {}
            }
        }
        Ok(pax)
    }
}

/// Key, value, and the records that follow.
fn next_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|&octet| octet == b' ')?;
    let len = usize::try_from(decimal(&records[..space])?).ok()?;
    let (record, rest) = records.split_at_checked(len)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|&octet| octet == b'=')?;
    let (key, value) = text.split_at(equals);
    (!key.is_empty()).then_some((key, &value[1..], rest))
}

/// Decimal digits and nothing else, at most 2^63 - 1.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(digits).ok()?.parse().ok()?;
    (number <= i64::MAX as u64).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &[u8]) -> Pax {
        Pax { path: Some(path.to_vec()), size: None }
    }

    #[test]
    fn path_and_size_are_found_among_other_records() {
        let records =
            b"28 mtime=1720419602.8274919\n19 path=second.txt\n46 LIBARCHIVE.creationtime=1720419602.8274919\n11 size=88\n";
        assert_eq!(Pax::parse(records), Ok(Pax { path: Some(b"second.txt".to_vec()), size: Some(88) }));
        assert_eq!(Pax::parse(b""), Ok(Pax::default()));
    }

    #[test]
    fn values_may_hold_anything() {
        assert_eq!(Pax::parse(b"23 comment=line1\nline2\n15 path=nl.txt\n"), Ok(path(b"nl.txt")));
        assert_eq!(Pax::parse(b"12 path=a=b\n"), Ok(path(b"a=b")));
        assert_eq!(Pax::parse(b"21 hdrcharset=BINARY\n11 path=\xff\0\n"), Ok(path(b"\xff\0")));
        assert_eq!(Pax::parse(b"13 path=a\nbc\n"), Ok(path(b"a\nbc")));
    }

    #[test]
    fn the_last_record_wins_and_an_empty_one_deletes() {
        assert_eq!(Pax::parse(b"18 path=first.txt\n19 path=second.txt\n"), Ok(path(b"second.txt")));
        assert_eq!(Pax::parse(b"18 path=first.txt\n8 path=\n"), Ok(Pax::default()));
        assert_eq!(Pax::parse(b"9 size=1\n8 size=\n"), Ok(Pax::default()));
    }

    #[test]
    fn framing_is_checked() {
        for records in [
            &b"99999 path=x\n"[..],
            b"5 path=abc\n",
            b"0 path=x\n",
            b"-9 path=x\n",
            b"+9 path=x\n",
            b" 9 path=x\n",
            b"11 path=abc",
            b"11 path=abcd",
            b"8 path\nx",
            b"9 =value\n",
            b"path=x\n",
            b"2 ",
            b"19 path=padded.txt\n\0\0",
            b"18446744073709551616 path=x\n",
            b"18446744073709551615 path=x\n",
        ] {
            assert_eq!(Pax::parse(records), Err(TarProblem::PaxRecord), "{}", records.escape_ascii());
        }
    }

    #[test]
    fn sizes_are_plain_decimal_numbers() {
        assert_eq!(Pax::parse(b"28 size=9223372036854775807\n").map(|pax| pax.size), Ok(Some(i64::MAX as u64)));
        for records in [&b"11 size=-1\n"[..], b"11 size=+1\n", b"12 size=abc\n", b"12 size=1 2\n", b"28 size=9223372036854775808\n"]
        {
            assert_eq!(Pax::parse(records), Err(TarProblem::PaxSize), "{}", records.escape_ascii());
        }
    }

    #[test]
    fn sparse_files_are_refused() {
        assert_eq!(Pax::parse(b"22 GNU.sparse.major=1\n"), Err(TarProblem::Sparse));
    }
}
