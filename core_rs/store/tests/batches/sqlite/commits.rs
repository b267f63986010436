//! What a batch leaves in its file, and when it leaves nothing.

use chenu_engine::vocabulary::QueryState;
use chenu_operation::Moment;
use chenu_operation::answer::Answer;
use chenu_operation::command::{AttemptEnd, Command, Settle};
use chenu_operation::refusal::Outcome;
use chenu_operation::rows::Attempt;
use chenu_store::Value;
use chenu_store::batch::Batch;
use chenu_store::clock::Told;
use chenu_store::sqlite::{Asked, Names};
use rusqlite::types::Value as Stored;

use super::database::{Database, LEDGER, START, WRITER, names, ran, right, stored, tables_of};
use super::samples::{creates, holds, idle, paired, rules, updates, violates};
use crate::together::{admission, assert_served, crowd};

const BATCH: &str = "SELECT * FROM batches";
const HEAD: &str = "SELECT * FROM ledger_heads";

fn later(us: i64) -> Moment {
    Moment { now_us: START.now_us + us, mono_ns: START.mono_ns + us * 1_000 }
}

fn text(text: &str) -> Stored {
    Stored::Text(text.to_owned())
}

/// The row that says which batch was its writer's last.
fn last_batch(batch_id: &str, now: Moment) -> Vec<Vec<Stored>> {
    vec![vec![text(WRITER), text(batch_id), Stored::Integer(now.now_us)]]
}

/// An attempt that ran as it should.
fn ended(attempt: Attempt) -> AttemptEnd {
    AttemptEnd {
        usage: attempt.usage,
        charge_nanousd: 1,
        estimated: false,
        failure: String::new(),
        duration_us: 5,
        stop_reason: "end_turn".to_owned(),
        detail: String::new(),
        attempt,
    }
}

/// A query's whole life in one batch: what it leaves is what it leaves in memory, sealed.
#[test]
fn a_batch_leaves_rows_entries_the_chains_head_and_its_own_row() {
    let (mut memory, now, rules, asked) = admission();
    let database = Database::like(&memory);
    let mut trial = Batch::new(now, rules.ledger_number);
    let admit = Command::Admit(Box::new(asked.clone()));
    let Ok(admitted) = trial.decide(&[(&admit, &rules)], &mut memory);
    let Ok(Answer::Admitted { attempt, .. }) = &admitted[0] else { panic!("{admitted:?}") };
    let settle = Command::Settle(Box::new(Settle {
        identity_id: asked.caller.identity_id.clone(),
        request_id: asked.asked.request_id.clone(),
        status: QueryState::Completed,
        outcome: Outcome { reason: None, message: String::new(), error: Vec::new() },
        ended: Some(ended((**attempt).clone())),
        output: Vec::new(),
        calls: Vec::new(),
        policies_revision: String::new(),
        execution_us: 5,
        lane_started_ns: now.mono_ns,
    }));
    let commands = [admit, settle];
    let mut expected = Batch::new(now, rules.ledger_number);
    let Ok(decisions) = expected.decide(&paired(&commands, &rules), &mut memory);
    memory.take(&expected);
    let said = ran(&mut database.session(), "batch", now, &paired(&commands, &rules)).unwrap();
    let (size, hash) = database.chain();
    let head = vec![
        Stored::Integer(LEDGER.into()),
        text("origin"),
        Stored::Integer(size.try_into().unwrap()),
        Stored::Blob(hash.to_vec()),
        Stored::Integer(now.now_us),
    ];

    assert!(
        matches!(&decisions[1], Ok(Answer::Settled(row)) if row.status == QueryState::Completed)
    );
    assert_eq!(decisions.into_iter().map(Some).collect::<Vec<_>>(), said.decisions);
    assert_eq!(None, said.unknown);
    assert_eq!(expected.entries(), said.batch.entries());
    assert_eq!(expected.published(), said.batch.published());
    assert_eq!(tables_of(&memory), database.tables());
    assert_eq!(expected.entries().len(), usize::try_from(size).unwrap());
    assert_eq!(vec![head], database.found(HEAD));
    assert_eq!(last_batch("batch", now), database.found(BATCH));
}

/// The last batch of each writer is all that is ever looked for, and the chain is one.
#[test]
fn batches_follow_each_other_in_one_chain() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    let first = [creates("one"), creates("two")];
    ran(&mut session, "first", START, &paired(&first, &rules)).unwrap();
    let after_first = database.chain();
    ran(&mut session, "second", later(1), &paired(&[creates("three")], &rules)).unwrap();
    let others = Names { writer_id: "another".to_owned(), ..names("third") };
    let commands = [updates("one", 20)];
    let mut asked = Asked {
        commands: &paired(&commands, &rules),
        has_left: &|_| false,
        time: &mut |_| right(later(2)),
        before_commit: &mut || Ok(()),
    };
    database.session().run(&mut asked, &others).unwrap();
    let batches = vec![
        vec![text("another"), text("third"), Stored::Integer(later(2).now_us)],
        last_batch("second", later(1)).remove(0),
    ];

    assert_eq!(2, after_first.0);
    assert_eq!(4, database.chain().0);
    assert_eq!(batches, database.found("SELECT * FROM batches ORDER BY writer_id"));
    assert_eq!(1, database.count("ledger_heads"));
}

/// What is waited for, repeated or not there is told, and not worth the disk's time.
#[test]
fn a_batch_that_leaves_nothing_is_rolled_back() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    let commands = [idle(), updates("nowhere", 10)];
    let commands = paired(&commands, &rules);
    let mut asked = Asked {
        commands: &commands,
        has_left: &|_| false,
        time: &mut |_| right(START),
        before_commit: &mut || Err("nothing is to be committed".to_owned()),
    };
    let said = session.run(&mut asked, &names("batch")).unwrap();
    let is_unlocked = database.connection().execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok();

    assert!(matches!(said.decisions[..], [Some(Ok(_)), Some(Ok(Answer::Absent))]));
    assert_eq!(None, said.unknown);
    assert!(is_unlocked);
    assert_eq!([0, 0], [database.count("ledger_heads"), database.count("batches")]);
}

#[test]
fn a_batch_without_commands_tells_the_time() {
    let database = Database::new();
    let mut session = database.session();
    let said = ran(&mut session, "batch", START, &[]).unwrap();

    assert!(said.decisions.is_empty());
    assert!(said.batch.has_left_nothing());
    assert_eq!((right(START), None), (said.told, said.unknown));
    assert_eq!([0, 0], [database.count("ledger_heads"), database.count("batches")]);
}

/// Whoever left may have been told that nothing is recorded: then nothing is. He may leave for as
/// long as the lock is waited for, so it is asked when the lock is held.
#[test]
fn a_command_that_nobody_waits_for_is_left_out() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    let commands = [creates("left"), creates("one"), creates("gone"), creates("two")];
    let commands = paired(&commands, &rules);
    let other = database.connection();
    let mut asked = Asked {
        commands: &commands,
        has_left: &|place| place % 2 == 0 && other.execute_batch("BEGIN IMMEDIATE").is_err(),
        time: &mut |_| right(START),
        before_commit: &mut || Ok(()),
    };
    let said = session.run(&mut asked, &names("batch")).unwrap();
    let told = |place: usize| match &said.decisions[place] {
        Some(Ok(Answer::Standing(standing))) => standing.0.budget_id.clone(),
        other => format!("{other:?}"),
    };

    assert_eq!(["None", "one", "None", "two"], [0, 1, 2, 3].map(told).each_ref().map(|it| &**it));
    assert_eq!(
        vec![vec![text("one")], vec![text("two")]],
        database.found("SELECT budget_id FROM budgets ORDER BY 1")
    );
    assert_eq!(2, database.chain().0);
}

/// Nobody can decide on what is written before it is committed, and then all of it is there.
#[test]
fn before_the_commit_nobody_else_sees_anything() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    let mut seen = Vec::new();
    let mut look = || {
        seen.push(["budgets", "ledger_entries", "batches"].map(|table| database.count(table)));
        Ok(())
    };
    let commands = [creates("one")];
    let mut asked = Asked {
        commands: &paired(&commands, &rules),
        has_left: &|_| false,
        time: &mut |_| right(START),
        before_commit: &mut look,
    };
    session.run(&mut asked, &names("batch")).unwrap();
    look().unwrap();

    assert_eq!(vec![[0; 3], [1; 3]], seen);
}

/// Whichever process wrote it: no later batch may be at an earlier time. The lock is held by then,
/// so that nothing comes between that time and what is decided at it.
#[test]
fn the_time_is_told_behind_the_last_batchs() {
    let (database, rules) = (Database::new(), rules());
    let mut lasts = Vec::new();
    let batches = [vec![creates("one")], vec![idle()], vec![holds(0..2)], Vec::new()];
    for (at, commands) in (1..).zip(&batches) {
        let other = database.connection();
        let mut tell = |last_us| {
            assert!(other.execute_batch("BEGIN IMMEDIATE").is_err());
            lasts.push(last_us);
            right(later(at))
        };
        let mut asked = Asked {
            commands: &paired(commands, &rules),
            has_left: &|_| false,
            time: &mut tell,
            before_commit: &mut || Ok(()),
        };
        database.session().run(&mut asked, &names("batch")).unwrap();
    }

    assert_eq!(vec![0, later(1).now_us, later(1).now_us, later(3).now_us], lasts);
}

/// The first rows under a key are as many as all commands of the batch want together.
#[test]
fn each_command_of_a_batch_finds_a_slot_of_its_own() {
    let (memory, now, rules, commands) = crowd();
    let database = Database::like(&memory);
    let said = ran(&mut database.session(), "b", now, &paired(&commands, &rules)).unwrap();

    assert_served(&said.decisions.into_iter().flatten().collect::<Vec<_>>());
}

/// Rows alone: the chain stands where it stood, but no later batch is before them.
#[test]
fn without_entries_the_head_moves_in_time_only() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    ran(&mut session, "first", START, &paired(&[creates("one")], &rules)).unwrap();
    let mut expected = database.found(HEAD);
    expected[0][4] = Stored::Integer(later(9).now_us);
    let said = ran(&mut session, "second", later(9), &paired(&[holds(0..3)], &rules)).unwrap();

    assert!(said.batch.entries().is_empty());
    assert_eq!(expected, database.found(HEAD));
    assert_eq!(last_batch("second", later(9)), database.found(BATCH));
    assert_eq!(3, database.count("held_files"));
}

/// All that a batch records bears the time that it was told, and whoever watches the clock is told
/// how wrong it is.
#[test]
fn a_batch_has_one_time_and_says_how_wrong_the_clock_is() {
    let (database, rules) = (Database::new(), rules());
    let told = Told { now: later(77), behind_us: 6_000_000, jumped_us: -5_000_000 };
    let commands = [violates("one")];
    let mut asked = Asked {
        commands: &paired(&commands, &rules),
        has_left: &|_| false,
        time: &mut |_| told,
        before_commit: &mut || Ok(()),
    };
    let said = database.session().run(&mut asked, &names("batch")).unwrap();
    let times = database.found(
        "SELECT violations.time_us, ledger_entries.time_us, batches.time_us, last_time_us
        FROM violations, ledger_entries, batches, ledger_heads",
    );

    assert_eq!(told, said.told);
    assert_eq!(vec![vec![stored(Value::Int(later(77).now_us)); 4]], times);
}
