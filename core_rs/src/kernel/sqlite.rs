//! Binding of [`chenu_store::sqlite`]: whole batches on a file, without the interpreter.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chenu_store::clock::Told;
use chenu_store::serve::{Ended, Serving, Within};
use chenu_store::sqlite::{self, Asked, Failure, Names, Ran, Texts};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustix::time::{ClockId, clock_gettime};

use super::intake::{Intake, Job, whose};
use super::{Batch, Clock, Command};
use crate::completions::{Completions, Sender};
use crate::convert::{locked, mistake};

/// Whether something is armed that a batch has to pass through Python for.
static ARMED: AtomicBool = AtomicBool::new(false);

/// From now on what is taken is handed to Python before it is begun, or no longer.
#[pyfunction]
pub(crate) fn failpoints_armed(are: bool) {
    ARMED.store(are, Ordering::Release);
}

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
        found(py, py.detach(run))
    }

    /// Commits what comes, and gives each batch to `answer` by way of the completions, until
    /// something has to be done otherwise: why, what it is about, and how many seconds ago the last
    /// batch was committed, if one was.
    #[pyo3(signature = (
        intake, *, names, clock, completions, answer, odd, within_s
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword-only in Python")]
    fn serve<'py>(
        &self,
        py: Python<'py>,
        intake: &Intake,
        names: (u32, String, String),
        clock: &Clock,
        completions: &Completions,
        answer: Py<PyAny>,
        odd: (bool, i64),
        within_s: [f64; 3],
    ) -> PyResult<(&'static str, Bound<'py, PyTuple>, Option<f64>)> {
        let (ledger_number, origin, writer_id) = names;
        let names = named((ledger_number, origin, writer_id, String::new()));
        let answering = Answering { sender: completions.sender(), answer: Arc::new(answer) };
        let [due, doubt, believed] = within_s.map(seconds);
        let within = Within { due, doubt, believed };
        let with = With { intake: &intake.0, names, clock, answering, odd, within };
        // Whoever closed it has something else to do.
        let nothing = || (Ended::Due, None);
        let (ended, proved) = py.detach(|| {
            locked(&self.0).as_mut().map_or_else(nothing, |session| with.serve(session))
        });
        let (why, what) = handed(py, ended)?;
        Ok((why, what, proved.map(|ago| ago.as_secs_f64())))
    }

    /// Closes the connection.
    fn close(&self, py: Python<'_>) {
        // Without the interpreter, which a batch that holds this lock may be waiting for.
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
    ) -> Result<Ran, Failure> {
        let mut session = locked(&self.0);
        let session = session.as_mut().ok_or(Failure::CannotBegin("it is closed".to_owned()))?;
        let pairs: Vec<_> = commands.iter().map(|each| each.pair()).collect();
        let mut asked = Asked {
            commands: &pairs,
            has_left: &|place| commands.get(place).is_some_and(|each| each.has_left()),
            time: &mut |last_us| told(clock, shift_us, last_us),
            before_commit: &mut || before_commit.map_or(Ok(()), called),
        };
        session.run(&mut asked, names)
    }
}

/// What a session serves with.
struct With<'a> {
    intake: &'a chenu_store::intake::Intake<Job>,
    names: Names,
    clock: &'a Clock,
    answering: Answering,
    odd: (bool, i64),
    within: Within,
}

impl With<'_> {
    fn serve(self, session: &mut sqlite::Session) -> (Ended<Job>, Option<Duration>) {
        Serving {
            intake: self.intake,
            names: self.names,
            time: &mut |last_us| told(self.clock, 0, last_us),
            odd: self.odd,
            by_hand: &|| ARMED.load(Ordering::Acquire),
            answer: &mut |jobs, ran| self.answering.answer(jobs, ran),
            within: self.within,
        }
        .run(session)
    }
}

/// Who is told of a batch, in the event loop.
struct Answering {
    sender: Sender,
    // Counted apart from Python's own count, which nobody may touch without the interpreter.
    answer: Arc<Py<PyAny>>,
}

impl Answering {
    fn answer(&self, jobs: Vec<Job>, ran: Ran) {
        let answer = Arc::clone(&self.answer);
        let now = moment(&ran.told);
        let batch = Batch::new_run(ran.batch, ran.decisions);
        self.sender.send(move |py| answer.call1(py, (whose(py, jobs)?, batch, now)).map(drop));
    }
}

/// Why serving ended, and the jobs that it is about: with what came of their batch, if it was run.
fn handed(py: Python<'_>, ended: Ended<Job>) -> PyResult<(&'static str, Bound<'_, PyTuple>)> {
    Ok(match ended {
        Ended::Closed => ("closed", PyTuple::empty(py)),
        Ended::Due => ("due", PyTuple::empty(py)),
        Ended::Handed(jobs) => ("handed", (whose(py, jobs)?,).into_pyobject(py)?),
        Ended::Failed(jobs, failure) => {
            ("ran", (whose(py, jobs)?, "", found(py, Err(failure))?).into_pyobject(py)?)
        }
        Ended::Told(jobs, ran, names) => {
            ("ran", (whose(py, jobs)?, names.batch_id, found(py, Ok(*ran))?).into_pyobject(py)?)
        }
    })
}

fn found(py: Python<'_>, ran: Result<Ran, Failure>) -> PyResult<Bound<'_, PyTuple>> {
    match ran {
        Ok(Ran { batch, decisions, told, unknown }) => {
            let batch = Batch::new_run(batch, decisions);
            (batch, moment(&told), told.behind_us, told.jumped_us, unknown).into_pyobject(py)
        }
        Err(failure) => (kind(&failure), failure.to_string()).into_pyobject(py),
    }
}

fn moment(told: &Told) -> (i64, i64) {
    (told.now.now_us, told.now.mono_ns)
}

fn seconds(seconds: f64) -> Duration {
    // What is due already is less than nothing, and no time to wait.
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn texts_of((writes, keyed, whole, first, count): Statements) -> Texts {
    Texts { writes, keyed, whole, first, count }
}

fn named((ledger_number, origin, writer_id, batch_id): (u32, String, String, String)) -> Names {
    Names { ledger_number, origin, writer_id, batch_id }
}

fn called(function: &Py<PyAny>) -> Result<(), String> {
    // What it raises is this batch's failure and not the thread's: it has others.
    Python::attach(|py| function.call0(py).map(drop).map_err(|error| error.to_string()))
}

fn told(clock: &Clock, shift_us: i64, last_us: i64) -> Told {
    // In this order, so that a time mapped through the first is never early.
    let mono_ns = mono_ns();
    locked(&clock.0).tell(wall_us() + shift_us, mono_ns, last_us)
}

fn mono_ns() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Since the machine began, of which 64 bits hold 292 years.
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
