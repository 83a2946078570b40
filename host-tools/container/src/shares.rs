//! Key shares: a KEK of which every shares server keeps a part, so that none of them can open anything (specification, "KeySharesCapsule", SC.07).

use cdoc2_nostd::derive;
use cdoc2_nostd::key::{self, KEY_LEN, Kek, KeyShare};
use getrandom::SysRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::recipient::random;
use crate::server::ServerError;

/// Characters of the longest share id that servers give (interface "cdoc2-key-shares" 1.2.1).
pub const MAX_SHARE_ID_LEN: usize = 34;

/// The key of one recipient, split.
#[derive(Debug)]
pub struct SplitKey<'a> {
    /// Who may fetch the shares, such as "etsi/PNOEE-48010010101".
    pub recipient_id: &'a str,
    /// One for each server, in the order of [`SharesServers::base_urls`].
    pub shares: Vec<KeyShare>,
}

/// What a server says of a share that it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareReceipt {
    /// By what the recipient asks for it: 1 to [`MAX_SHARE_ID_LEN`] characters.
    pub share_id: String,
    /// When it expires, in seconds after 1970, if that is known. The first expiry of a recipient's shares stands in the record's label.
    pub expiry: Option<u64>,
}

/// Why shares were not kept.
#[derive(Debug)]
pub struct NotKept {
    /// Which key of those that were to be kept, from 0.
    pub key: usize,
    /// The base URL of the server that did not keep its share.
    pub server: String,
    /// Why not.
    pub reason: ServerError,
}

/// Servers that keep key shares, all of which are needed: the network is the implementor's.
pub trait SharesServers {
    /// The base URL of each server, as containers name it. Two at least.
    fn base_urls(&self) -> Vec<&str>;

    /// Whether they keep shares for this recipient. Asked about every recipient before the [`put`](Self::put).
    ///
    /// # Errors
    /// They do not, or nobody could fetch the shares.
    fn check(&self, recipient_id: &str) -> Result<(), ServerError>;

    /// Gives each server its share of every one of `keys`. Done means that all of them are kept: the answer has the receipts of every key, in the
    /// order of the servers.
    ///
    /// # Errors
    /// One share is not kept, as far as is known. The others are of no use then.
    fn put(&mut self, keys: &[SplitKey<'_>]) -> Result<Vec<Vec<ShareReceipt>>, NotKept>;
}

/// A KEK of random key material, for `recipient_id`:
///
/// ```text
/// KEK = Expand(Extract(salt, key material), "CDOC2kek" | "XOR" | recipient_id, 32)
/// ```
pub(crate) fn kek(recipient_id: &str, salt: &[u8; KEY_LEN]) -> Result<Kek, Error> {
    let key_material = Zeroizing::new(random()?);
    Ok(derive::kek_for_key_shares(&key_material, salt, recipient_id.as_bytes())?)
}

/// `kek` in `count` shares, all of which are needed.
pub(crate) fn split(kek: &Kek, count: usize) -> Result<Vec<KeyShare>, Error> {
    let mut shares: Vec<Option<KeyShare>> = (0..count).map(|_| None).collect();
    key::split(kek, &mut shares, &mut SysRng)?;
    Ok(shares.into_iter().flatten().collect())
}
