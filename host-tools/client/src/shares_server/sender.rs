//! The sender's side: shares are put on all servers of a set at once (UC.KTS.06).

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use cdoc2::{NotKept, ServerError, ShareReceipt, SharesServers, SplitKey};
use cdoc2_api::expiry::HEADER;
use cdoc2_api::share::PATH;
use cdoc2_api::{ExpiryTime, KeyShare, RecipientId, Share, ShareId};
use reqwest::StatusCode;
use reqwest::blocking::Client as HttpClient;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::Reason;
use crate::config::{SharesServer, SharesSet};
use crate::https::{self, Again, Http, Timeouts, below};
use crate::parallel;

/// Puts shares on the servers of one set.
#[derive(Debug)]
pub struct Sender<'s, W> {
    servers: Vec<Client<'s>>,
    expiry: Option<ExpiryTime>,
    warn: W,
}

/// A client of one server.
#[derive(Debug)]
struct Client<'s> {
    server: &'s SharesServer,
    http: Http,
}

/// What a server keeps.
struct Kept {
    receipt: ShareReceipt,
    /// Whether it is for a shorter time than was asked for.
    is_adjusted: bool,
}

impl<'s, W: FnMut(&str)> Sender<'s, W> {
    /// A client of the servers of `set`, which are asked to keep shares until `expiry`, or as long as they like. `warn` is told what the person should
    /// know.
    ///
    /// # Errors
    /// No client can be made. Nothing is sent yet.
    pub fn new(set: &'s SharesSet, expiry: Option<ExpiryTime>, timeouts: Timeouts, warn: W) -> Result<Self, https::Error> {
        let client =
            |server: &'s SharesServer| Ok(Client { server, http: Http::new(&server.url, &server.certificates, None, timeouts)? });
        Ok(Self { servers: set.servers.iter().map(client).collect::<Result<_, _>>()?, expiry, warn })
    }
}

/// What each of `clients` made of its share of every key, in their order.
fn upload(clients: &[Client<'_>], keys: &[SplitKey<'_>], expiry: Option<ExpiryTime>) -> Vec<Result<Vec<Kept>, (usize, Reason)>> {
    let has_failed = &AtomicBool::new(false);
    thread::scope(|scope| {
        let begun = clients.iter().enumerate().map(|(index, client)| {
            let upload = move || {
                let kept = client.put_all(index, keys, expiry, has_failed);
                has_failed.fetch_or(kept.is_err(), Ordering::Relaxed);
                kept
            };
            thread::Builder::new().name("upload".to_owned()).spawn_scoped(scope, upload)
        });
        // All of them before the first is waited for.
        let begun: Vec<_> = begun.collect();
        let internal = |reason: String| Err((0, https::Error::Internal(reason).into()));
        let end = |upload: io::Result<ScopedJoinHandle<'_, _>>| match upload.map(ScopedJoinHandle::join) {
            Ok(Ok(kept)) => kept,
            Ok(Err(_)) => internal("a request ended without an answer".to_owned()),
            Err(error) => internal(error.to_string()),
        };
        begun.into_iter().map(end).collect()
    })
}

impl Client<'_> {
    /// Puts the share number `index` of each of `keys` on the server, until another server has failed, without which they are of no use.
    fn put_all(
        &self,
        index: usize,
        keys: &[SplitKey<'_>],
        expiry: Option<ExpiryTime>,
        has_failed: &AtomicBool,
    ) -> Result<Vec<Kept>, (usize, Reason)> {
        let mut kept = Vec::with_capacity(keys.len());
        for (number, key) in keys.iter().enumerate() {
            // Not before the first of them, so that of several servers that are away it is the first that is told.
            if number > 0 && has_failed.load(Ordering::Relaxed) {
                break;
            }
            let failed = |reason| (number, reason);
            let recipient = key.recipient_id.parse().map_err(|error| failed(Reason::Recipient(error)))?;
            let octets = key.shares.get(index).map(|share| share.expose().to_vec()).unwrap_or_default();
            let share = Share::new(octets).map_err(|error| failed(https::Error::Internal(error.to_string()).into()))?;
            kept.push(self.put(&KeyShare { share, recipient }, expiry, has_failed).map_err(failed)?);
        }
        Ok(kept)
    }

    fn put(&self, share: &KeyShare, expiry: Option<ExpiryTime>, has_failed: &AtomicBool) -> Result<Kept, Reason> {
        let body = serde_json::to_vec(share).map_err(|error| https::Error::Internal(error.to_string()))?;
        let url = below(&self.server.url, PATH);
        let post = |client: &HttpClient| {
            let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
            match expiry {
                Some(expiry) => request.header(HEADER, expiry.to_string()).body(body.clone()),
                None => request.body(body.clone()),
            }
        };
        // A share that the server has taken all the same, or puts there twice, is one whose id nobody knows: it is never asked for, and expires.
        let answer = self.http.send_patiently(Again::Repeatable, |time| parallel::pause(time, has_failed), post)?;
        answer.expect(StatusCode::CREATED)?;
        let share_id: ShareId = answer.created(&self.server.url, PATH)?;
        let expiry = answer.expiry()?.and_then(|expiry| u64::try_from(expiry.as_unix()).ok());
        Ok(Kept {
            receipt: ShareReceipt { share_id: share_id.as_str().to_owned(), expiry },
            is_adjusted: answer.is_expiry_adjusted()?,
        })
    }

    fn not_kept(&self, key: usize, reason: Reason) -> NotKept {
        NotKept { key, server: self.server.written.clone(), reason: reason.into() }
    }

    /// That it keeps something for a shorter time than was asked for; without whose shares they are, which other people may read over a shoulder.
    fn adjusted(&self, kept: &[Kept]) -> Option<String> {
        let adjusted: Vec<_> = kept.iter().filter(|kept| kept.is_adjusted).collect();
        let first = adjusted.iter().filter_map(|kept| ExpiryTime::from_unix(kept.receipt.expiry?.try_into().ok()?)).min();
        let until = first.map_or_else(String::new, |expiry| format!(": until {expiry}"));
        let server = &self.server.written;
        (!adjusted.is_empty())
            .then(|| format!("the shares server {server} keeps shares for a shorter time than was asked for{until}"))
    }
}

impl<W: FnMut(&str)> SharesServers for Sender<'_, W> {
    fn base_urls(&self) -> Vec<&str> {
        self.servers.iter().map(|client| client.server.written.as_str()).collect()
    }

    fn check(&self, recipient_id: &str) -> Result<(), ServerError> {
        recipient_id.parse::<RecipientId>().map(drop).map_err(|error| Reason::Recipient(error).into())
    }

    fn put(&mut self, keys: &[SplitKey<'_>]) -> Result<Vec<Vec<ShareReceipt>>, NotKept> {
        let mut kept = Vec::with_capacity(self.servers.len());
        let mut failed: Option<(&Client<'_>, usize, Reason)> = None;
        for (client, outcome) in self.servers.iter().zip(upload(&self.servers, keys, self.expiry)) {
            match outcome {
                Ok(of_server) => kept.push(of_server),
                Err((key, reason)) if failed.as_ref().is_none_or(|(_, before, _)| key < *before) => {
                    failed = Some((client, key, reason))
                }
                Err(_) => {}
            }
        }
        if let Some((client, key, reason)) = failed {
            return Err(client.not_kept(key, reason));
        }
        let mut ids = BTreeSet::new();
        for (client, of_server) in self.servers.iter().zip(&kept) {
            for (key, Kept { receipt, .. }) in of_server.iter().enumerate() {
                if !ids.insert(&receipt.share_id) {
                    return Err(client.not_kept(key, Reason::SameShareId));
                }
            }
        }
        for warning in self.servers.iter().zip(&kept).filter_map(|(client, of_server)| client.adjusted(of_server)) {
            (self.warn)(&warning);
        }
        Ok(by_key(keys.len(), kept))
    }
}

/// The receipts of each key, in the order of the servers.
fn by_key(keys: usize, by_server: Vec<Vec<Kept>>) -> Vec<Vec<ShareReceipt>> {
    let mut receipts: Vec<Vec<ShareReceipt>> = (0..keys).map(|_| Vec::with_capacity(by_server.len())).collect();
    for of_server in by_server {
        for (receipts, kept) in receipts.iter_mut().zip(of_server) {
            receipts.push(kept.receipt);
        }
    }
    receipts
}
