//! Certificates that were verified before, in bounded memory.
//!
//! What a chain of certificates says never changes; only time passes. So a chain is verified once for the time in which all of it is valid. Revocation is
//! looked up each time, elsewhere.

use std::sync::{Mutex, PoisonError};

use hashlink::LruCache;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::service::Question;

/// A certificate that was trusted.
struct Verified {
    question: Question,
    /// When it was verified.
    from: UnixTime,
    /// The last second for which that holds.
    until: UnixTime,
}

/// By their DER.
pub(super) struct Memory(Mutex<LruCache<Vec<u8>, Verified>>);

impl Memory {
    /// For `capacity` certificates: those that were shown last.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(LruCache::new(capacity)))
    }

    /// What is to be asked about `certificate`, if it is known to be trusted at `now`. It is the same to the last octet, its signature included.
    pub(super) fn recall(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Question> {
        let mut verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = verified.get(certificate.as_ref())?;
        (known.from <= now && now <= known.until).then(|| known.question.clone())
    }

    /// `certificate` was trusted at `from`, and is until `until`.
    pub(super) fn keep(&self, certificate: &CertificateDer<'_>, question: Question, [from, until]: [UnixTime; 2]) {
        let mut verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verified.insert(certificate.to_vec(), Verified { question, from, until });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use x509_cert::serial_number::SerialNumber;

    use super::*;
    use crate::Issuer;

    fn question(serial: u8) -> Question {
        // An empty name, and a key of no octets on no algorithm.
        let issuer = Issuer::new(&[0x30, 0], &[0x30, 0x08, 0x30, 0x03, 0x06, 0x01, 0x2A, 0x03, 0x01, 0x00]).unwrap();
        Question { issuer, serial: SerialNumber::new(&[serial]).unwrap(), responder: None }
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn what_was_verified_is_recalled_while_it_holds() {
        let memory = Memory::new(2);
        let certificates: Vec<CertificateDer<'_>> = [[1], [2], [3]].map(|octets| octets.to_vec().into()).into();
        memory.keep(&certificates[0], question(1), [at(10), at(20)]);
        for (now, is_known) in [(9, false), (10, true), (20, true), (21, false)] {
            assert_eq!(memory.recall(&certificates[0], at(now)), is_known.then(|| question(1)), "{now}");
        }
        assert_eq!(memory.recall(&certificates[1], at(10)), None);
        // The one that was not asked for gives way.
        memory.keep(&certificates[1], question(2), [at(10), at(20)]);
        assert_eq!(memory.recall(&certificates[0], at(10)), Some(question(1)));
        memory.keep(&certificates[2], question(3), [at(10), at(20)]);
        let known = certificates.iter().map(|certificate| memory.recall(certificate, at(10)).is_some());
        assert_eq!(known.collect::<Vec<_>>(), [true, false, true]);
    }
}
