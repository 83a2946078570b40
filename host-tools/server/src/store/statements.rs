//! What is asked of both databases in the same words. Columns have the same names and the same order.

/// What expires first of all, if it has by `$1`, which SQLite takes for a name, and numbers it as it comes (SQLite, "SQL Language Expressions",
/// "Parameters"). A minimum is one look into an index.
pub(super) const OLDEST_EXPIRED: &str = "
    SELECT min(expiry) FROM (
        SELECT min(expiry) AS expiry FROM capsules
        UNION ALL SELECT min(expiry) FROM shares
        UNION ALL SELECT min(expiry) FROM nonces
    ) AS firsts WHERE expiry <= $1";
