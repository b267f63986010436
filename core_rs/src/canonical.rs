//! Binding of [`chenu_engine::canonical`].

use chenu_engine::canonical;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::convert::mistake;

/// How deep lists may stand in lists: a request has five levels.
const DEPTH_MAX: u32 = 16;

/// The canonical bytes of a list: see `digest`.
#[pyfunction]
pub(crate) fn encode_list(items: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut list = Vec::new();
    for item in items.try_iter()? {
        list.push(item_of(&item?, DEPTH_MAX)?);
    }
    canonical::encode_list(&list).map_err(mistake)
}

/// SHA-256 over a length-prefixed tag and a list.
///
/// Its items are texts (as UTF-8), bytes, integers (8 bytes), floats (their IEEE 754 bytes),
/// booleans (one byte), `None` (nothing), and lists or tuples of such: one call makes a digest.
#[pyfunction]
pub(crate) fn digest(tag: &str, fields: &Bound<'_, PyAny>) -> PyResult<[u8; 32]> {
    let mut list = Vec::new();
    for field in fields.try_iter()? {
        list.push(item_of(&field?, DEPTH_MAX)?);
    }
    canonical::digest(tag, &list).map_err(mistake)
}

fn item_of(item: &Bound<'_, PyAny>, depth: u32) -> PyResult<Vec<u8>> {
    match (written(item)?, counted(item)?) {
        (Some(bytes), _) | (None, Some(bytes)) => Ok(bytes),
        // Each level is a call on this stack, and a list of Python may hold itself.
        (None, None) if depth > 0 && is_list(item) => list_of(item, depth - 1),
        (None, None) => {
            Err(mistake(format!("{} has no canonical bytes here", item.get_type().name()?)))
        }
    }
}

/// The bytes of a text, of bytes and of nothing.
fn written(item: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(text) = item.cast::<PyString>() {
        return Ok(Some(text.to_str()?.as_bytes().to_vec()));
    }
    // What is absent has the bytes of an empty text: nothing that is digested tells the two apart.
    let bytes = item.cast::<PyBytes>().map(|bytes| bytes.as_bytes().to_vec());
    Ok(bytes.ok().or_else(|| item.is_none().then(Vec::new)))
}

/// The bytes of a flag, which is an integer too, and of a number.
fn counted(item: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(flag) = item.cast::<PyBool>() {
        return Ok(Some(vec![u8::from(flag.is_true())]));
    }
    if item.is_instance_of::<PyInt>() {
        // One that does not fit is an error and is never cut: two numbers must not share a digest.
        return Ok(Some(item.extract::<i64>()?.to_be_bytes().to_vec()));
    }
    Ok(item.cast::<PyFloat>().ok().map(|number| number.value().to_be_bytes().to_vec()))
}

fn is_list(item: &Bound<'_, PyAny>) -> bool {
    item.is_instance_of::<PyTuple>() || item.is_instance_of::<PyList>()
}

fn list_of(item: &Bound<'_, PyAny>, depth: u32) -> PyResult<Vec<u8>> {
    let mut list = Vec::with_capacity(item.len()?);
    for inner in item.try_iter()? {
        list.push(item_of(&inner?, depth)?);
    }
    canonical::encode_list(&list).map_err(mistake)
}
