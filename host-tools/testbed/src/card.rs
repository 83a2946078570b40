//! Cards: simulated tokens whose certificates are the authority's.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use simulator::cli;
use simulator::holder::Holder;
use simulator::hw::Rng;
use simulator::personalise::{DocumentNumber, Pins, Request, personalise};
use token_proto::{KeyRef, Profile};

use crate::{Authority, Error};

/// PIN1 of every card.
pub const PIN1: &str = "1234";
/// PIN2 of every card.
pub const PIN2: &str = "12345";
/// PUK of every card.
pub const PUK: &str = "12345678";

/// An ID-card.
#[derive(Clone, Debug)]
pub struct Card {
    /// The state file that it lives in: what `--reader sim:FILE` takes.
    pub path: PathBuf,
    /// Its authentication certificate in DER: what others encrypt to, and what TLS shows.
    pub certificate: Vec<u8>,
}

impl Card {
    /// Makes the ID-card of `holder`, with keys on P-384, in a new state file at `path`.
    ///
    /// # Errors
    /// There is a file at `path`, it cannot be written, or the names are longer than a card takes.
    pub fn new(holder: &Holder, authority: &Authority, path: &Path) -> Result<Self, Error> {
        let request = Request {
            holder: holder.clone(),
            profile: Profile::Esteid2018V1,
            pins: Pins::new(PIN1, PIN2, PUK)?,
            document_number: DocumentNumber::parse(DocumentNumber::DEFAULT).ok_or(Error::Key)?,
            authentication_key: None,
            cdoc2_key: None,
            now: SystemTime::now(),
        };
        personalise(&request, authority.issuer(), &mut Rng::system())?.create(path, false)?;
        Ok(Self { path: path.into(), certificate: cli::certificate(path, KeyRef::Authentication)? })
    }
}
