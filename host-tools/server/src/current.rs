//! What is in use at the moment, and can be replaced while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that whoever begins something takes as it is then.
#[derive(Debug)]
pub(crate) struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    /// Shared from the beginning: one replaces it, others use it.
    pub(crate) fn new(value: Arc<T>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(value)))
    }

    pub(crate) fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, value: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}
