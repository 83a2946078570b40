//! What servers keep of a container's recipients: planned first, so that what can be refused is refused before a server gets anything.

use cdoc2_nostd::key::{Fmk, KeyShare};
use cdoc2_nostd::{Field, encrypt};

use crate::Error;
use crate::recipient::Recipient;
use crate::record::Record;
use crate::server::{CapsuleServer, MAX_TRANSACTION_ID_LEN, Receipt};
use crate::shares::{MAX_SHARE_ID_LEN, ShareReceipt, SharesServers, SplitKey};

/// As long as any in a label: no year has five digits.
const LAST_EXPIRY: u64 = 253_402_300_799;

/// Servers that keep what containers lack.
#[derive(Default)]
pub struct Servers<'s> {
    /// Keeps the capsules of recipients with a public key. Without one they stay in the container. So do capsules of passwords and symmetric keys
    /// anyway.
    pub capsules: Option<&'s mut dyn CapsuleServer>,
    /// Keep the shares of recipients who sign in. Without them there can be no such recipient.
    pub shares: Option<&'s mut dyn SharesServers>,
}

impl std::fmt::Debug for Servers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let capsules = self.capsules.as_ref().map(|server| server.id());
        f.debug_struct("Servers").field("capsules", &capsules).field("shares", &self.shares.is_some()).finish()
    }
}

impl Servers<'_> {
    /// Whether there is one.
    pub(crate) fn is_any(&self) -> bool {
        self.capsules.is_some() || self.shares.is_some()
    }
}

/// A recipient on the way to its record.
struct Draft<'r> {
    /// Its place, from 1.
    index: usize,
    recipient: &'r Recipient,
    record: Record,
    /// Empty unless its key is split.
    shares: Vec<KeyShare>,
}

/// The records of `recipients`, in their order, by which they obtain `fmk`. What belongs on `servers` is there when this is done.
pub(crate) fn records(recipients: &[Recipient], servers: Servers<'_>, fmk: &Fmk) -> Result<Vec<Record>, Error> {
    if recipients.is_empty() {
        return Err(Error::NoRecipients);
    }
    let Servers { capsules, shares } = servers;
    let base_urls: Vec<String> = shares.iter().flat_map(|servers| servers.base_urls()).map(str::to_owned).collect();
    let base_urls: Vec<&str> = base_urls.iter().map(String::as_str).collect();
    let mut drafts = Vec::with_capacity(recipients.len());
    for (index, recipient) in (1..).zip(recipients) {
        let refused = |reason: String| Error::Recipient { index, reason };
        if recipient.shares_recipient_id().is_some() && base_urls.len() < 2 {
            return Err(refused("who signs in needs two shares servers at least".to_owned()));
        }
        let (record, shares) = recipient.record(fmk, &base_urls).map_err(|error| refused(error.to_string()))?;
        drafts.push(Draft { index, recipient, record, shares });
    }
    plan(&drafts, capsules.as_deref(), shares.as_deref(), &base_urls)?;
    if let Some(servers) = shares {
        put_shares(&mut drafts, servers, &base_urls)?;
    }
    if let Some(server) = capsules {
        put_capsules(&mut drafts, server)?;
    }
    Ok(drafts.into_iter().map(|draft| draft.record).collect())
}

/// Refuses what can be refused: recipients that the servers do not take, and a header that could become too long.
fn plan(
    drafts: &[Draft<'_>],
    capsules: Option<&dyn CapsuleServer>,
    shares: Option<&dyn SharesServers>,
    base_urls: &[&str],
) -> Result<(), Error> {
    let mut planned = Vec::with_capacity(drafts.len());
    for Draft { index, recipient, record, .. } in drafts {
        planned.push(match (recipient.public_key(), capsules, recipient.shares_recipient_id(), shares) {
            (Some(_), Some(server), ..) => {
                let refused = |reason| Error::Server { index: *index, server: server.id().to_owned(), reason };
                server.check(recipient).map_err(refused)?;
                let longest = Receipt { transaction_id: "K".repeat(MAX_TRANSACTION_ID_LEN), expiry: Some(LAST_EXPIRY) };
                Some(recipient.on_server(record, server.id(), longest)?)
            }
            (_, _, Some(id), Some(servers)) => {
                servers.check(id).map_err(|reason| Error::Recipient { index: *index, reason: reason.to_string() })?;
                let longest = ShareReceipt { share_id: "K".repeat(MAX_SHARE_ID_LEN), expiry: Some(LAST_EXPIRY) };
                Some(recipient.on_shares_servers(record, base_urls, vec![longest; base_urls.len()])?)
            }
            _ => None,
        });
    }
    let records: Vec<_> = planned.iter().zip(drafts).map(|(planned, draft)| planned.as_ref().unwrap_or(&draft.record)).collect();
    let locations: Vec<_> = records.iter().map(|record| record.locations()).collect();
    let views: Vec<_> = records.iter().zip(&locations).map(|(record, locations)| record.view(locations)).collect();
    encrypt::encoded_len(&views)?;
    Ok(())
}

/// Gives the shares of all split keys to `servers` at once.
fn put_shares(drafts: &mut [Draft<'_>], servers: &mut dyn SharesServers, base_urls: &[&str]) -> Result<(), Error> {
    let mut split: Vec<&mut Draft<'_>> = drafts.iter_mut().filter(|draft| !draft.shares.is_empty()).collect();
    if split.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = split
        .iter_mut()
        .map(|draft| SplitKey {
            recipient_id: draft.recipient.shares_recipient_id().unwrap_or_default(),
            shares: std::mem::take(&mut draft.shares),
        })
        .collect();
    let receipts = servers.put(&keys).map_err(|refused| Error::SharesServer {
        index: split.get(refused.key).map_or(0, |draft| draft.index),
        server: refused.server,
        reason: refused.reason,
    })?;
    // A receipt too few would be a container that nobody can open.
    if receipts.len() != split.len() || receipts.iter().any(|receipts| receipts.len() != base_urls.len()) {
        return Err(cdoc2_nostd::Error::InvalidInput(Field::Shares).into());
    }
    for (draft, receipts) in split.into_iter().zip(receipts) {
        draft.record = draft.recipient.on_shares_servers(&draft.record, base_urls, receipts)?;
    }
    Ok(())
}

/// Gives the capsules of recipients with a public key to `server`, one after the other.
fn put_capsules(drafts: &mut [Draft<'_>], server: &mut dyn CapsuleServer) -> Result<(), Error> {
    let id = server.id().to_owned();
    for Draft { index, recipient, record, .. } in drafts {
        let Some(capsule) = recipient.public_key().and_then(|key| record.server_capsule(key)) else { continue };
        let refused = |reason| Error::Server { index: *index, server: id.clone(), reason };
        let receipt = server.put(&capsule, recipient).map_err(refused)?;
        *record = recipient.on_server(record, &id, receipt)?;
    }
    Ok(())
}
