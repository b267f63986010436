//! Binding of [`chenu_engine::intent`].

use chenu_engine::intent as engine;
use pyo3::prelude::*;

/// What a text asks for.
#[pyclass(frozen, get_all, module = "chenu_server._core")]
pub(crate) struct Analysis {
    intents: Vec<&'static str>,
    confidence: f64,
    entities: Vec<(String, String)>,
    keywords: Vec<String>,
    sensitivity: &'static str,
}

/// What a text asks for, in English and French. Takes time in proportion to its length.
#[pyfunction]
pub(crate) fn analyze(text: &str) -> Analysis {
    let found = engine::analyze(text);
    Analysis {
        intents: found.intents.iter().map(|intent| intent.wire_name()).collect(),
        confidence: found.confidence,
        entities: found.entities,
        keywords: found.keywords,
        sensitivity: found.sensitivity.wire_name(),
    }
}
