//! Remembered answers, in bounded memory.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use hashlink::LruCache;
use rustls_pki_types::UnixTime;
use x509_cert::serial_number::SerialNumber;

use crate::issuer::Issuer;
use crate::ocsp::Status;

/// A certificate: a hash of its issuer and serial number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(issuer: &Issuer, serial: &SerialNumber) -> Self {
        let mut context = Context::new(&SHA256);
        // DER elements tell their own length.
        context.update(issuer.name());
        context.update(issuer.public_key_info());
        context.update(serial.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// A remembered answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) status: Status,
    /// When it was so.
    pub(super) this_update: UnixTime,
    /// Until when the responder says that it holds.
    pub(super) valid_until: UnixTime,
    /// From when on it is asked for anew before it is used.
    pub(super) stale_at: UnixTime,
    /// From when on it is asked for anew while it is used.
    pub(super) refresh_at: UnixTime,
}

/// The revoked are kept apart, so that no number of others drives them out.
#[derive(Debug)]
pub(super) struct Cache {
    revoked: LruCache<Key, Entry>,
    others: LruCache<Key, Entry>,
}

impl Cache {
    /// For `capacity` certificates that are revoked, and as many that are not.
    pub(super) fn new(capacity: usize) -> Self {
        Self { revoked: LruCache::new(capacity), others: LruCache::new(capacity) }
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Entry> {
        match self.revoked.get_mut(key) {
            Some(entry) => Some(entry),
            None => self.others.get_mut(key),
        }
    }

    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        let (into, from) = match entry.status {
            Status::Revoked { .. } => (&mut self.revoked, &mut self.others),
            Status::Good | Status::Unknown => (&mut self.others, &mut self.revoked),
        };
        from.remove(&key);
        into.insert(key, entry);
    }
}
