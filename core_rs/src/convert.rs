//! What every module of the binding needs: errors, digests, locks.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chenu_engine::canonical::Hash;
use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

/// A caller's mistake, as Python sees it.
pub(crate) fn mistake(error: impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// 32 bytes, or a `ValueError` that names the argument.
pub(crate) fn hash(argument: &str, bytes: &[u8]) -> Result<Hash, PyErr> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| mistake(format!("{argument} has {length} bytes, not 32")))
}

/// The state behind a lock. Nothing panics while it holds one, so a poisoned state is whole.
pub(crate) fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
