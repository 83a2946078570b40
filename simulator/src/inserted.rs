//! A token out of its file, in a reader in the same process.

use std::path::{Path, PathBuf};

use token_fw::Token;
use token_fw::card::Card;

use crate::hw::{Board, RealClock, Rng};
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
    #[error("{}: the token does not start: its flash is damaged", .0.display())]
    Flash(PathBuf),
}

/// Puts the token in the file at `path` into a reader of its own. Its button is touched as soon as its light goes on.
///
/// # Errors
/// [`Error`].
pub fn insert(path: &Path) -> Result<Inserted, Error> {
    let board = State::open(path)?.board(Rng::system());
    let card = Card::new(board).map_err(|_| Error::Flash(path.to_owned()))?;
    Ok(InProcess::new(Token::new(card), RealClock::default()))
}
