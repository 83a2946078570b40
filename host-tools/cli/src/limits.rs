//! Limits on what a container may cost, and how they are typed.

use cdoc2::archive::check::{self, Policy, UnsafeNames};
use clap::Args;

/// What a container may unpack to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Unpack at most this much in all, such as 500M or 20G [default: 1T].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// Unpack at most this many files [default: 10000].
    #[arg(long, value_name = "N")]
    max_files: Option<u64>,
    /// Unpack to at most this many times the compressed size, once 32 MiB are reached [default: 100].
    #[arg(long, value_name = "N")]
    max_ratio: Option<u64>,
    /// Keep this much of the disk free [default: 64M].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    min_free: Option<u64>,
}

impl Limits {
    /// These limits, and what to do about unsafe names.
    pub(crate) fn policy(&self, rename_unsafe: bool) -> Policy {
        let default = check::Limits::default();
        let limits = check::Limits {
            total: self.max_size.unwrap_or(default.total),
            files: self.max_files.unwrap_or(default.files),
            ratio: self.max_ratio.unwrap_or(default.ratio),
            keep_free: self.min_free.unwrap_or(default.keep_free),
            ..default
        };
        Policy { limits, unsafe_names: if rename_unsafe { UnsafeNames::MakeSafe } else { UnsafeNames::Refuse } }
    }
}

/// Reads octets with a unit of 1024 to some power: `4096`, `500M`, `20GiB`.
fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [&str; 5] = ["", "K", "M", "G", "T"];
    let wrong = || "a number with K, M, G or T behind it, such as 500M, is wanted".to_owned();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_end_matches('B').trim_end_matches('i').to_ascii_uppercase();
    let power = UNITS.iter().position(|known| *known == unit).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << (10 * power)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("1k"), Ok(1024));
        assert_eq!(parse_size("500M"), Ok(500 << 20));
        assert_eq!(parse_size("20GiB"), Ok(20 << 30));
        assert_eq!(parse_size("2TB"), Ok(2 << 40));
        for wrong in ["", "M", "1.5G", "-1", "1X", "99999999999999999999", "16777216T", "1 G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
