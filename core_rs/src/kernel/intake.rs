//! Binding of [`chenu_store::intake`].

use std::time::Duration;

use chenu_operation::command::Command as Asked;
use chenu_operation::rules::Rules as Decides;
use chenu_store::intake::{self, Limits, Waiting};
use chenu_store::serve;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::Command;

/// A command, and what Python knows of it.
pub(super) struct Job {
    command: Py<Command>,
    whose: Py<PyAny>,
}

impl Waiting for Job {
    fn has_left(&self) -> bool {
        self.command.get().has_left()
    }
}

impl serve::Job for Job {
    fn asked(&self) -> (&Asked, &Decides) {
        self.command.get().pair()
    }
}

/// What Python knows of jobs, in order.
pub(super) fn whose(py: Python<'_>, jobs: Vec<Job>) -> PyResult<Bound<'_, PyList>> {
    PyList::new(py, jobs.into_iter().map(|job| job.whose))
}

/// Filled by the event loop, emptied by the writer's thread.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Intake(pub(super) intake::Intake<Job>);

#[pymethods]
impl Intake {
    #[new]
    #[pyo3(signature = (
        *, queue_max, notes_max, batch_max, loop_within_ms, gather_within_ms
    ))]
    fn new(
        queue_max: usize,
        notes_max: usize,
        batch_max: usize,
        loop_within_ms: u64,
        gather_within_ms: u64,
    ) -> Self {
        Self(intake::Intake::new(Limits {
            queue_max,
            notes_max,
            batch_max,
            loop_within: Duration::from_millis(loop_within_ms),
            gather_within: Duration::from_millis(gather_within_ms),
        }))
    }

    /// How many commands wait.
    fn __len__(&self) -> usize {
        self.0.queued()
    }

    /// Queues a command with whatever comes back with it; false when as many wait as may.
    fn put(&self, command: Py<Command>, whose: Py<PyAny>) -> bool {
        self.0.put(Job { command, whose })
    }

    /// Queues a note for the next batch; false when as many wait as may, and this one is lost.
    fn put_note(&self, command: Py<Command>, whose: Py<PyAny>) -> bool {
        self.0.put_note(Job { command, whose })
    }

    /// Takes the notes that still wait, in a batch of their own if need be.
    fn wake_for_notes(&self) {
        self.0.wake_for_notes();
    }

    /// The event loop has taken in the last batch's answers.
    fn answered(&self) {
        self.0.answered();
    }

    /// Lets `take` end once everything queued before has been taken.
    fn close(&self) {
        self.0.close();
    }

    /// What came with whatever waits now, notes first; None once it is closed and empty.
    fn take<'py>(&self, py: Python<'py>, within_s: f64) -> PyResult<Option<Bound<'py, PyList>>> {
        let within = Duration::try_from_secs_f64(within_s).unwrap_or_default();
        // Whoever is to fill it meanwhile needs the interpreter.
        py.detach(|| self.0.take(Some(within))).map(|jobs| whose(py, jobs)).transpose()
    }
}
