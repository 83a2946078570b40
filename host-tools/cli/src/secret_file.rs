//! Files that hold a symmetric secret: raw octets, or text of the form `base64,...`.

use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use crate::exit::{Failure, Result};
use crate::secret_source::Secret;
use crate::stdin;

/// What the text form begins with; libcdoc and the Java client take it on their command lines.
const PREFIX: &[u8] = b"base64,";

/// Octets of a secret that every implementation takes.
pub(crate) const LEN: usize = 32;

/// Octets of the longest file that is taken for a secret.
const MAX_FILE_LEN: usize = 64 * 1024;

/// Reads the secret at `path`.
pub(crate) fn read(path: &Path) -> Result<Secret> {
    if path.as_os_str().as_bytes().starts_with(PREFIX) {
        return Err(Failure::usage("a secret does not belong on the command line")
            .hint("put it into a file (base64,... or raw octets) and name that"));
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN + 1));
    stdin::open(path, "the secret")?
        .take(MAX_FILE_LEN as u64 + 1)
        .read_to_end(&mut octets)
        .map_err(|error| Failure::io(path, &error))?;
    if octets.len() > MAX_FILE_LEN {
        return Err(Failure::about(path, crate::exit::Code::Usage, format!("longer than {MAX_FILE_LEN} octets, so no secret")));
    }
    decode(octets).map_err(|wrong| Failure::about(path, crate::exit::Code::Usage, wrong))
}

fn decode(octets: Secret) -> Result<Secret, &'static str> {
    if octets.is_empty() {
        return Err("the file is empty, so it holds no secret");
    }
    let Some(text) = octets.strip_prefix(PREFIX) else { return Ok(octets) };
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut secret = Zeroizing::new(vec![0; text.len()]);
    let len = Base64::decode(text, &mut secret).map_err(|_| "begins with \"base64,\" but is not sound base64")?.len();
    secret.truncate(len);
    Ok(secret)
}

/// The text form of `secret`, one line.
pub(crate) fn encode(secret: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + Base64::encoded_len(secret) + 1));
    text.push_str("base64,");
    text.push_str(&Zeroizing::new(Base64::encode_string(secret)));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(octets: &[u8]) -> Result<Vec<u8>, &'static str> {
        decode(Zeroizing::new(octets.to_vec())).map(|secret| secret.to_vec())
    }

    #[test]
    fn raw_octets_stand_as_they_are() {
        assert_eq!(decoded(b"\0\x01\n").unwrap(), b"\0\x01\n");
        assert_eq!(decoded(b"base64").unwrap(), b"base64");
    }

    #[test]
    fn text_form_is_decoded() {
        assert_eq!(decoded(b"base64,AAEC/w==").unwrap(), b"\0\x01\x02\xff");
        assert_eq!(decoded(b"base64,AAEC/w==\n").unwrap(), b"\0\x01\x02\xff");
        assert_eq!(decoded(b"base64,AAEC/w==\r\n").unwrap(), b"\0\x01\x02\xff");
        assert_eq!(decoded(encode(&[0xA5; 32]).as_bytes()).unwrap(), [0xA5; 32]);
    }

    #[test]
    fn broken_text_is_refused() {
        for text in ["base64,AAEC/w", "base64,AAEC/w==\n\n", "base64, AAEC/w==", "base64,AAEC_w=="] {
            assert!(decoded(text.as_bytes()).is_err(), "{text}");
        }
        assert!(decoded(b"").is_err());
    }
}
