//! Rows as Python knows them, made of what the kernel has left.

use std::collections::HashMap;

use chenu_store::column::Value;
use chenu_store::schema::Table;
use pyo3::IntoPyObjectExt as _;
use pyo3::exceptions::PyLookupError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::values::value;
use crate::convert::mistake;
use crate::shape::Shape;

/// Makes the rows of one table.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct RowReader {
    make: Py<PyAny>,
    shapes: Vec<Option<Py<Shape>>>,
}

#[pymethods]
impl RowReader {
    /// `make` is given a row's values by position: those with a shape as it has them, the others
    /// as they are stored.
    #[new]
    fn new(make: Py<PyAny>, shapes: Vec<Option<Py<Shape>>>) -> Self {
        Self { make, shapes }
    }

    /// A row of what a driver gives for its columns.
    fn read<'py>(
        &self,
        py: Python<'py>,
        values: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Compared first: `zip` ends with the shorter of two lists, and `make` would fill up
        // the rest.
        let (found, columns) = (values.len(), self.shapes.len());
        if found != columns {
            return Err(mistake(format!("{found} values are no row of {columns} columns")));
        }
        let given = values.into_iter().zip(&self.shapes);
        self.row(py, given.map(|(value, shape)| read_given(value, shape.as_ref())))
    }
}

impl RowReader {
    fn made<'py>(&self, py: Python<'py>, values: &[Value]) -> PyResult<Bound<'py, PyAny>> {
        let stored = values.iter().zip(&self.shapes);
        self.row(py, stored.map(|(value, shape)| read_stored(py, value, shape.as_ref())))
    }

    fn row<'py>(
        &self,
        py: Python<'py>,
        values: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let values = values.collect::<PyResult<Vec<_>>>()?;
        self.make.bind(py).call1(PyTuple::new(py, values)?)
    }
}

/// Makes the rows of every table, by the table's name.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct RowReaders(HashMap<String, Py<RowReader>>);

#[pymethods]
impl RowReaders {
    #[new]
    fn new(readers: HashMap<String, Py<RowReader>>) -> Self {
        Self(readers)
    }
}

impl RowReaders {
    /// A row of a table.
    pub(super) fn row<'py>(
        &self,
        py: Python<'py>,
        table: &Table,
        values: &[Value],
    ) -> PyResult<Bound<'py, PyAny>> {
        let reader = self.0.get(table.name).ok_or_else(|| PyLookupError::new_err(table.name))?;
        reader.get().made(py, values).map_err(|error| {
            let note = format!("in a row of {}", table.name);
            let noted = error.value(py).call_method1("add_note", (note,));
            noted.err().unwrap_or(error)
        })
    }
}

fn read_stored<'py>(
    py: Python<'py>,
    stored: &Value,
    shape: Option<&Py<Shape>>,
) -> PyResult<Bound<'py, PyAny>> {
    match (stored, shape) {
        (Value::Text(text), Some(shape)) => shape.get().read(py, text),
        _ => Ok(value(py, stored)),
    }
}

fn read_given<'py>(
    given: Bound<'py, PyAny>,
    shape: Option<&Py<Shape>>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(shape) = shape.map(Py::get).filter(|_| !given.is_none()) else { return Ok(given) };
    if let Ok(text) = given.cast::<PyString>() {
        return shape.read(given.py(), text.to_str()?);
    }
    match shape.truth_of(given.extract()?) {
        Some(truth) => truth.into_bound_py_any(given.py()),
        None => Ok(given),
    }
}
