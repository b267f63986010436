//! Binding of [`chenu_engine::intent`].

use chenu_engine::intent::{self as engine, Sensitivity};
use chenu_engine::vocabulary::Intent;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::convert::mistake;

/// What a text asks for.
#[pyclass(frozen, get_all, module = "chenu_server._core")]
pub(crate) struct Analysis {
    intents: Vec<&'static str>,
    confidence: f64,
    entities: Vec<(String, String)>,
    keywords: Vec<String>,
    sensitivity: &'static str,
}

/// What the texts of a request ask for, in English and French. Takes time in proportion to their
/// length.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "a sequence from Python is collected anew")]
pub(crate) fn analyze(texts: Vec<PyBackedStr>) -> Analysis {
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    let found = engine::analyze_all(&texts);
    Analysis {
        intents: found.intents.iter().map(|intent| intent.wire_name()).collect(),
        confidence: found.confidence,
        entities: found.entities,
        keywords: found.keywords,
        sensitivity: found.sensitivity.wire_name(),
    }
}

/// How sensitive a query with these intents is.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "a sequence from Python is collected anew")]
pub(crate) fn sensitivity_of(intents: Vec<PyBackedStr>) -> PyResult<&'static str> {
    let known = |name: &PyBackedStr| {
        Intent::from_wire_name(name).ok_or_else(|| mistake(format!("{:?} is no intent", &**name)))
    };
    let intents: Vec<Intent> = intents.iter().map(known).collect::<PyResult<_>>()?;
    Ok(Sensitivity::of(&intents).wire_name())
}
