//! What can go wrong.

use std::io;
use std::path::PathBuf;

use crate::directory;
use simulator::{ca, certificate, cli, holder, personalise, state};

/// Why there is no test bed, or something that it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key could not be made.
    #[error("no key could be made")]
    Key,
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] certificate::Error),
    /// There is no authority.
    #[error(transparent)]
    Authority(#[from] ca::Error),
    /// Names, or a code, that nobody has.
    #[error(transparent)]
    Holder(#[from] holder::Error),
    /// A card could not be made.
    #[error(transparent)]
    Card(#[from] personalise::Error),
    /// PINs that a card does not take.
    #[error(transparent)]
    Pin(#[from] personalise::PinMalformed),
    /// The file of a card could not be written.
    #[error(transparent)]
    CardFile(#[from] state::Error),
    /// The file of a card could not be read.
    #[error(transparent)]
    CardContent(#[from] cli::Error),
    /// A file or folder cannot be used.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The folder has something in it already.
    #[error("{}: the folder is not empty; name a new one", .0.display())]
    NotEmpty(PathBuf),
    /// An address cannot be listened at, or no thread can be had.
    #[error("{what}: {cause}")]
    System {
        /// What it was for.
        what: &'static str,
        /// What the operating system says.
        cause: io::Error,
    },
    /// A server does not start.
    #[error(transparent)]
    Server(#[from] cdoc2_server::StartError),
    /// Its configuration is not sound.
    #[error(transparent)]
    ServerConfig(#[from] cdoc2_server::config::Error),
    /// The directory does not start, or does not do what it is told.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The test bed has ended.
    #[error("the test bed has ended")]
    Over,
}
