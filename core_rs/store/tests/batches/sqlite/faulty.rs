//! A row, a statement or a caller that is at fault: what it costs, and whom.

use chenu_operation::command::{Command, Dispatched};
use chenu_operation::rows::Slot;
use chenu_operation::view::Row;
use chenu_store::batch::Dropped;
use chenu_store::sqlite::{Asked, Failure, Session};
use rusqlite::types::Value as Stored;

use super::database::{Database, START, names, ran, right};
use super::samples::{creates, holds, paired, rules, updates, violates};
use super::statements::{head, texts};

fn left(database: &Database) -> [usize; 4] {
    ["violations", "ledger_entries", "ledger_heads", "batches"].map(|table| database.count(table))
}

/// A value that the table does not take undoes the rows before it; which command it came from is
/// found out by who runs each apart.
#[test]
fn a_statement_that_fails_undoes_its_batch() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    ran(&mut session, "first", START, &paired(&[violates("one")], &rules)).unwrap();
    let commands = [creates("new"), violates("two"), violates("one")];
    let refused = ran(&mut session, "second", START, &paired(&commands, &rules)).unwrap_err();
    let after = (database.count("budgets"), left(&database));
    ran(&mut session, "third", START, &paired(&commands[..2], &rules)).unwrap();

    assert!(
        matches!(&refused, Failure::StatementFailed(why) if why.contains("violation_id")),
        "{refused}"
    );
    assert_eq!((0, [1; 4]), after);
    assert_eq!((1, [2, 3, 1, 1]), (database.count("budgets"), left(&database)));
}

/// A session that was opened with too little is a bug: it must not look like a row's fault.
#[test]
fn statements_that_are_missing_fail_their_batch_alone() {
    let (database, rules) = (Database::new(), rules());
    let mut few = texts();
    few.get_mut("violations").unwrap().writes.clear();
    few.get_mut("budgets").unwrap().whole.clear();
    few.remove("held_files");
    let mut session = Session::open(&database.file(), &[], few, head()).unwrap();
    let asked = [violates("one"), creates("one"), holds(0..1)];
    for (command, missing) in asked.into_iter().zip(["takes 1", "open_of_identity", "held_files"]) {
        let refused = ran(&mut session, "batch", START, &paired(&[command], &rules)).unwrap_err();

        assert!(
            matches!(&refused, Failure::BatchFailed(why) if why.contains(missing)),
            "{missing}: {refused}"
        );
    }
    assert_eq!([0; 4], left(&database));
}

fn slot(provider: &str) -> Slot {
    let free_at_us = START.now_us + 90_000_000;
    Slot { ledger_number: 7, provider: provider.to_owned(), slot: 0, free_at_us }
}

fn dispatched(provider: &str) -> Command {
    Command::Dispatched(Dispatched { slot: slot(provider), dispatched_ns: START.mono_ns })
}

/// Text with a NUL is text like any other, and is found by it; read as far as the NUL, one
/// provider's slot would be another's.
#[test]
fn text_with_a_nul_is_whole() {
    let database = Database::of(&[Row::Slot(slot("a\0b")), Row::Slot(slot("a"))]);
    let commands = [dispatched("a\0b")];
    let said = ran(&mut database.session(), "b", START, &paired(&commands, &rules())).unwrap();
    let moved =
        format!("SELECT provider FROM provider_slots WHERE free_at_us < {}", slot("").free_at_us);

    assert!(matches!(said.decisions[..], [Some(Ok(_))]), "{:?}", said.decisions);
    assert_eq!(vec![vec![Stored::Text("a\0b".to_owned())]], database.found(&moved));
}

/// A row of a later release, or of somebody else's making, costs who needs it and nobody else.
#[test]
fn a_row_that_is_none_of_this_releases_drops_its_command_alone() {
    let rules = rules();
    let commands = [updates("spoilt", 20), updates("sound", 20)];
    for spoil in
        ["deleted = 2", "version = 'one'", "scope = 'gal' || char(0) || 'axy'", "period = x'00'"]
    {
        let database = Database::new();
        let mut session = database.session();
        let budgets = [creates("spoilt"), creates("sound")];
        ran(&mut session, "made", START, &paired(&budgets, &rules)).unwrap();
        database.change(&format!("UPDATE budgets SET {spoil} WHERE budget_id = 'spoilt'"));
        let spoilt = "SELECT * FROM budgets WHERE budget_id = 'spoilt'";
        let before = database.found(spoilt);
        let said = ran(&mut session, "changed", START, &paired(&commands, &rules)).unwrap();

        assert!(
            matches!(&said.decisions[..], [Some(Err(Dropped::Unreadable(_))), Some(Ok(_))]),
            "{spoil}: {:?}",
            said.decisions
        );
        assert_eq!(before, database.found(spoilt), "{spoil}");
        assert_eq!(1, said.batch.entries().len(), "{spoil}");
    }
}

/// No value of ours: the batch is refused as by a failed statement, so that each command is run
/// apart, and the bytes stay what they were for whoever wrote them. The others do not need it.
#[test]
fn what_no_column_holds_is_neither_decided_on_nor_mended() {
    let rules = rules();
    for spoil in ["CAST(x'61ff62' AS TEXT)", "NULL", "1.5"] {
        let database = Database::new();
        let mut session = database.session();
        let budgets = [creates("spoilt"), creates("sound")];
        ran(&mut session, "made", START, &paired(&budgets, &rules)).unwrap();
        let change = format!("scope_value = {spoil} WHERE budget_id = 'spoilt'");
        database.change(&format!("UPDATE budgets SET {change}"));
        let spoilt = "SELECT CAST(scope_value AS BLOB), version FROM budgets ORDER BY version, 1";
        let before = database.found(spoilt);
        let commands = [updates("spoilt", 20), updates("sound", 20)];
        let refused = ran(&mut session, "both", START, &paired(&commands, &rules)).unwrap_err();
        let after = database.found(spoilt);
        let alone = ran(&mut session, "one", START, &paired(&commands[1..], &rules)).unwrap();

        assert!(matches!(refused, Failure::StatementFailed(_)), "{spoil}: {refused:?}");
        assert_eq!(before, after, "{spoil}");
        assert!(matches!(alone.decisions[..], [Some(Ok(_))]), "{spoil}");
    }
}

/// Who asks the session runs many batches on its thread: a bug in one of them ends that one.
#[test]
fn a_panic_outside_of_commands_costs_its_batch_and_the_session_lives_on() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    let commands = [violates("one")];
    let commands = paired(&commands, &rules);
    for panics_first in [true, false] {
        let mut asked = Asked {
            commands: &commands,
            has_left: &|_| false,
            time: &mut |_| if panics_first { panic!("no clock") } else { right(START) },
            before_commit: &mut || panic!("no commit"),
        };
        let why = if panics_first { "no clock" } else { "no commit" };
        let refused = session.run(&mut asked, &names("batch")).unwrap_err();

        assert!(matches!(&refused, Failure::BatchFailed(it) if it.contains(why)), "{refused}");
        assert_eq!([0; 4], left(&database));
    }
    ran(&mut session, "batch", START, &commands).unwrap();

    assert_eq!([1; 4], left(&database));
}

/// A number that overflows is the command's own bug: those beside it commit.
#[test]
fn a_panic_of_a_command_costs_that_one() {
    let database = Database::of(&[Row::Slot(slot("poisoned")), Row::Slot(slot("sound"))]);
    let bug = Dispatched { slot: slot("poisoned"), dispatched_ns: i64::MIN };
    let commands = [Command::Dispatched(bug), dispatched("sound"), violates("one")];
    let said = ran(&mut database.session(), "b", START, &paired(&commands, &rules())).unwrap();

    assert!(
        matches!(&said.decisions[..], [Some(Err(Dropped::Panicked(_))), Some(Ok(_)), Some(Ok(_))]),
        "{:?}",
        said.decisions
    );
    assert_eq!([1; 4], left(&database));
}

/// A test kills what it likes before a commit; whatever it says there, nothing has happened.
#[test]
fn what_fails_before_the_commit_happens_not_at_all() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    let commands = [violates("one")];
    let mut asked = Asked {
        commands: &paired(&commands, &rules),
        has_left: &|_| false,
        time: &mut |_| right(START),
        before_commit: &mut || Err("struck".to_owned()),
    };
    let refused = session.run(&mut asked, &names("batch")).unwrap_err();
    let after = left(&database);
    ran(&mut session, "batch", START, &paired(&commands, &rules)).unwrap();

    assert_eq!(Failure::BatchFailed("struck".to_owned()), refused);
    assert_eq!([0; 4], after);
    assert_eq!([1; 4], left(&database));
}
