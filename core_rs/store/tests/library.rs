//! The functions of the one library in the process: a binary of its own, for they stay taken.

use std::collections::HashMap;
use std::fs::File;

use chenu_shared_sqlite::{is_taken, machine, open};
use chenu_store::sqlite::Session;

/// Without them a call panics in the middle of somebody else's code: it must be refused before.
#[test]
fn nothing_is_opened_before_a_library_has_handed_over_its_functions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chenu.db");
    File::create(&file).unwrap();
    let session = || Session::open(&file, &[], HashMap::new(), String::new());
    let before = (is_taken(), open(&file).map(drop), session().map(drop));
    machine::take().unwrap();

    assert_eq!(
        (false, Err(rusqlite::Error::InvalidQuery), Err(rusqlite::Error::InvalidQuery)),
        before
    );
    assert!(is_taken());
    assert!(session().is_ok());
    let version: String =
        open(&file).unwrap().query_row("SELECT sqlite_version()", [], |row| row.get(0)).unwrap();
    assert_eq!(rusqlite::version(), version);
}
