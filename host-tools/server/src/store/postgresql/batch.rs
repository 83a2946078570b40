//! The statements that change many rows at once: a column of them is an array.
//!
//! Rows are put in the order of their ids: two statements with the same ids wait for each other then, but not both at once (PostgreSQL 18, 13.3.4).

use std::collections::HashSet;

use cdoc2_api::{ExpiryTime, Nonce, ShareId, TransactionId};
use tokio_postgres::Row;

use super::writer::Change;
use super::{Database, column};
use crate::store::{Error, StoredCapsule, StoredShare};

/// A capsule to be put.
pub(super) struct PutCapsule {
    pub(super) id: TransactionId,
    pub(super) stored: StoredCapsule,
}

impl Change for PutCapsule {
    async fn make(group: &[Self], database: &Database) -> Result<Vec<bool>, Error> {
        let ids: Vec<&[u8]> = group.iter().map(|put| put.id.as_str().as_bytes()).collect();
        let types: Vec<&str> = group.iter().map(|put| put.stored.capsule.capsule_type.name()).collect();
        let recipients: Vec<&[u8]> = group.iter().map(|put| put.stored.capsule.recipient_id.as_slice()).collect();
        let materials: Vec<&[u8]> = group.iter().map(|put| put.stored.capsule.ephemeral_key_material.as_slice()).collect();
        let expiries: Vec<i64> = group.iter().map(|put| put.stored.expiry.as_unix()).collect();
        let sql = "INSERT INTO capsules (id, type, recipient_id, ephemeral_key_material, expiry)
                   SELECT id, type, recipient, material, expiry
                   FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[])
                       WITH ORDINALITY AS put (id, type, recipient, material, expiry, number)
                   ORDER BY id, number
                   ON CONFLICT (id) DO NOTHING RETURNING id";
        inserted(&ids, &database.query(sql, &[&ids, &types, &recipients, &materials, &expiries]).await?)
    }
}

/// A share to be put.
pub(super) struct PutShare {
    pub(super) id: ShareId,
    pub(super) stored: StoredShare,
}

impl Change for PutShare {
    async fn make(group: &[Self], database: &Database) -> Result<Vec<bool>, Error> {
        let ids: Vec<&[u8]> = group.iter().map(|put| put.id.as_str().as_bytes()).collect();
        let shares: Vec<&[u8]> = group.iter().map(|put| put.stored.share.share.expose()).collect();
        let recipients: Vec<&str> = group.iter().map(|put| put.stored.share.recipient.as_str()).collect();
        let expiries: Vec<i64> = group.iter().map(|put| put.stored.expiry.as_unix()).collect();
        let sql = "INSERT INTO shares (id, share, recipient, expiry)
                   SELECT id, share, recipient, expiry
                   FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::bigint[])
                       WITH ORDINALITY AS put (id, share, recipient, expiry, number)
                   ORDER BY id, number
                   ON CONFLICT (id) DO NOTHING RETURNING id";
        inserted(&ids, &database.query(sql, &[&ids, &shares, &recipients, &expiries]).await?)
    }
}

/// A nonce to be put.
pub(super) struct PutNonce {
    pub(super) id: ShareId,
    pub(super) nonce: Nonce,
    pub(super) expiry: ExpiryTime,
}

impl Change for PutNonce {
    async fn make(group: &[Self], database: &Database) -> Result<Vec<bool>, Error> {
        let nonces: Vec<&[u8]> = group.iter().map(|put| put.nonce.as_str().as_bytes()).collect();
        let ids: Vec<&[u8]> = group.iter().map(|put| put.id.as_str().as_bytes()).collect();
        let expiries: Vec<i64> = group.iter().map(|put| put.expiry.as_unix()).collect();
        let sql = "INSERT INTO nonces (nonce, share_id, expiry)
                   SELECT nonce, share_id, expiry
                   FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) WITH ORDINALITY AS put (nonce, share_id, expiry, number)
                   ORDER BY nonce, number
                   ON CONFLICT (nonce) DO NOTHING RETURNING nonce";
        inserted(&nonces, &database.query(sql, &[&nonces, &ids, &expiries]).await?)
    }
}

/// A nonce to be taken.
pub(super) struct TakeNonce {
    pub(super) id: ShareId,
    pub(super) nonce: Nonce,
    pub(super) now: ExpiryTime,
}

impl Change for TakeNonce {
    async fn make(group: &[Self], database: &Database) -> Result<Vec<bool>, Error> {
        let nonces: Vec<&[u8]> = group.iter().map(|take| take.nonce.as_str().as_bytes()).collect();
        let ids: Vec<&[u8]> = group.iter().map(|take| take.id.as_str().as_bytes()).collect();
        let moments: Vec<i64> = group.iter().map(|take| take.now.as_unix()).collect();
        // A row is deleted once and returned once, even if several of the group ask for it.
        let sql = "DELETE FROM nonces
                   USING unnest($1::bytea[], $2::bytea[], $3::bigint[]) WITH ORDINALITY AS wanted (nonce, share_id, now, number)
                   WHERE nonces.nonce = wanted.nonce AND nonces.share_id = wanted.share_id AND nonces.expiry > wanted.now
                   RETURNING wanted.number";
        let mut taken = vec![false; group.len()];
        for row in database.query(sql, &[&nonces, &ids, &moments]).await? {
            let number: i64 = column(&row, 0)?;
            let place = number.checked_sub(1).and_then(|index| taken.get_mut(usize::try_from(index).ok()?));
            *place.ok_or_else(|| Error::Unsound(format!("it took number {number} of {}", group.len())))? = true;
        }
        Ok(taken)
    }
}

/// For each of `ids` whether it is in `rows`: of two with one id, the first.
fn inserted(ids: &[&[u8]], rows: &[Row]) -> Result<Vec<bool>, Error> {
    let mut new: HashSet<&[u8]> = rows.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
    Ok(ids.iter().map(|id| new.remove(id)).collect())
}
