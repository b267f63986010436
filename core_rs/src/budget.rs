//! Binding of [`chenu_engine::budget`].

use chenu_engine::budget as engine;
use pyo3::prelude::*;

use crate::convert::mistake;

/// What `tokens_and_rates` cost, rounded up once.
#[pyfunction]
pub(crate) fn cost(tokens_and_rates: Vec<(i64, i64)>) -> PyResult<i64> {
    engine::cost(&tokens_and_rates).map_err(mistake)
}
