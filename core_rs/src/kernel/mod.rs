//! Binding of [`chenu_store`]: commands in, the rows and answers of their batch out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chenu_operation::Moment;
use chenu_operation::command::Command as Asked;
use chenu_operation::decide::name;
use chenu_operation::rules::Rules as Decides;
use chenu_store::batch::{self, Decision, Dropped, Found, Source};
use chenu_store::clock;
use chenu_store::fetch::Fetch;
use chenu_store::schema::TABLES;
use chenu_store::seal::{End, Head, Named, ending};
use chenu_store::told::Told;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert::{hash, locked, mistake};
use crate::fields::read;
use parameters::Rows;
use rows::RowReaders;

pub(crate) mod intake;
pub(crate) mod parameters;
pub(crate) mod rows;
pub(crate) mod sqlite;
mod values;

/// What every decision of a process is made by.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Rules(Arc<Decides>);

#[pymethods]
impl Rules {
    #[new]
    fn new(plain: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Arc::new(read(plain)?)))
    }
}

/// The tables of governed rows, with their columns in order.
#[pyfunction]
pub(crate) fn tables() -> Vec<(&'static str, Vec<&'static str>)> {
    TABLES.into_iter().map(|table| (table.name, table.columns.to_vec())).collect()
}

/// Something that is asked, and the rules that it is decided by.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Command {
    asked: Asked,
    rules: Arc<Decides>,
    has_left: AtomicBool,
}

impl Command {
    fn pair(&self) -> (&Asked, &Decides) {
        (&self.asked, &self.rules)
    }

    fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }
}

#[pymethods]
impl Command {
    #[new]
    fn new(plain: &Bound<'_, PyAny>, rules: &Rules) -> PyResult<Self> {
        let asked = read(plain)?;
        Ok(Self { asked, rules: Arc::clone(&rules.0), has_left: AtomicBool::new(false) })
    }

    #[getter]
    fn name(&self) -> &'static str {
        name(&self.asked)
    }

    /// Nobody waits for it any more: unless it is under way, it is not decided.
    fn leave(&self) {
        // For a thread without an interpreter, which cannot look at the caller's future.
        self.has_left.store(true, Ordering::Release);
    }
}

/// What is known of the time.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Clock(Mutex<clock::Clock>);

#[pymethods]
impl Clock {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// A batch's time, how far the given clock is behind it, and how far that has jumped.
    fn tell(&self, clock_us: i64, mono_ns: i64, last_us: i64) -> (i64, i64, i64) {
        let told = locked(&self.0).tell(clock_us, mono_ns, last_us);
        (told.now.now_us, told.behind_us, told.jumped_us)
    }

    /// What a batch's time would be; None before the first.
    fn at(&self, mono_ns: i64) -> Option<i64> {
        locked(&self.0).at(mono_ns)
    }
}

/// What a command came to, as it is answered.
type Answered = Option<Result<Told, Dropped>>;

/// What is to be written in a table of this name.
type Written = (&'static str, Rows);

/// What commands came to, and all that they leave.
type Decided = (Vec<Result<Told, Dropped>>, Vec<Written>);

/// Commands that are decided and committed together, and what each came to.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Batch {
    batch: Mutex<batch::Batch>,
    decisions: Mutex<Vec<Answered>>,
}

impl Batch {
    fn new_decided(batch: batch::Batch, decisions: Vec<Answered>) -> Self {
        Self { batch: Mutex::new(batch), decisions: Mutex::new(decisions) }
    }

    fn decided(
        &self,
        commands: &[(&Asked, &Decides)],
        source: &mut Fetching,
        ending: Option<&Ending>,
    ) -> PyResult<Decided> {
        let mut batch = locked(&self.batch);
        let decided = batch.decide(commands, source)?;
        let told = decided.into_iter().map(|decision| answered(decision, &batch)).collect();
        let of = |write: batch::Write| (write.table.name, Rows::written(write.rows));
        let mut writes: Vec<_> = batch.take_writes().into_iter().map(of).collect();
        writes.extend(ending.map(|each| each.rows(&batch)).transpose()?.unwrap_or_default());
        Ok((told, writes))
    }

    /// One that has been run. Made by the thread that did, which lets go of what nobody needs: the
    /// event loop has less time than that.
    fn new_run(mut batch: batch::Batch, decisions: Vec<Option<Decision>>) -> Self {
        let decisions = decisions.into_iter().map(|each| each.map(|each| answered(each, &batch)));
        let decisions = decisions.collect();
        batch.close();
        Self::new_decided(batch, decisions)
    }
}

fn answered(decision: Decision, batch: &batch::Batch) -> Result<Told, Dropped> {
    decision.map(|answer| Told::of(answer, batch))
}

#[pymethods]
impl Batch {
    #[new]
    fn new(now_us: i64, mono_ns: i64, ledger_number: i64) -> Self {
        let now = Moment { now_us, mono_ns };
        Self::new_decided(batch::Batch::new(now, ledger_number), Vec::new())
    }

    /// As it stands now, to try something on.
    fn copy(&self) -> Self {
        Self::new_decided(locked(&self.batch).clone(), locked(&self.decisions).clone())
    }

    /// Decides commands behind those before, without the interpreter but for what `fetch` finds:
    /// `(table, rows)` of what they leave. One that nobody waits for any more is left out. With
    /// `ending` no other follows: the rows that end the batch are there too, if anything was left.
    #[pyo3(signature = (commands, fetch, ending = None))]
    fn decide(
        &self,
        py: Python<'_>,
        commands: Vec<Py<Command>>,
        fetch: Py<PyAny>,
        ending: Option<&Ending>,
    ) -> PyResult<Vec<Written>> {
        // Asked once for all: of one that leaves a moment later the answer is dealt with as a
        // late one.
        let stay: Vec<bool> = commands.iter().map(|each| !each.get().has_left()).collect();
        let staying = commands.iter().zip(&stay).filter(|(_, stays)| **stays);
        let pairs: Vec<_> = staying.map(|(each, _)| each.get().pair()).collect();
        let (told, writes) = py.detach(|| self.decided(&pairs, &mut Fetching(fetch), ending))?;
        let mut told = told.into_iter();
        let placed = stay.into_iter().map(|stays| if stays { told.next() } else { None });
        locked(&self.decisions).extend(placed);
        Ok(writes)
    }

    /// The next one is left out: its statements failed.
    fn leave_out(&self) {
        locked(&self.decisions).push(None);
    }

    /// Whether the command at a place was decided, and what it left stands.
    fn stands(&self, place: usize) -> bool {
        matches!(locked(&self.decisions).get(place), Some(Some(Ok(_))))
    }

    /// What the command at a place came to, once: `(kind, rows, more)`, the text of an error, or
    /// None if it was left out.
    fn take<'py>(
        &self,
        py: Python<'py>,
        place: usize,
        readers: &RowReaders,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Out of the lock first, for rows are made by Python, and once: it holds much that nobody
        // needs again.
        let told = locked(&self.decisions).get_mut(place).and_then(Option::take);
        told.map(|told| values::decision(py, told, readers)).transpose()
    }

    /// Whether nothing was left at all.
    fn has_left_nothing(&self) -> bool {
        locked(&self.batch).has_left_nothing()
    }

    /// What followers are given, in order: rows, and the error of each that cannot be read.
    fn published<'py>(
        &self,
        py: Python<'py>,
        readers: &RowReaders,
    ) -> PyResult<Bound<'py, PyList>> {
        // No lock is held while Python makes them.
        let rows = locked(&self.batch).published().to_vec();
        let rows = rows.iter().map(|(table, values)| {
            let made = readers.row(py, table, values);
            made.unwrap_or_else(|error| error.into_value(py).into_bound(py).into_any())
        });
        PyList::new(py, rows.collect::<Vec<_>>())
    }

    /// What the ledger gets, in order.
    fn entries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let batch = locked(&self.batch);
        let entries = batch.entries().iter().map(|entry| values::entry(py, entry));
        PyList::new(py, entries.collect::<PyResult<Vec<_>>>()?)
    }
}

/// Behind what, by whom and as what a batch is ended.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Ending {
    head: Head,
    writer_id: String,
    batch_id: String,
}

#[pymethods]
impl Ending {
    #[new]
    #[pyo3(signature = (*, origin, ledger_number, size, head, writer_id, batch_id))]
    fn new(
        origin: String,
        ledger_number: u32,
        size: u64,
        head: &[u8],
        writer_id: String,
        batch_id: String,
    ) -> PyResult<Self> {
        let head = Head { ledger_number, origin, size, last_hash: hash("head", head)? };
        Ok(Self { head, writer_id, batch_id })
    }
}

impl Ending {
    fn rows(&self, batch: &batch::Batch) -> PyResult<Vec<Written>> {
        // Waits, repeats and conflicts write nothing: there is no batch to end.
        if batch.has_left_nothing() {
            return Ok(Vec::new());
        }
        let names = Named::fresh(batch.entries().len()).map_err(mistake)?;
        let (writer_id, batch_id) = (self.writer_id.as_str(), self.batch_id.as_str());
        let end = End { writer_id, batch_id, time_us: batch.now().now_us };
        let rows = ending(&self.head, end, batch.entries(), &names).map_err(mistake)?;
        Ok(rows.into_iter().map(|(table, rows)| (table, Rows::written(rows))).collect())
    }
}

/// A Python function that answers fetches.
struct Fetching(Py<PyAny>);

impl Source for Fetching {
    type Error = PyErr;

    fn fetch(&mut self, fetches: &[Fetch]) -> PyResult<Vec<Found>> {
        // Before the interpreter is taken, which others wait for meanwhile.
        let asked: Vec<_> = fetches.iter().map(values::asked).collect();
        Python::attach(|py| {
            let found: Vec<Vec<Vec<values::Given>>> = self.0.call1(py, (asked,))?.extract(py)?;
            fetches.iter().zip(found).map(|(fetch, rows)| values::found(fetch, rows)).collect()
        })
    }
}
