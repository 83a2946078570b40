//! The configuration, which is read when something in it is needed: whoever needs nothing of it is not kept by a mistake in it.

use std::path::Path;

use cdoc2_client::config::{Config, Place};

use crate::exit::{Failure, Result};

/// Where the configuration is.
#[derive(Debug)]
pub(crate) struct Configuration<'a> {
    option: Option<&'a Path>,
}

impl<'a> Configuration<'a> {
    /// `option` is what --config names.
    pub(crate) fn new(option: Option<&'a Path>) -> Self {
        Self { option }
    }

    /// Reads it. Where nobody named one and there is none, it is empty.
    pub(crate) fn load(&self) -> Result<Config> {
        Config::load(Place::find(self.option)).map_err(|error| Failure::usage(error.to_string()))
    }
}
