//! Binding of [`chenu_store`]: commands in, the rows and answers of their batch out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chenu_engine::canonical::Hash;
use chenu_operation::Moment;
use chenu_operation::command::Command as Asked;
use chenu_operation::decide::name;
use chenu_operation::rules::Rules as Decides;
use chenu_store::batch::{self, Decision, Dropped, Found, Source};
use chenu_store::clock;
use chenu_store::fetch::Fetch;
use chenu_store::schema::TABLES;
use chenu_store::seal::{Head, Named, Sealed, seal};
use chenu_store::told::Told;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::convert::{hash, locked, mistake};
use crate::fields::read;
use rows::RowReaders;

pub(crate) mod intake;
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
    ) -> PyResult<Vec<Result<Told, Dropped>>> {
        let mut batch = locked(&self.batch);
        let decided = batch.decide(commands, source)?;
        Ok(decided.into_iter().map(|decision| answered(decision, &batch)).collect())
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

    /// Decides commands behind those before, without the interpreter but for what `fetch` finds.
    /// One that nobody waits for any more is left out.
    fn decide(&self, py: Python<'_>, commands: Vec<Py<Command>>, fetch: Py<PyAny>) -> PyResult<()> {
        // Asked once for all: of one that leaves a moment later the answer is dealt with as a
        // late one.
        let stay: Vec<bool> = commands.iter().map(|each| !each.get().has_left()).collect();
        let staying = commands.iter().zip(&stay).filter(|(_, stays)| **stays);
        let pairs: Vec<_> = staying.map(|(each, _)| each.get().pair()).collect();
        let mut decided = py.detach(|| self.decided(&pairs, &mut Fetching(fetch)))?.into_iter();
        let placed = stay.into_iter().map(|stays| if stays { decided.next() } else { None });
        locked(&self.decisions).extend(placed);
        Ok(())
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

    /// What was decided since it was last asked leaves: `(table, rows)`.
    fn take_writes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let writes = locked(&self.batch).take_writes();
        let table = |write: &batch::Write| {
            let rows = write.rows.iter().map(|row| values::tuple(py, row));
            (write.table.name, rows.collect::<PyResult<Vec<_>>>()?).into_pyobject(py)
        };
        PyList::new(py, writes.iter().map(table).collect::<PyResult<Vec<_>>>()?)
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

    /// Seals the entries behind a head: `(entries, payloads, size, last_hash)`.
    #[pyo3(signature = (*, origin, ledger_number, size, head, batch_id, time_us))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword-only in Python")]
    fn seal<'py>(
        &self,
        py: Python<'py>,
        origin: String,
        ledger_number: u32,
        size: u64,
        head: &[u8],
        batch_id: &str,
        time_us: i64,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let head = Head { ledger_number, origin, size, last_hash: hash("head", head)? };
        let batch = locked(&self.batch);
        let names = Named::fresh(batch.entries().len()).map_err(mistake)?;
        let sealed = seal(&head, batch_id, time_us, batch.entries(), &names).map_err(mistake)?;
        sealed_rows(py, &sealed)
    }
}

fn sealed_rows<'py>(py: Python<'py>, sealed: &Sealed) -> PyResult<Bound<'py, PyTuple>> {
    let rows = |rows: &[Vec<_>]| {
        rows.iter().map(|row| values::tuple(py, row)).collect::<PyResult<Vec<_>>>()
    };
    let (size, last): (u64, &Hash) = (sealed.head.size, &sealed.head.last_hash);
    (rows(&sealed.entries)?, rows(&sealed.payloads)?, size, last).into_pyobject(py)
}

/// A Python function that answers fetches.
struct Fetching(Py<PyAny>);

impl Source for Fetching {
    type Error = PyErr;

    fn fetch(&mut self, fetches: &[Fetch]) -> PyResult<Vec<Found>> {
        Python::attach(|py| {
            let asked = fetches.iter().map(|each| values::fetch(py, each));
            let asked = asked.collect::<PyResult<Vec<_>>>()?;
            let found: Vec<Vec<Vec<values::Given>>> = self.0.call1(py, (asked,))?.extract(py)?;
            fetches.iter().zip(found).map(|(fetch, rows)| values::found(fetch, rows)).collect()
        })
    }
}
