//! Moving the log's pages to the file while the writer goes on.
//!
//! `SQLite` does it by itself, behind the commit that made the log long enough: every command of
//! the next batch would wait for it, and for the disk. What is found here is only how long the log
//! is; that it stays short, whatever becomes of this thread, is for whoever tends the file.

use std::cell::Cell;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, Error, ffi};

/// A log that went on growing meanwhile is tried again after so many parts of what makes it long.
const PARTS: i32 = 4;
/// So often in a row: what was written during one round is a fraction of it.
const ROUNDS_MAX: usize = 4;

thread_local! {
    // The library calls a bare function, in the middle of the COMMIT: it has nowhere else to leave
    // what it is told, and whoever committed reads it on the same thread right behind.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// A thread with a connection of its own.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// How many pages make a log long.
    long: i32,
    /// At how many it is woken next.
    due: i32,
}

impl Checkpointer {
    /// Do for `writer`, through `own`, what it has done for itself.
    pub(crate) fn start(writer: &Connection, own: Connection) -> Result<Self, Error> {
        let long = writer.query_row("PRAGMA wal_autocheckpoint", [], |row| row.get(0))?;
        // In place of the library's own hook, which is what has moved the pages.
        writer.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
        let (wake, woken) = sync_channel(1);
        let thread = Builder::new().name("chenu-checkpoint".to_owned());
        let thread =
            thread.spawn(move || checkpoint(&own, &woken)).map_err(|error| no_thread(&error))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), long, due: long })
    }

    /// Called behind a COMMIT, on its thread.
    pub(crate) fn committed(&mut self) {
        let pages = PAGES.get();
        let part = (self.long / PARTS).max(1);
        // Shorter than when it was last found long: it has begun anew.
        if pages + part < self.due {
            self.due = self.long;
        }
        if pages >= self.due {
            self.due = pages + part;
            // Full: it has been woken and has not come to it. Closed: it is gone, and the log is
            // cut by whoever tends the file.
            self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        // Its connection must be closed when this is: a file that is deleted, moved or locked next
        // would still be in use.
        self.thread.take().map(JoinHandle::join);
    }
}

fn checkpoint(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        let mut last = -1;
        // A log begins anew only when all of it has been moved, and commits go on meanwhile. Each
        // round has less to move than the one before, until one fits between two commits.
        for _ in 0..ROUNDS_MAX {
            // Passive, so that nobody waits for it. What fails here, the next batch meets.
            let told = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get::<_, i32>(1)?, row.get::<_, i32>(2)?))
            });
            match told {
                // A reader keeps the rest.
                Ok((_, moved)) if moved <= last => break,
                Ok((pages, moved)) if moved < pages => last = moved,
                _ => break,
            }
        }
    }
}

fn no_thread(error: &io::Error) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOMEM), Some(error.to_string()))
}
