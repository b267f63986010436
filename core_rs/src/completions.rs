//! What threads without the interpreter have finished, for one event loop to take in.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;

use crate::convert::locked;

type Completion = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// Filled by any thread, emptied by the event loop that watches `fileno()`.
///
/// The loop is woken once for all that has come since its last turn: so what a busy process pays
/// for it grows with its turns, and not with its calls.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Completions(Arc<Shared>);

struct Shared {
    waiting: Mutex<Vec<Completion>>,
    awake: UnixStream,
    wake: UnixStream,
}

#[pymethods]
impl Completions {
    #[new]
    fn new() -> io::Result<Self> {
        let (awake, wake) = UnixStream::pair()?;
        // Neither end may wait: a full one would hold up the thread that commits, an empty one
        // the loop.
        awake.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        Ok(Self(Arc::new(Shared { waiting: Mutex::default(), awake, wake })))
    }

    /// What becomes readable once there is something to take in.
    fn fileno(&self) -> RawFd {
        self.0.awake.as_raw_fd()
    }

    /// Has the loop call this, from whichever thread.
    fn send(&self, call: Py<PyAny>) {
        self.sender().send(move |py| call.call0(py).map(drop));
    }

    /// Calls all that has come, in order. What one raises is told, and keeps none of the others.
    fn drain(&self, py: Python<'_>) {
        // Emptied first: what comes behind it wakes the loop anew.
        self.0.drowse();
        // Out of the lock before any is called, for one of them may send another.
        let waiting = std::mem::take(&mut *locked(&self.0.waiting));
        for completion in waiting {
            if let Err(error) = completion(py) {
                error.write_unraisable(py, None);
            }
        }
    }
}

impl Completions {
    /// Where a thread puts what it has finished.
    pub(crate) fn sender(&self) -> Sender {
        Sender(Arc::clone(&self.0))
    }
}

/// A thread's end of [`Completions`].
#[derive(Clone)]
pub(crate) struct Sender(Arc<Shared>);

impl Sender {
    /// Have the loop call this, behind all that was given before.
    pub(crate) fn send(
        &self,
        completion: impl FnOnce(Python<'_>) -> PyResult<()> + Send + 'static,
    ) {
        // Only who finds the list empty wakes the loop: it takes in all others in the same turn.
        let is_first = {
            let mut waiting = locked(&self.0.waiting);
            waiting.push(Box::new(completion));
            waiting.len() == 1
        };
        if is_first {
            self.0.rouse();
        }
    }
}

impl Shared {
    fn rouse(&self) {
        // Full, it is readable already; any other error means that nobody reads any more.
        let _: io::Result<usize> = (&self.wake).write(&[1]);
    }

    fn drowse(&self) {
        // A byte for each time that the list was found empty: mostly one, and one read, which a
        // short one ends.
        let mut bytes = [0; 64];
        while matches!((&self.awake).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }
}
