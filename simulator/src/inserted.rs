//! A token out of its file, in a reader in the same process.

use std::path::{Path, PathBuf};

use token_fw::Token;
use token_fw::card::{Card, Fault};

use crate::hw::{Board, Clock, RealClock, Rng};
use crate::reader::InProcess;
use crate::state::{self, State};

/// The whole token, and the reader that it is in.
pub type Inserted = InProcess<Token<Board>, RealClock>;

/// Why a token does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file cannot be had.
    #[error(transparent)]
    State(#[from] state::Error),
    /// Its flash is not what the firmware wrote, or cannot be read.
    #[error("{}: the token does not start: {}", path.display(), cause(*fault))]
    Flash {
        /// The file.
        path: PathBuf,
        /// What the firmware says.
        fault: Fault,
    },
}

const fn cause(fault: Fault) -> &'static str {
    match fault {
        Fault::Corrupt => "what is in its flash was not written by this token",
        Fault::Flash | Fault::Capacity | Fault::Random | Fault::Blank | Fault::Personalised | Fault::Invalid => {
            "its flash cannot be read"
        }
    }
}

/// The card on `board`, which came out of the file at `path`.
///
/// # Errors
/// [`Error::Flash`].
pub(crate) fn start(board: Board, path: &Path) -> Result<Card<Board>, Error> {
    Card::new(board).map_err(|fault| Error::Flash { path: path.to_owned(), fault })
}

/// Puts the token in the file at `path` into a reader of its own. Its button is touched as soon as its light goes on.
///
/// # Errors
/// [`Error`].
pub fn insert(path: &Path) -> Result<Inserted, Error> {
    let card = start(State::open(path)?.board(Rng::system()), path)?;
    Ok(InProcess::new(Token::new(card), RealClock::default()))
}

/// Puts a copy of the token in the file at `path` into a reader whose time is `clock`'s. Nothing that is done to it reaches the file.
///
/// # Errors
/// [`Error`].
pub fn insert_copy<C: Clock>(path: &Path, clock: C) -> Result<InProcess<Token<Board>, C>, Error> {
    let card = start(State::copy(path)?.board(Rng::system()), path)?;
    Ok(InProcess::new(Token::new(card), clock))
}
