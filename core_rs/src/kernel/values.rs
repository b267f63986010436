//! Rows, answers and fetches as Python has them.

use chenu_operation::entry::EntryDraft;
use chenu_store::batch::{Dropped, Found};
use chenu_store::column::Value;
use chenu_store::fetch::{Fetch, Lookup};
use chenu_store::told::{Shown, Told};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString, PyTuple};
use pythonize::pythonize;

use super::parameters::Rows;
use super::rows::RowReaders;
use crate::convert::mistake;

/// A column's value.
pub(super) fn value<'py>(py: Python<'py>, value: &Value) -> Bound<'py, PyAny> {
    match value {
        Value::Int(number) => PyInt::new(py, *number).into_any(),
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::Text(text) => PyString::new(py, text).into_any(),
        Value::Blob(bytes) => PyBytes::new(py, bytes).into_any(),
    }
}

/// Columns, in order.
pub(super) fn tuple<'py>(py: Python<'py>, values: &[Value]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, values.iter().map(|each| value(py, each)))
}

/// `(kind, rows, more)`, or the text of the bug that a command was dropped for. A row that is a
/// number is the one at this place among the published ones.
pub(super) fn decision<'py>(
    py: Python<'py>,
    told: Result<Told, Dropped>,
    readers: &RowReaders,
) -> PyResult<Bound<'py, PyAny>> {
    let Told { kind, rows, more } = match told {
        Ok(told) => told,
        Err(dropped) => return Ok(PyString::new(py, &dropped.to_string()).into_any()),
    };
    let rows = rows.iter().map(|each| shown(py, each, readers));
    let rows = rows.collect::<PyResult<Vec<_>>>()?;
    let more = pythonize(py, &more).map_err(mistake)?;
    Ok((kind, rows, more).into_pyobject(py)?.into_any())
}

fn shown<'py>(py: Python<'py>, shown: &Shown, readers: &RowReaders) -> PyResult<Bound<'py, PyAny>> {
    match shown {
        Shown::Published(place) => Ok(place.into_pyobject(py)?.into_any()),
        Shown::Row(table, values) => readers.row(py, table, values),
    }
}

/// An entry's fields, in order.
pub(super) fn entry<'py>(py: Python<'py>, entry: &EntryDraft) -> PyResult<Bound<'py, PyTuple>> {
    let who = (entry.subject.kind.wire_name(), entry.subject.id.as_str());
    let about = (entry.resource_kind.as_str(), entry.resource_id.as_str());
    let (decision, action) = (entry.decision.wire_name(), entry.action.wire_name());
    let acting_for = PyTuple::new(py, &entry.acting_for)?;
    let said = (entry.reason.as_str(), entry.payload.as_str());
    let (identity, whose) = (entry.identity_id.as_str(), acting_for);
    (decision, action, identity, who.0, who.1, whose, about.0, about.1, said.0, said.1)
        .into_pyobject(py)
}

/// `(table, look-up or None, only_counted, keys, counts)`.
pub(super) type Asked = (&'static str, Option<&'static str>, bool, Rows, Vec<u32>);

/// What a fetch asks for.
pub(super) fn asked(fetch: &Fetch) -> Asked {
    let (lookup, counted) = match fetch.lookup {
        Lookup::Key => (None, false),
        Lookup::All(name) | Lookup::First(name) => (Some(name), false),
        Lookup::Count(name) => (Some(name), true),
    };
    let counts = lookup.map(|_| fetch.counts.as_slice());
    let keys = Rows::found(fetch.keys.clone(), counts);
    (fetch.table, lookup, counted, keys, fetch.counts.clone())
}

/// What a fetch has found: rows, those of a look-up behind the place of their key.
pub(super) fn found(fetch: &Fetch, rows: Vec<Vec<Given>>) -> PyResult<Found> {
    if fetch.lookup == Lookup::Key {
        return Ok(Found::Keyed(rows.into_iter().map(given).collect()));
    }
    let placed = rows.into_iter().map(placed).collect::<PyResult<Vec<_>>>()?;
    if !matches!(fetch.lookup, Lookup::Count(_)) {
        return Ok(Found::Rows(placed));
    }
    let number = |(place, values): (usize, Vec<Value>)| match values.first() {
        Some(Value::Int(number)) => Ok((place, *number)),
        _ => Err(mistake("a count is a number")),
    };
    Ok(Found::Counts(placed.into_iter().map(number).collect::<PyResult<Vec<_>>>()?))
}

/// A row from a driver.
pub(super) fn given(row: Vec<Given>) -> Vec<Value> {
    row.into_iter().map(|Given(value)| value).collect()
}

fn placed(row: Vec<Given>) -> PyResult<(usize, Vec<Value>)> {
    let mut values = given(row).into_iter();
    match values.next() {
        Some(Value::Int(place)) => Ok((usize::try_from(place)?, values.collect())),
        _ => Err(mistake("a row of a look-up begins with its key's place")),
    }
}

/// A value from a driver.
pub(super) struct Given(Value);

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // A truth value is a number too, so it is asked for first.
        if let Ok(truth) = object.cast::<PyBool>() {
            return Ok(Self(Value::Bool(truth.is_true())));
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(Self(Value::Text(text.to_str()?.to_owned())));
        }
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(Value::Blob(bytes.as_bytes().to_vec())));
        }
        Ok(Self(Value::Int(object.extract()?)))
    }
}
