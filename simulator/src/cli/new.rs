//! `new`: a token is made.

use std::path::Path;
use std::time::SystemTime;

use super::{Error, New};
use crate::ca::Ca;
use crate::holder::{Holder, PersonalCode};
use crate::hw::Rng;
use crate::key_file::ImportedKey;
use crate::personalise::{Cdoc2Key, Cdoc2KeySource, DocumentNumber, Request, personalise};
use crate::state;

pub(super) fn execute(args: &New) -> Result<(), Error> {
    let code = PersonalCode::parse(&args.code).map_err(|error| Error::usage(format!("--code: {error}")))?;
    let holder = Holder::new(&args.name, code).map_err(|error| Error::usage(format!("--name: {error}")))?;
    let document_number = DocumentNumber::parse(&args.document_number)
        .ok_or_else(|| Error::usage("--document-number: it has nine characters, each a capital letter or a digit"))?;
    let authentication_key = args.auth_key.as_deref().map(import).transpose()?;
    let cdoc2_source = match (&args.cdoc2_key, &args.cdoc2_key_file) {
        (Some(curve), _) => Some(Cdoc2KeySource::Generate(curve.curve())),
        (None, Some(file)) => Some(Cdoc2KeySource::Import(import(file)?)),
        (None, None) => None,
    };
    let cdoc2_key = cdoc2_source.map(|source| Cdoc2Key { source, touch: args.require_touch });
    let path = &args.state.state;
    // Before an authority is made for nothing.
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(Error::failed(state::Error::Exists(path.clone())));
    }

    let now = SystemTime::now();
    let request = Request {
        holder,
        profile: args.profile.profile(),
        pins: args.pins.pins()?,
        document_number,
        authentication_key,
        cdoc2_key,
        now,
    };
    let mut rng = Rng::system();
    let ca = match &args.ca {
        Some(folder) => Ca::in_folder(folder, now, &mut rng),
        None => Ca::generate(now, &mut rng),
    };
    let ca = ca.map_err(Error::failed)?;
    let state = personalise(&request, &ca, &mut rng).map_err(Error::failed)?;
    state.create(path, args.force).map_err(Error::failed)
}

fn import(file: &Path) -> Result<ImportedKey, Error> {
    ImportedKey::read(file).map_err(|error| Error::failed(format!("{}: {error}", file.display())))
}
