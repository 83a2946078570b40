//! How a database becomes one of this version: the steps from each version to the next, the first from an empty one.
//!
//! A step that was released is never changed; a change is a new step. Each is done in a transaction together with the note that it was done, so
//! that a server that dies in the middle leaves the version before. Both databases have the same table for the notes, `migrations`, and the same
//! ones for capsules, key shares and nonces, whichever of them a server keeps: a capsule server and a shares server may have one database.

use std::fmt;

use super::Error;

/// The steps of a SQLite database, with functions of [`super::sqlite`].
///
/// The third does without indexes of ids (`sqlite/ids.rs`). Its columns have other names, so that a server that is older and still at work is
/// refused what it asks for: it would put rows where nobody finds them. Nonces, which live for minutes, stay as they are: what is small is changed
/// all over anyway.
pub const SQLITE: &[&str] = &[
    "
    CREATE TABLE capsules (
        id TEXT NOT NULL PRIMARY KEY,
        type TEXT NOT NULL,
        recipient_id BLOB NOT NULL,
        ephemeral_key_material BLOB NOT NULL,
        expiry INTEGER NOT NULL -- seconds after 1970-01-01T00:00:00Z
    ) STRICT;
    CREATE INDEX capsules_expiry ON capsules (expiry);
    ",
    "
    CREATE TABLE shares (
        id TEXT NOT NULL PRIMARY KEY,
        share BLOB NOT NULL,
        recipient TEXT NOT NULL,
        expiry INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX shares_expiry ON shares (expiry);
    CREATE TABLE nonces (
        nonce TEXT NOT NULL PRIMARY KEY,
        share_id TEXT NOT NULL,
        expiry INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX nonces_expiry ON nonces (expiry);
    ",
    "
    CREATE TABLE id_key (key BLOB NOT NULL) STRICT;
    INSERT INTO id_key VALUES (new_id_key());

    ALTER TABLE capsules RENAME TO capsules_by_id;
    CREATE TABLE capsules (
        number INTEGER PRIMARY KEY,
        public_id TEXT NOT NULL,
        type TEXT NOT NULL,
        recipient_id BLOB NOT NULL,
        ephemeral_key_material BLOB NOT NULL,
        expiry INTEGER NOT NULL
    ) STRICT;
    INSERT INTO capsules
        SELECT id_number(key, id) AS number, id, type, recipient_id, ephemeral_key_material, expiry
        FROM capsules_by_id, id_key ORDER BY number;
    DROP TABLE capsules_by_id;
    CREATE INDEX capsules_expiry ON capsules (expiry);

    ALTER TABLE shares RENAME TO shares_by_id;
    CREATE TABLE shares (
        number INTEGER PRIMARY KEY,
        public_id TEXT NOT NULL,
        share BLOB NOT NULL,
        recipient TEXT NOT NULL,
        expiry INTEGER NOT NULL
    ) STRICT;
    INSERT INTO shares
        SELECT id_number(key, id) AS number, id, share, recipient, expiry FROM shares_by_id, id_key ORDER BY number;
    DROP TABLE shares_by_id;
    CREATE INDEX shares_expiry ON shares (expiry);
    ",
];

/// The steps of a PostgreSQL database.
///
/// Ids are octets, which are in the same order everywhere; text is ordered by a language that changes with the operating system.
pub const POSTGRESQL: &[&str] = &[
    "
    CREATE TABLE capsules (
        id bytea PRIMARY KEY,
        type text NOT NULL,
        recipient_id bytea NOT NULL,
        ephemeral_key_material bytea NOT NULL,
        expiry bigint NOT NULL -- seconds after 1970-01-01T00:00:00Z
    );
    CREATE INDEX capsules_expiry ON capsules (expiry);
    ",
    "
    CREATE TABLE shares (
        id bytea PRIMARY KEY,
        share bytea NOT NULL,
        recipient text NOT NULL,
        expiry bigint NOT NULL
    );
    CREATE INDEX shares_expiry ON shares (expiry);
    CREATE TABLE nonces (
        nonce bytea PRIMARY KEY,
        share_id bytea NOT NULL,
        expiry bigint NOT NULL
    );
    CREATE INDEX nonces_expiry ON nonces (expiry);
    ",
];

/// How far a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none, or nothing in it.
    Absent,
    /// An older program made it.
    Older {
        /// The version it has.
        version: i64,
        /// This program's.
        newest: i64,
    },
    /// It is of this program's version.
    UpToDate,
}

impl State {
    /// Of a database that has had these steps up to `version`.
    ///
    /// # Errors
    /// As [`after`].
    pub(super) fn of(steps: &'static [&'static str], version: i64) -> Result<Self, Error> {
        Ok(match after(steps, version)?.last() {
            Some((newest, _)) => Self::Older { version, newest },
            None => Self::UpToDate,
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent; would be created at start"),
            Self::Older { version, newest } => write!(f, "version {version}; would be migrated to {newest} at start"),
            Self::UpToDate => f.write_str("up to date"),
        }
    }
}

/// The steps that `steps` has after `version`, each with the version that it leads to.
///
/// # Errors
/// [`Error::Unsound`]: a newer program made the database, and may read its tables in another way.
pub fn after(steps: &'static [&'static str], version: i64) -> Result<impl Iterator<Item = (i64, &'static str)>, Error> {
    let done = usize::try_from(version).ok().filter(|done| *done <= steps.len()).ok_or_else(|| {
        let known = steps.len();
        Error::Unsound(format!(
            "its version is {version}, and this program knows versions up to {known}: it was made by a newer one; run that"
        ))
    })?;
    Ok((1..).zip(steps.iter().copied()).skip(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_done() {
        let steps: &[&str] = &["one", "two"];
        let after = |version| after(steps, version).map(Iterator::collect::<Vec<_>>);
        assert_eq!(after(0), Ok(vec![(1, "one"), (2, "two")]));
        assert_eq!(after(1), Ok(vec![(2, "two")]));
        assert_eq!(after(2), Ok(vec![]));
        assert!(matches!(after(3), Err(Error::Unsound(text)) if text.contains("newer")));
        assert!(matches!(after(-1), Err(Error::Unsound(_))));
    }

    #[test]
    fn how_far_a_database_is() {
        let of = |version| State::of(&["one", "two", "three"], version);
        assert_eq!(of(1), Ok(State::Older { version: 1, newest: 3 }));
        assert_eq!(of(3), Ok(State::UpToDate));
        assert!(matches!(of(4), Err(Error::Unsound(text)) if text.contains("newer")));
    }
}
