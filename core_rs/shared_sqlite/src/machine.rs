//! The machine's own library: under `cargo test` there is no Python that has loaded one.

use std::ffi::{CStr, c_char, c_int};
use std::mem::forget;
use std::ptr::null_mut;

use libloading::{Error, Library};
use rusqlite::ffi::sqlite3;

use crate::entry_point;

/// What the library is called where tests run.
const NAME: &str = if cfg!(target_os = "macos") { "libsqlite3.dylib" } else { "libsqlite3.so.0" };
const IN_MEMORY: &CStr = c":memory:";

/// Load the library and have it hand over its functions, as Python's does.
///
/// # Errors
/// There is none, or it is none of `SQLite`'s.
pub fn take() -> Result<(), Error> {
    // SAFETY: these functions are declared as `sqlite3.h` has them, but for the entry point, which
    // is an address there, too. The connection is used by nobody else, and closed even if it could
    // not be opened. What has been handed over points into the library, so that stays loaded.
    unsafe {
        let library = Library::new(NAME)?;
        let register =
            library.get::<unsafe extern "C" fn(usize) -> c_int>("sqlite3_auto_extension")?;
        let cancel =
            library.get::<unsafe extern "C" fn(usize) -> c_int>("sqlite3_cancel_auto_extension")?;
        let open = library.get::<unsafe extern "C" fn(*const c_char, *mut *mut sqlite3) -> c_int>(
            "sqlite3_open",
        )?;
        let close = library.get::<unsafe extern "C" fn(*mut sqlite3) -> c_int>("sqlite3_close")?;
        let mut connection = null_mut();
        register(entry_point());
        open(IN_MEMORY.as_ptr(), &raw mut connection);
        cancel(entry_point());
        close(connection);
        forget(library);
    }
    Ok(())
}
