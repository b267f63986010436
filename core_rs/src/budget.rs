//! Binding of [`chenu_engine::budget`].

use chenu_engine::budget as engine;
use chenu_engine::vocabulary::BudgetPeriod;
use chenu_operation::periods;
use pyo3::prelude::*;

use crate::convert::mistake;

/// What `tokens_and_rates` cost, rounded up once.
#[pyfunction]
pub(crate) fn cost(tokens_and_rates: Vec<(i64, i64)>) -> PyResult<i64> {
    engine::cost(&tokens_and_rates).map_err(mistake)
}

/// The start of a budget's period that holds `now_us`.
#[pyfunction]
pub(crate) fn period_start(period: &str, now_us: i64) -> PyResult<i64> {
    let found = BudgetPeriod::from_wire_name(period);
    let period = found.ok_or_else(|| mistake(format!("no period is named {period:?}")))?;
    Ok(periods::period_start_us(period, now_us))
}
