//! Binding of [`chenu_store::pg`]: what a statement is given, as values and as finished bytes.

use std::sync::Arc;

use chenu_store::Value;
use chenu_store::pg::{Unsendable, arrays, numbers, scalars};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::values::{Given, given, tuple};
use crate::convert::mistake;

/// Rows as drivers take them: value by value, or as the parameters of `PostgreSQL`'s statement.
///
/// Those are made with the rows, and not when they are asked for: where a batch is decided there is
/// no interpreter, and to let go of it once more would be to wait for it once more.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Rows {
    rows: Vec<Arc<[Value]>>,
    parameters: Result<Vec<Vec<u8>>, Unsendable>,
}

#[pymethods]
impl Rows {
    /// To be written: one row value by value, more of them as arrays.
    #[new]
    fn new(rows: Vec<Vec<Given>>) -> Self {
        Self::written(rows.into_iter().map(given).collect())
    }

    /// To be found: always as arrays, with one of counts if there are any.
    #[staticmethod]
    #[pyo3(signature = (keys, counts = None))]
    fn arrays(keys: Vec<Vec<Given>>, counts: Option<Vec<u32>>) -> Self {
        Self::found(keys.into_iter().map(given).collect(), counts.as_deref())
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    /// Value by value.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.rows.iter().map(|row| tuple(py, row));
        PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
    }

    /// As a statement takes them, in binary format.
    #[getter]
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let parameters = self.parameters.as_ref().map_err(mistake)?;
        PyList::new(py, parameters.iter().map(|each| PyBytes::new(py, each)))
    }
}

impl Rows {
    pub(super) fn written<R: Into<Arc<[Value]>>>(rows: Vec<R>) -> Self {
        let rows: Vec<Arc<[Value]>> = rows.into_iter().map(Into::into).collect();
        let parameters = match rows.as_slice() {
            // It costs the server half of what the array of one does.
            [row] => Ok(scalars(row)),
            rows => arrays(rows),
        };
        Self { rows, parameters }
    }

    pub(super) fn found(keys: Vec<Vec<Value>>, counts: Option<&[u32]>) -> Self {
        let parameters = arrays(&keys).and_then(|mut found| {
            found.extend(counts.map(numbers).transpose()?);
            Ok(found)
        });
        Self { rows: keys.into_iter().map(Into::into).collect(), parameters }
    }
}
