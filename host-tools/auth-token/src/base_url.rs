//! Addresses of shares servers, so that two of the same server are equal.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::Deserialize;

/// Characters of the longest one.
pub const MAX_LEN: usize = 512;

const SCHEME: &str = "https://";
const DEFAULT_PORT: u16 = 443;

/// Where a shares server is: `https://HOST`, `https://HOST:PORT`, or one of these with a path, whether a slash ends it or not.
///
/// Host names are compared without regard to case, and no port is port 443. It is shown with its port and without a final slash, as other
/// implementations expect it in a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct BaseUrl {
    host: String,
    port: u16,
    /// Empty, or begins with a slash and does not end with one.
    path: String,
}

/// Text that is no base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too long.
    #[error("a server's address has at most {MAX_LEN} characters")]
    Length,
    /// Not `https://`.
    #[error("a server's address begins with https://")]
    Scheme,
    /// Not a DNS name in ASCII, nor an IP address.
    #[error("a server's host is a DNS name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("a server's port is a number from 1 to 65535")]
    Port,
    /// Not letters, digits, `-`, `.`, `_` and `~` between single slashes.
    #[error("the path of a server's address has letters, digits and -._~ only, between slashes")]
    Path,
}

impl BaseUrl {
    /// A DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 443 if none was named.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Empty, or a path that begins with a slash and does not end with one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for BaseUrl {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.len() > MAX_LEN {
            return Err(Malformed::Length);
        }
        let rest = match text.split_at_checked(SCHEME.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
            _ => return Err(Malformed::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority);
        Ok(Self { host: host_of(host)?, port: port.map_or(Ok(DEFAULT_PORT), port_of)?, path: path_of(path)?.to_owned() })
    }
}

/// The colons of an IPv6 address stand within its brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn host_of(text: &str) -> Result<String, Malformed> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| Malformed::Host)?;
        return Ok(format!("[{address}]"));
    }
    if text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
        let address: Ipv4Addr = text.parse().map_err(|_| Malformed::Host)?;
        return Ok(address.to_string());
    }
    // Underscores stand in no host name of RFC 1123, but in names that networks of containers give.
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    if text.len() <= 253 && text.split('.').all(is_label) { Ok(text.to_ascii_lowercase()) } else { Err(Malformed::Host) }
}

fn port_of(text: &str) -> Result<u16, Malformed> {
    let is_number = text.bytes().all(|octet| octet.is_ascii_digit()) && !text.starts_with('0');
    if is_number { text.parse().map_err(|_| Malformed::Port) } else { Err(Malformed::Port) }
}

fn path_of(text: &str) -> Result<&str, Malformed> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let is_segment = |segment: &str| {
        !["", ".", ".."].contains(&segment)
            && segment.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet))
    };
    match path.strip_prefix('/') {
        None => Ok(path),
        Some(segments) if segments.split('/').all(is_segment) => Ok(path),
        Some(_) => Err(Malformed::Path),
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}:{}{}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Malformed> {
        text.parse().map(|url: BaseUrl| url.to_string())
    }

    #[test]
    fn addresses_of_one_server_are_equal() {
        for (text, normal) in [
            ("https://css.example.org", "https://css.example.org:443"),
            ("https://css.example.org/", "https://css.example.org:443"),
            ("https://css.example.org:443", "https://css.example.org:443"),
            ("HTTPS://CSS.Example-Org1.ee:443/", "https://css.example-org1.ee:443"),
            ("https://localhost:8443/", "https://localhost:8443"),
            ("https://cdoc2_shares-1:8443", "https://cdoc2_shares-1:8443"),
            ("https://css.example.org:8443/other/path/", "https://css.example.org:8443/other/path"),
            ("https://css.example.org:8443/Other/p.a-t_h~", "https://css.example.org:8443/Other/p.a-t_h~"),
            ("https://127.0.0.1:1", "https://127.0.0.1:1"),
            ("https://[::1]:65535", "https://[::1]:65535"),
            ("https://[0:0:0:0:0:0:0:1]", "https://[::1]:443"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(normal), "{text}");
            assert_eq!(read(normal).as_deref(), Ok(normal), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("https://css.example.org/{}", "a".repeat(MAX_LEN));
        for (text, reason) in [
            ("", Malformed::Scheme),
            ("https:/", Malformed::Scheme),
            ("http://css.example.org", Malformed::Scheme),
            ("https:\\\\css.example.org", Malformed::Scheme),
            (" https://css.example.org", Malformed::Scheme),
            ("õõõõõõõõ", Malformed::Scheme),
            ("https://", Malformed::Host),
            ("https:///key-shares", Malformed::Host),
            ("https://:443", Malformed::Host),
            ("https://css..example", Malformed::Host),
            ("https://css.example.", Malformed::Host),
            ("https://user@css.example", Malformed::Host),
            ("https://user:password@css.example", Malformed::Port),
            ("https://css.example:443:443", Malformed::Host),
            ("https://css.example\\@other.example", Malformed::Host),
            ("https://css%2eexample", Malformed::Host),
            ("https://cßs.example", Malformed::Host),
            ("https://css.example?a=1", Malformed::Host),
            ("https://css.example#a", Malformed::Host),
            ("https://127.0.0.256", Malformed::Host),
            ("https://127.1", Malformed::Host),
            ("https://127.0.0.01", Malformed::Host),
            ("https://[::1", Malformed::Host),
            ("https://[::1%eth0]", Malformed::Host),
            ("https://::1", Malformed::Host),
            ("https://css.example:", Malformed::Port),
            ("https://css.example:0", Malformed::Port),
            ("https://css.example:0443", Malformed::Port),
            ("https://css.example:+443", Malformed::Port),
            ("https://css.example:65536", Malformed::Port),
            ("https://css.example:443a", Malformed::Port),
            ("https://css.example//", Malformed::Path),
            ("https://css.example/a//b", Malformed::Path),
            ("https://css.example/a/../b", Malformed::Path),
            ("https://css.example/.", Malformed::Path),
            ("https://css.example/a%2fb", Malformed::Path),
            ("https://css.example/a?b=1", Malformed::Path),
            ("https://css.example/a#b", Malformed::Path),
            ("https://css.example/a\u{0}", Malformed::Path),
            (&long, Malformed::Length),
        ] {
            assert_eq!(read(text), Err(reason), "{text}");
        }
    }
}
