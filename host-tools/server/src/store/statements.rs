//! Tables, and the statements that both databases understand. Their columns have the same names and the same order.
//!
//! A value is `$1`, `$2` and so on, in this order: SQLite takes that for names and numbers them as they come (SQLite, "SQL Language Expressions",
//! "Parameters").

/// What is kept, each with the column that tells one row from the others. Each has a column `expiry`, too, with an index.
pub(super) const TABLES: [(&str, &str); 3] = [("capsules", "id"), ("shares", "id"), ("nonces", "nonce")];

/// The capsule with an id, unless it has expired.
pub(super) const CAPSULE: &str =
    "SELECT type, recipient_id, ephemeral_key_material, expiry FROM capsules WHERE id = $1 AND expiry > $2";

/// The share with an id, unless it has expired.
pub(super) const SHARE: &str = "SELECT share, recipient, expiry FROM shares WHERE id = $1 AND expiry > $2";

/// What expires first of all, if it has. A minimum is one look into an index.
pub(super) const OLDEST_EXPIRED: &str = "
    SELECT min(expiry) FROM (
        SELECT min(expiry) AS expiry FROM capsules
        UNION ALL SELECT min(expiry) FROM shares
        UNION ALL SELECT min(expiry) FROM nonces
    ) AS firsts WHERE expiry <= $1";
