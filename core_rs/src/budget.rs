//! Binding of [`chenu_engine::budget`].

use chenu_engine::budget::{self as engine, AmountError, CapQuery, Worst};
use pyo3::prelude::*;

use crate::convert::mistake;

/// What `tokens_and_rates` cost, rounded up once.
#[pyfunction]
pub(crate) fn cost(tokens_and_rates: Vec<(i64, i64)>) -> PyResult<i64> {
    engine::cost(&tokens_and_rates).map_err(mistake)
}

/// The most that an attempt can cost.
#[pyfunction]
#[pyo3(signature = (*, body_bytes, extra_tokens, dearest_input_rate, output_cap, output_rate))]
pub(crate) fn bound(
    body_bytes: i64,
    extra_tokens: i64,
    dearest_input_rate: i64,
    output_cap: i64,
    output_rate: i64,
) -> PyResult<i64> {
    let worst = Worst { body_bytes, extra_tokens, dearest_input_rate, output_cap, output_rate };
    engine::bound(&worst).map_err(mistake)
}

/// The largest output cap whose bound is at most `available`.
#[pyfunction]
#[pyo3(signature = (
    *, available, body_bytes, extra_tokens, dearest_input_rate, output_rate, wanted, least
))]
pub(crate) fn cap_that_fits(
    available: i64,
    body_bytes: i64,
    extra_tokens: i64,
    dearest_input_rate: i64,
    output_rate: i64,
    wanted: i64,
    least: i64,
) -> PyResult<Option<i64>> {
    let output_cap = wanted;
    let wanted = Worst { body_bytes, extra_tokens, dearest_input_rate, output_cap, output_rate };
    engine::cap_that_fits(&CapQuery { wanted, least, available }).map_err(mistake)
}

/// One budget in one period.
#[pyclass(frozen, eq, hash, module = "chenu_server._core")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Account(engine::Account);

#[pymethods]
impl Account {
    #[new]
    fn new(limit: i64, granted: i64, posted: i64, reserved: i64, overrun: i64) -> PyResult<Self> {
        engine::Account { limit, granted, posted, reserved, overrun }
            .checked()
            .map(Self)
            .map_err(mistake)
    }

    #[getter]
    fn limit(&self) -> i64 {
        self.0.limit
    }

    #[getter]
    fn granted(&self) -> i64 {
        self.0.granted
    }

    #[getter]
    fn posted(&self) -> i64 {
        self.0.posted
    }

    #[getter]
    fn reserved(&self) -> i64 {
        self.0.reserved
    }

    #[getter]
    fn overrun(&self) -> i64 {
        self.0.overrun
    }

    fn __repr__(&self) -> String {
        let engine::Account { limit, granted, posted, reserved, overrun } = self.0;
        format!(
            "Account(limit={limit}, granted={granted}, posted={posted}, \
             reserved={reserved}, overrun={overrun})"
        )
    }
}

/// What may still be reserved; 0 when the account is overdrawn.
#[pyfunction]
pub(crate) fn available(account: &Account) -> PyResult<i64> {
    engine::available(&account.0).map_err(mistake)
}

/// Reserves in all accounts, or in none: the accounts after it, or the index of an exhausted one.
#[pyfunction]
pub(crate) fn reserve(
    accounts: Vec<PyRef<'_, Account>>,
    amount: i64,
) -> PyResult<(Option<Vec<Account>>, isize)> {
    let accounts: Vec<engine::Account> = accounts.iter().map(|account| account.0).collect();
    match engine::reserve(&accounts, amount).map_err(mistake)? {
        Ok(reserved) => Ok((Some(reserved.into_iter().map(Account).collect()), -1)),
        Err(exhausted) => Ok((None, isize::try_from(exhausted.index)?)),
    }
}

/// Ends a reservation with what was used.
#[pyfunction]
pub(crate) fn post(account: &Account, reserved: i64, used: i64) -> PyResult<Account> {
    wrap(engine::post(&account.0, reserved, used))
}

/// Posts what was used after its reservation had ended.
#[pyfunction]
pub(crate) fn late_post(account: &Account, used: i64) -> PyResult<Account> {
    wrap(engine::late_post(&account.0, used))
}

/// Whether the overrun has grown by more than 1 % of the limit since it was `seen`.
#[pyfunction]
pub(crate) fn overran(account: &Account, seen: i64) -> PyResult<bool> {
    engine::overran(&account.0, seen).map_err(mistake)
}

/// Ends a reservation of which nothing was used.
#[pyfunction]
pub(crate) fn void(account: &Account, reserved: i64) -> PyResult<Account> {
    wrap(engine::void(&account.0, reserved))
}

fn wrap(account: Result<engine::Account, AmountError>) -> PyResult<Account> {
    account.map(Account).map_err(mistake)
}
