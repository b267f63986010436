//! Binding of [`chenu_engine::canonical`].

use chenu_engine::canonical;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::convert::mistake;

/// The canonical bytes of a list of byte strings.
#[pyfunction]
pub(crate) fn encode_list(items: Vec<PyBackedBytes>) -> PyResult<Vec<u8>> {
    canonical::encode_list(&items).map_err(mistake)
}

/// SHA-256 over a length-prefixed tag and a list of byte strings.
#[pyfunction]
pub(crate) fn digest(tag: &str, fields: Vec<PyBackedBytes>) -> PyResult<[u8; 32]> {
    canonical::digest(tag, &fields).map_err(mistake)
}
