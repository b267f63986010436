//! Intents: the binding.

use pyo3::prelude::*;

#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Analysis;

#[pyfunction]
pub(crate) fn analyze(_text: &str) -> Analysis {
    Analysis
}
