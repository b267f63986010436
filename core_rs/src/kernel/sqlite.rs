//! Binding of [`chenu_store::sqlite`]: whole batches on a file, without the interpreter.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use chenu_store::clock::Told;
use chenu_store::sqlite::{self, Asked, Failure, Names, Texts};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustix::time::{ClockId, clock_gettime};

use super::{Batch, Clock, Command};
use crate::convert::{locked, mistake};

/// `(writes, keyed, whole, first, count)`: the statements of one table.
type Statements = (
    Vec<String>,
    Vec<String>,
    HashMap<String, Vec<String>>,
    HashMap<String, String>,
    HashMap<String, String>,
);

/// The address that `SQLite` is to be told of, so that its functions are used and no others.
#[pyfunction]
pub(crate) fn sqlite_entry_point() -> usize {
    chenu_shared_sqlite::entry_point()
}

/// Whether `SQLite` has told its functions.
#[pyfunction]
pub(crate) fn has_sqlite() -> bool {
    chenu_shared_sqlite::is_taken()
}

/// One connection that runs one batch after the other.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct SqliteSession(Mutex<Option<sqlite::Session>>);

#[pymethods]
impl SqliteSession {
    #[new]
    #[pyo3(signature = (*, file, pragmas, tables, head))]
    fn new(
        py: Python<'_>,
        file: PathBuf,
        pragmas: Vec<String>,
        tables: HashMap<String, Statements>,
        head: String,
    ) -> PyResult<Self> {
        let tables = tables.into_iter().map(|(name, texts)| (name, texts_of(texts))).collect();
        // It may wait for a lock as long as a batch does.
        let open = || sqlite::Session::open(&file, &pragmas, tables, head);
        Ok(Self(Mutex::new(Some(py.detach(open).map_err(mistake)?))))
    }

    /// Decides and commits: the batch, how wrong the clock is and why COMMIT failed, if it did; or
    /// what failed before, and why.
    #[pyo3(signature = (*, commands, names, clock, shift_us, before_commit))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        commands: Vec<Py<Command>>,
        names: (u32, String, String, String),
        clock: &Clock,
        shift_us: i64,
        before_commit: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let commands: Vec<&Command> = commands.iter().map(Py::get).collect();
        let run = || self.ran(&commands, &named(names), clock, shift_us, before_commit.as_ref());
        match py.detach(run) {
            Ok((batch, told, unknown)) => {
                let now = (told.now.now_us, told.now.mono_ns);
                (batch, now, told.behind_us, told.jumped_us, unknown).into_pyobject(py)
            }
            Err(failure) => (kind(&failure), failure.to_string()).into_pyobject(py),
        }
    }

    /// Closes the connection.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(locked(&self.0).take()));
    }
}

impl SqliteSession {
    fn ran(
        &self,
        commands: &[&Command],
        names: &Names,
        clock: &Clock,
        shift_us: i64,
        before_commit: Option<&Py<PyAny>>,
    ) -> Result<(Batch, Told, Option<String>), Failure> {
        let mut session = locked(&self.0);
        let session = session.as_mut().ok_or(Failure::CannotBegin("it is closed".to_owned()))?;
        let pairs: Vec<_> = commands.iter().map(|each| each.pair()).collect();
        let mut asked = Asked {
            commands: &pairs,
            has_left: &|place| commands.get(place).is_some_and(|each| each.has_left()),
            time: &mut |last_us| told(clock, shift_us, last_us),
            before_commit: &mut || before_commit.map_or(Ok(()), called),
        };
        let ran = session.run(&mut asked, names)?;
        Ok((Batch::new_decided(ran.batch, ran.decisions), ran.told, ran.unknown))
    }
}

fn texts_of((writes, keyed, whole, first, count): Statements) -> Texts {
    Texts { writes, keyed, whole, first, count }
}

fn named((ledger_number, origin, writer_id, batch_id): (u32, String, String, String)) -> Names {
    Names { ledger_number, origin, writer_id, batch_id }
}

fn called(function: &Py<PyAny>) -> Result<(), String> {
    Python::attach(|py| function.call0(py).map(drop).map_err(|error| error.to_string()))
}

fn told(clock: &Clock, shift_us: i64, last_us: i64) -> Told {
    // In this order, so that a time mapped through the first is never early.
    let mono_ns = mono_ns();
    locked(&clock.0).tell(wall_us() + shift_us, mono_ns, last_us)
}

fn mono_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn wall_us() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::CannotBegin(_) => "cannot_begin",
        Failure::OtherLedger(_) => "other_ledger",
        Failure::CannotWrite(_) => "cannot_write",
        Failure::StatementFailed(_) => "statement_failed",
        Failure::BatchFailed(_) => "batch_failed",
    }
}
