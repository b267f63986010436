//! A file that cannot be had, takes no writes, or does not say what became of them.

use std::collections::HashMap;
use std::fs;

use chenu_operation::answer::Answer;
use chenu_store::sqlite::{Asked, Failure, Names, Session};
use rusqlite::types::Value as Stored;

use super::database::{Database, LEDGER, START, names, ran};
use super::samples::{creates, paired, rules, violates};

/// All that a batch could have left.
fn left(database: &Database) -> [usize; 4] {
    ["budgets", "ledger_entries", "ledger_heads", "batches"].map(|table| database.count(table))
}

/// The batch of a new budget, which nothing keeps from happening.
fn goes_on(session: &mut Session, budget: &str) {
    let said = ran(session, budget, START, &paired(&[creates(budget)], &rules())).unwrap();

    assert!(matches!(said.decisions[..], [Some(Ok(Answer::Standing(_)))]));
    assert_eq!(None, said.unknown);
}

/// Two ledgers in one file would each be decided on without the other's money.
#[test]
fn a_file_with_another_ledger_takes_no_batch_of_this_one() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    goes_on(&mut session, "one");
    let stranger = Names { ledger_number: LEDGER + 1, ..names("stranger") };
    let commands = [creates("stranger")];
    let mut asked = Asked {
        commands: &paired(&commands, &rules),
        has_left: &|_| false,
        time: &mut |_| panic!("nothing is to be decided"),
        before_commit: &mut || Ok(()),
    };
    let refused = session.run(&mut asked, &stranger).unwrap_err();
    goes_on(&mut session, "two");

    assert_eq!(Failure::OtherLedger(LEDGER), refused);
    assert_eq!([2, 2, 1, 1], left(&database));
}

/// However it got there: behind this ledger's own head it would else never be seen.
#[test]
fn another_ledger_is_found_beside_this_one() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    goes_on(&mut session, "one");
    database.change("INSERT INTO ledger_heads SELECT 9, 'other', 0, zeroblob(32), 0");
    let refused = ran(&mut session, "two", START, &paired(&[creates("two")], &rules)).unwrap_err();

    assert_eq!(Failure::OtherLedger(9), refused);
}

/// Another tool writes for longer than is waited: no command is to blame, nor is the session.
#[test]
fn a_locked_file_is_had_once_it_is_free() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    let other = database.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = ran(&mut session, "one", START, &paired(&[creates("one")], &rules)).unwrap_err();
    other.execute_batch("ROLLBACK").unwrap();
    goes_on(&mut session, "two");

    assert!(matches!(&refused, Failure::CannotBegin(why) if why.contains("locked")), "{refused}");
    assert_eq!([1; 4], left(&database));
}

/// A chain that cannot be read cannot be continued.
#[test]
fn a_head_that_cannot_be_read_begins_nothing() {
    let rules = rules();
    for spoil in ["size = -1", "last_hash = x'00'", "last_time_us = 'soon'"] {
        let database = Database::new();
        let mut session = database.session();
        goes_on(&mut session, "one");
        database.change(&format!("UPDATE ledger_heads SET {spoil}"));
        let refused = ran(&mut session, "two", START, &paired(&[creates("two")], &rules));

        assert!(matches!(refused, Err(Failure::CannotBegin(_))), "{spoil}: {refused:?}");
        assert_eq!([1; 4], left(&database), "{spoil}");
    }
}

/// The disk is full in the middle of a batch: the batch is refused, and the rows that fitted go.
#[test]
fn a_full_disk_takes_nothing_of_a_batch() {
    let (database, rules) = (Database::new(), rules());
    goes_on(&mut database.session(), "one");
    let before = (database.tables(), left(&database));
    let pages = database.found("PRAGMA page_count");
    let [Stored::Integer(pages)] = pages[0][..] else { panic!("{pages:?}") };
    let mut session = database.session_with(&[format!("PRAGMA max_page_count={}", pages + 1)]);
    let many: Vec<_> = (0..99).map(|number| violates(&format!("violation {number}"))).collect();
    let refused = ran(&mut session, "many", START, &paired(&many, &rules)).unwrap_err();

    assert!(matches!(&refused, Failure::CannotWrite(why) if why.contains("full")), "{refused}");
    assert_eq!(before, (database.tables(), left(&database)));
    goes_on(&mut session, "two");
}

/// A file that is not where it was opened is read-only to the library, for its journal would be
/// found by nobody. Once it is back, so is the session.
#[test]
fn a_file_that_takes_no_writes_is_no_commands_fault() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    goes_on(&mut session, "one");
    let elsewhere = database.folder.path().join("elsewhere.db");
    fs::rename(database.file(), &elsewhere).unwrap();
    let refused = ran(&mut session, "two", START, &paired(&[creates("two")], &rules)).unwrap_err();
    fs::rename(&elsewhere, database.file()).unwrap();
    let after = left(&database);
    goes_on(&mut session, "three");

    assert!(matches!(&refused, Failure::CannotWrite(why) if why.contains("readonly")), "{refused}");
    assert_eq!([1; 4], after);
}

/// A backup reads while the batch wants to commit. What was decided must be told if it happened
/// after all, and that is for a new session to find out.
#[test]
fn a_commit_that_fails_leaves_its_answers_and_no_word_of_what_became_of_it() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    goes_on(&mut session, "one");
    let reader = database.connection();
    reader.execute_batch("BEGIN; SELECT * FROM budgets").unwrap();
    let said = ran(&mut session, "two", START, &paired(&[creates("two")], &rules)).unwrap();
    reader.execute_batch("ROLLBACK").unwrap();
    drop(session);
    let last = database.found("SELECT batch_id FROM batches");

    assert!(said.unknown.is_some_and(|why| why.contains("locked")));
    assert!(
        matches!(&said.decisions[..], [Some(Ok(Answer::Standing(it)))] if it.0.budget_id == "two")
    );
    assert_eq!(1, said.batch.entries().len());
    assert_eq!(vec![vec![Stored::Text("one".to_owned())]], last);
    goes_on(&mut database.session(), "two");
    assert_eq!([2, 2, 1, 1], left(&database));
}

/// A file that is not there is not made: whoever asks for it would be served from an empty one.
#[test]
fn a_session_makes_no_file() {
    let database = Database::of(&[]);
    fs::remove_file(database.file()).unwrap();
    let opened = Session::open(&database.file(), &[], HashMap::new(), String::new());

    assert!(opened.is_err());
    assert!(!database.file().exists());
}
