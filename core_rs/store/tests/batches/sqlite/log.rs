//! The file's log is moved on beside the writer, and begins anew while batches go on.

use std::fs;

use chenu_store::sqlite::Session;

use super::database::{Database, START, ran};
use super::samples::{paired, rules, violates};

/// What makes a log long in here, in pages.
const LONG: usize = 16;
/// So many batches take seconds; the thread beside them needs a turn in a few of them.
const PATIENCE: usize = 50_000;

fn logged(database: &Database) -> Session {
    let long = format!("PRAGMA wal_autocheckpoint={LONG}");
    database.session_with(&["PRAGMA journal_mode=WAL".to_owned(), long])
}

/// What a log is begun with, which is another each time.
fn salt(database: &Database) -> Vec<u8> {
    let log = fs::read(database.folder.path().join("chenu.db-wal")).unwrap();
    log.get(16..24).unwrap().to_vec()
}

/// Batches until it holds, each of some pages; how many there were.
fn until(database: &Database, session: &mut Session, holds: impl Fn() -> bool) -> usize {
    let (rules, before) = (rules(), database.count("ledger_entries"));
    let mut count = 0;
    while !holds() {
        assert!(count < PATIENCE, "not after {count} batches");
        let command = [violates(&format!("{before}-{count}"))];
        let said = ran(session, &format!("{before}-{count}"), START, &paired(&command, &rules));
        assert_eq!(None, said.unwrap().unknown);
        count += 1;
    }
    count
}

/// Else it grows for as long as there is work, and is read back in minutes after a crash.
#[test]
fn a_log_begins_anew_while_batches_go_on() {
    let database = Database::new();
    let mut session = logged(&database);
    until(&database, &mut session, || database.count("batches") > 0);
    for _ in 0..3 {
        let before = salt(&database);
        until(&database, &mut session, || before != salt(&database));
    }
    drop(session);

    let checked = database.found("PRAGMA integrity_check");
    assert_eq!("[[Text(\"ok\")]]", format!("{checked:?}"));
    assert_eq!(database.count("ledger_entries"), usize::try_from(database.chain().0).unwrap());
}

/// A backup sees the file as it was when it began; no batch waits for its end.
#[test]
fn who_reads_keeps_the_log_and_nobody_waits() {
    let database = Database::new();
    let mut session = logged(&database);
    until(&database, &mut session, || database.count("batches") > 0);
    let (before, reader) = (salt(&database), database.connection());
    reader.execute_batch("BEGIN; SELECT * FROM batches").unwrap();
    let entries = database.count("ledger_entries");
    until(&database, &mut session, || database.count("ledger_entries") > entries + 8 * LONG);
    let kept = salt(&database);
    reader.execute_batch("ROLLBACK").unwrap();
    until(&database, &mut session, || kept != salt(&database));

    assert_eq!(before, kept);
}

/// Whoever deletes, moves or locks the file next would meet a connection that is still open.
#[test]
fn a_session_leaves_nothing_open() {
    let database = Database::new();
    let mut session = logged(&database);
    let log = database.folder.path().join("chenu.db-wal");
    until(&database, &mut session, || database.count("ledger_entries") > LONG);
    let was = log.exists();
    drop(session);

    // The last connection to a file takes its log along.
    assert_eq!((true, false), (was, log.exists()));
}
