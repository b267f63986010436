//! One SQLite in the process: the one that it has loaded already.
//!
//! Two copies of the library in one process drop each other's locks on a file, for `POSIX` locks
//! belong to the process and go with the first descriptor that is closed. So none is linked here.
//! Whoever has the library registers [`entry_point`] with its `sqlite3_auto_extension` and opens
//! one connection: the library then hands over the table of its own functions, as it does to an
//! extension that it loads. From then on [`open`] opens connections of that very library. One of
//! before 3.34.1 must not be asked: its table is shorter than what is read of it.
//!
//! This is the one crate with `unsafe` code: what is called by a library, and is handed pointers
//! by it, cannot be checked by the compiler.

#[cfg(feature = "machine")]
pub mod machine;

use std::ffi::{c_char, c_int};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, Error, OpenFlags, ffi};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// What the library is to call with the table of its functions: an address.
#[must_use]
pub fn entry_point() -> usize {
    take as *const () as usize
}

/// Whether a library has handed over its functions.
#[must_use]
pub fn is_taken() -> bool {
    TAKEN.load(Ordering::Acquire)
}

/// A connection that reads and writes an existing file.
///
/// # Errors
/// As the library's; [`Error::InvalidQuery`] while none has handed over its functions.
pub fn open(file: &Path) -> Result<Connection, Error> {
    if !is_taken() {
        return Err(Error::InvalidQuery);
    }
    // One thread at a time uses it, so the library need not lock for each call.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags)
}

unsafe extern "C" fn take(
    connection: *mut ffi::sqlite3,
    message: *mut *mut c_char,
    functions: *mut ffi::sqlite3_api_routines,
) -> c_int {
    let taken = |_| {
        TAKEN.store(true, Ordering::Release);
        Ok(false)
    };
    if functions.is_null() {
        return ffi::SQLITE_OK; // built without a table: whoever registered this finds nothing taken
    }
    // SAFETY: SQLite calls this with a connection that it is opening and with its own table, which
    // lives as long as the library; nothing is done with the connection but to look at it.
    unsafe { Connection::extension_init2(connection, message, functions, taken) };
    // Whatever came of it: the connection is somebody's who wants none of this.
    ffi::SQLITE_OK
}
