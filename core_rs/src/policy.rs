//! Policies: the binding.

use pyo3::prelude::*;

#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct PolicySet;

#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct PolicyQuery;

#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct PolicyVerdict;
