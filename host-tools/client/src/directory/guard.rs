//! What stands between a directory and the LDAP library: only whole messages pass, of the shape that was asked for, and only so many.
//!
//! `ldap3` 0.12 panics on answers of another shape, follows nesting by recursion, and keeps whatever length a message declares. The directory is
//! not trusted that far, and before StartTLS anybody on the way may answer in its stead.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Error;

/// Octets of the longest message.
const MAX_MESSAGE_LEN: usize = 1 << 20;
/// Octets of all messages together.
const MAX_TOTAL_LEN: usize = 8 << 20;

/// Tags of RFC 4511, 4.2 to 4.5 and appendix B.
mod tag {
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const OCTET_STRING: u8 = 0x04;
    pub(super) const ENUMERATED: u8 = 0x0A;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    pub(super) const BIND_RESPONSE: u8 = 0x61;
    pub(super) const SEARCH_RESULT_ENTRY: u8 = 0x64;
    pub(super) const SEARCH_RESULT_DONE: u8 = 0x65;
    pub(super) const SEARCH_RESULT_REFERENCE: u8 = 0x73;
    pub(super) const EXTENDED_RESPONSE: u8 = 0x78;
    pub(super) const REFERRAL: u8 = 0xA3;
    pub(super) const SERVER_SASL_CREDS: u8 = 0x87;
    pub(super) const RESPONSE_NAME: u8 = 0x8A;
    pub(super) const RESPONSE_VALUE: u8 = 0x8B;
}

/// The number that `ldap3` gives its first request, which is the bind.
const BIND: u32 = 1;
/// That of the search.
const SEARCH: u32 = 2;
/// That of the request for TLS, which is ours.
const START_TLS: u32 = 1;
/// That of what a server says unasked: that it closes the connection (RFC 4511, 4.4.1).
const UNSOLICITED: u32 = 0;

/// The request for TLS: ExtendedRequest 1.3.6.1.4.1.1466.20037 (RFC 4511, 4.14.1), as message 1.
const START_TLS_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Asks for TLS.
///
/// # Errors
/// [`Error::StartTlsRefused`], or the connection fails.
pub(super) async fn start_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), Error> {
    stream.write_all(START_TLS_REQUEST).await.map_err(Error::Connection)?;
    let answer = message(stream).await?.ok_or(Error::Closed)?;
    match parse(&answer).ok_or(Error::Malformed)? {
        (START_TLS, Response::Extended { code: 0 }) => Ok(()),
        (START_TLS, Response::Extended { code }) => Err(Error::StartTlsRefused { code }),
        (UNSOLICITED, Response::Extended { .. }) => Err(Error::Closed),
        _ => Err(Error::Malformed),
    }
}

/// Hands on to the library what the directory answers, until it closes the connection.
///
/// # Errors
/// What the directory answers is not fit for the library, or the connection fails.
pub(super) async fn relay(mut directory: impl AsyncRead + Unpin, mut library: impl AsyncWrite + Unpin) -> Result<(), Error> {
    let mut total_len = 0;
    while let Some(answer) = message(&mut directory).await? {
        total_len += answer.len();
        if total_len > MAX_TOTAL_LEN {
            return Err(Error::TooLong);
        }
        match parse(&answer).ok_or(Error::Malformed)? {
            (BIND, Response::Bind) | (SEARCH, Response::Search) => {}
            (UNSOLICITED, Response::Extended { .. }) => return Err(Error::Closed),
            _ => return Err(Error::Malformed),
        }
        // A library that has closed its end has all that it wanted.
        if library.write_all(&answer).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The octets of one message; none at the end of the connection.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>, Error> {
    let mut octets = vec![0; 2];
    if stream.read(&mut octets[..1]).await.map_err(closed)? == 0 {
        return Ok(None);
    }
    if octets[0] != tag::SEQUENCE {
        return Err(Error::Malformed);
    }
    stream.read_exact(&mut octets[1..]).await.map_err(closed)?;
    let len_len = match octets[1] {
        len @ ..=0x7F => return rest(stream, octets, usize::from(len)).await.map(Some),
        len_len @ 0x81..=0x84 => usize::from(len_len & 0x7F),
        _ => return Err(Error::Malformed),
    };
    let mut len_octets = [0; 4];
    let (_, len) = len_octets.split_at_mut(4 - len_len);
    stream.read_exact(len).await.map_err(closed)?;
    octets.extend_from_slice(len);
    let len = usize::try_from(u32::from_be_bytes(len_octets)).map_err(|_| Error::TooLong)?;
    rest(stream, octets, len).await.map(Some)
}

/// Grows with what comes, not with what was declared.
async fn rest(stream: &mut (impl AsyncRead + Unpin), mut octets: Vec<u8>, len: usize) -> Result<Vec<u8>, Error> {
    if len > MAX_MESSAGE_LEN {
        return Err(Error::TooLong);
    }
    let read = stream.take(len as u64).read_to_end(&mut octets).await.map_err(closed)?;
    if read < len { Err(Error::Closed) } else { Ok(octets) }
}

fn closed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Error::Closed,
        _ => Error::Connection(error),
    }
}

/// What a message answers.
#[derive(Debug, PartialEq, Eq)]
enum Response {
    Bind,
    /// An entry, a reference, or the end of the search.
    Search,
    Extended {
        code: u32,
    },
}

/// The number of a message and what it is, if it is throughout what the library expects. Response controls are not: none was asked for.
fn parse(message: &[u8]) -> Option<(u32, Response)> {
    let mut outer = Ber(message);
    let mut inner = outer.constructed(tag::SEQUENCE)?;
    outer.end()?;
    let number = inner.number(tag::INTEGER)?;
    let (op_tag, op) = inner.next()?;
    inner.end()?;
    let op = Ber(op);
    let response = match op_tag {
        tag::BIND_RESPONSE => result(op).map(|_| Response::Bind)?,
        tag::SEARCH_RESULT_DONE => result(op).map(|_| Response::Search)?,
        tag::EXTENDED_RESPONSE => Response::Extended { code: result(op)? },
        tag::SEARCH_RESULT_ENTRY => entry(op).map(|()| Response::Search)?,
        tag::SEARCH_RESULT_REFERENCE => strings(op).map(|()| Response::Search)?,
        _ => return None,
    };
    Some((number, response))
}

/// LDAPResult (RFC 4511, 4.1.9) and what follows it in the responses; answers the result code.
fn result(mut op: Ber<'_>) -> Option<u32> {
    let code = op.number(tag::ENUMERATED)?;
    op.text()?;
    op.text()?;
    while let Some((tag, content)) = op.next() {
        match tag {
            tag::REFERRAL => strings(Ber(content))?,
            tag::RESPONSE_NAME => std::str::from_utf8(content).map(|_| ()).ok()?,
            tag::SERVER_SASL_CREDS | tag::RESPONSE_VALUE => {}
            _ => return None,
        }
    }
    op.end()?;
    Some(code)
}

/// SearchResultEntry (RFC 4511, 4.5.2).
fn entry(mut op: Ber<'_>) -> Option<()> {
    op.text()?;
    let mut attributes = op.constructed(tag::SEQUENCE)?;
    op.end()?;
    while !attributes.is_empty() {
        let mut attribute = attributes.constructed(tag::SEQUENCE)?;
        attribute.text()?;
        let mut values = attribute.constructed(tag::SET)?;
        attribute.end()?;
        while !values.is_empty() {
            values.primitive(tag::OCTET_STRING)?;
        }
    }
    Some(())
}

/// A sequence of text.
fn strings(mut list: Ber<'_>) -> Option<()> {
    while !list.is_empty() {
        list.text()?;
    }
    Some(())
}

/// Elements in BER with definite lengths (RFC 4511, 5.1), one after the other.
struct Ber<'b>(&'b [u8]);

impl<'b> Ber<'b> {
    fn next(&mut self) -> Option<(u8, &'b [u8])> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        let (len, rest) = match first {
            ..=0x7F => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                (octets.iter().fold(0, |len, octet| len << 8 | usize::from(*octet)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((*tag, content))
    }

    fn primitive(&mut self, wanted: u8) -> Option<&'b [u8]> {
        self.next().and_then(|(tag, content)| (tag == wanted).then_some(content))
    }

    fn constructed(&mut self, wanted: u8) -> Option<Self> {
        self.primitive(wanted).map(Self)
    }

    fn text(&mut self) -> Option<&'b str> {
        self.primitive(tag::OCTET_STRING).and_then(|octets| std::str::from_utf8(octets).ok())
    }

    /// A number that is not negative.
    fn number(&mut self, wanted: u8) -> Option<u32> {
        let octets = self.primitive(wanted)?;
        let is_small = matches!(octets, [0..0x80] | [0..0x80, _] | [0..0x80, _, _] | [0..0x80, _, _, _]);
        is_small.then(|| octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let len = u32::try_from(content.len()).unwrap();
        [&[tag, 0x84][..], &len.to_be_bytes(), content].concat()
    }

    fn envelope(number: u8, op: &[u8]) -> Vec<u8> {
        element(tag::SEQUENCE, &[&element(tag::INTEGER, &[number])[..], op].concat())
    }

    fn result_of(tag: u8, code: u8) -> Vec<u8> {
        element(tag, &[0x0A, 1, code, 4, 0, 4, 0])
    }

    fn entry() -> Vec<u8> {
        let values = element(tag::SET, &[element(tag::OCTET_STRING, &[0xFF; 300]), element(tag::OCTET_STRING, b"")].concat());
        let attribute = element(tag::SEQUENCE, &[element(tag::OCTET_STRING, b"userCertificate;binary"), values].concat());
        let attributes = element(tag::SEQUENCE, &attribute);
        element(tag::SEARCH_RESULT_ENTRY, &[element(tag::OCTET_STRING, "cn=JÕEORG".as_bytes()), attributes].concat())
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// What passes of `octets`, and how it ends.
    fn pass(octets: &[u8]) -> (Vec<u8>, Result<(), Error>) {
        let mut passed = Vec::new();
        let result = run(relay(octets, &mut passed));
        (passed, result)
    }

    #[test]
    fn what_was_asked_for_passes_unchanged() {
        let reference = element(tag::SEARCH_RESULT_REFERENCE, &element(tag::OCTET_STRING, b"ldap://elsewhere"));
        let octets = [
            envelope(1, &result_of(tag::BIND_RESPONSE, 0)),
            envelope(2, &entry()),
            envelope(2, &reference),
            envelope(2, &result_of(tag::SEARCH_RESULT_DONE, 4)),
        ]
        .concat();
        let (passed, result) = pass(&octets);
        assert!(result.is_ok());
        assert_eq!(passed, octets);
    }

    #[test]
    fn short_lengths_pass_too() {
        let octets = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert_eq!(parse(octets), Some((1, Response::Bind)));
    }

    #[test]
    fn nothing_else_passes() {
        let deep = (0..20_000).fold(Vec::new(), |inner, _| element(tag::SEQUENCE, &inner));
        for unfit in [
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            envelope(3, &entry()),
            envelope(1, &entry()),
            envelope(2, &result_of(tag::BIND_RESPONSE, 0)),
            envelope(2, &result_of(0x79, 0)),
            envelope(2, &element(tag::SEARCH_RESULT_ENTRY, b"")),
            envelope(2, &element(tag::SEARCH_RESULT_ENTRY, &deep)),
            envelope(2, &element(tag::SEARCH_RESULT_DONE, b"\x0a\x01\x00\x04\x01\xff\x04\x00")),
            envelope(2, &[entry(), element(0xA0, b"")].concat()),
            vec![0x30, 0x80, 0, 0],
            element(tag::SEQUENCE, b""),
        ] {
            let (passed, result) = pass(&unfit);
            assert!(matches!(result, Err(Error::Malformed)), "{:02x?}: {result:?}", &unfit[..unfit.len().min(40)]);
            assert!(passed.is_empty());
        }
    }

    #[test]
    fn every_truncation_is_noticed_and_no_flipped_bit_harms() {
        let octets = envelope(2, &entry());
        for end in 1..octets.len() {
            assert!(matches!(pass(&octets[..end]), (passed, Err(Error::Closed)) if passed.is_empty()), "{end}");
        }
        for bit in 0..octets.len() * 8 {
            let mut octets = octets.clone();
            octets[bit / 8] ^= 1 << (bit % 8);
            let (passed, result) = pass(&octets);
            assert!(result.is_err() || passed == octets, "{bit}");
        }
    }

    #[test]
    fn lengths_are_limited() {
        assert!(matches!(pass(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]).1, Err(Error::TooLong)));
        let many = envelope(2, &entry()).repeat(MAX_TOTAL_LEN / entry().len());
        assert!(matches!(pass(&many).1, Err(Error::TooLong)));
    }

    #[test]
    fn a_notice_of_disconnection_ends_it() {
        let notice = envelope(0, &result_of(tag::EXTENDED_RESPONSE, 52));
        assert!(matches!(pass(&notice).1, Err(Error::Closed)));
    }

    #[test]
    fn tls_begins_only_where_it_is_granted() {
        let ask = |answer: Vec<u8>| {
            let mut stream = tokio::io::join(&answer[..], Vec::new());
            let result = run(start_tls(&mut stream));
            assert_eq!(stream.writer(), START_TLS_REQUEST);
            result
        };
        assert!(ask(envelope(1, &result_of(tag::EXTENDED_RESPONSE, 0))).is_ok());
        assert!(matches!(ask(envelope(1, &result_of(tag::EXTENDED_RESPONSE, 2))), Err(Error::StartTlsRefused { code: 2 })));
        assert!(matches!(ask(envelope(1, &result_of(tag::BIND_RESPONSE, 0))), Err(Error::Malformed)));
        assert!(matches!(ask(Vec::new()), Err(Error::Closed)));
        assert!(matches!(ask(b"HTTP".to_vec()), Err(Error::Malformed)));
    }
}
