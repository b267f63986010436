//! The one thread that does a process's calls.

use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::exchange::locked;

/// Looking up a host blocks a thread of the C library's: so many at once, the others wait.
const LOOK_UPS_MAX: usize = 8;

// Weak, so that the last client takes the thread along.
static RUNNING: Mutex<Weak<IoThread>> = Mutex::new(Weak::new());

/// Lives for as long as somebody may call; nobody who runs on it may hold it.
pub(crate) struct IoThread {
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl IoThread {
    /// The thread of this process, started if there is none.
    pub(crate) fn of_process() -> io::Result<Arc<Self>> {
        // Held while one is started, or two that open the first client would start two.
        let mut running = locked(&RUNNING);
        if let Some(thread) = running.upgrade() {
            return Ok(thread);
        }
        let thread = Arc::new(Self::start()?);
        *running = Arc::downgrade(&thread);
        Ok(thread)
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(LOOK_UPS_MAX)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("chenu-upstream".to_owned()).spawn(move || {
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background(); // whoever looks up a host still is not waited for
        })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        // The receiver hears of a sender that is dropped as it would of a word.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
