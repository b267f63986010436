//! Many keys and rows: more than one statement takes, and numbers that are no powers of two.

use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::rows::{Bytes, StoredFile};
use chenu_operation::rules::Rules;
use chenu_operation::view::Row;
use chenu_store::batch::Dropped;
use rusqlite::types::Value as Stored;

use super::database::{Database, START, ran};
use super::samples::{creates, digest, holds, paired, rules, violates};
use crate::together::ask_of;

/// One statement takes 256 keys: those before, at and behind its end are found alike.
const KEYS: [u16; 5] = [1, 255, 256, 257, 515];

/// What a caller sends again although it is stored costs him; what is missing and not sent breaks
/// his query.
#[test]
fn each_of_many_keys_is_looked_for() {
    for count in KEYS {
        let there = |at: &u16| [0, 254, 255, 256, 257, 511, 512, 514].contains(at);
        let file = |at| StoredFile { identity_id: "acme".to_owned(), sha256: digest(at), size: 1 };
        let stored: Vec<Row> = (0..600).filter(there).map(file).map(Row::StoredFile).collect();
        let database = Database::of(&stored);
        let commands = [holds(0..count)];
        let said = ran(&mut database.session(), "b", START, &paired(&commands, &rules())).unwrap();
        let missing = (0..count).filter(|at| !there(at)).map(digest).collect();
        let held = (0..count).map(|at| vec![Stored::Blob(digest(at).0)]).collect::<Vec<_>>();

        assert_eq!(vec![Some(Ok(Answer::Missing(missing)))], said.decisions, "{count}");
        assert_eq!(held, database.found("SELECT sha256 FROM held_files ORDER BY 1"), "{count}");
    }
}

/// What keeps one team from its budget keeps no other one from theirs: a row that cannot be read
/// is told by its key's place, on whichever page that stands.
#[test]
fn what_stands_under_many_keys_is_told_by_the_keys_place() {
    let rules = rules();
    for count in KEYS {
        let database = Database::new();
        let mut session = database.session();
        let name = |at: u16| format!("budget {at:03}");
        let is_there = |at: u16| [0, 255, 256, 512, 514].contains(&at);
        let before: Vec<Command> =
            (0..count).filter(|at| is_there(*at)).map(|at| creates(&name(at))).collect();
        ran(&mut session, "some", START, &paired(&before, &rules)).unwrap();
        let spoilt = [256, 514];
        let names = spoilt.map(|at| format!("'{}'", name(at))).join(", ");
        database.change(&format!("UPDATE budgets SET scope = '' WHERE budget_id IN ({names})"));
        let asked: Vec<Command> = (0..count).map(|at| creates(&name(at))).collect();
        let said = ran(&mut session, "all", START, &paired(&asked, &rules)).unwrap();
        let told = (0..).zip(&said.decisions).map(|(at, decision)| match decision {
            Some(Err(Dropped::Unreadable(_))) => spoilt.contains(&at),
            Some(Ok(Answer::Exists { budget_id })) => is_there(at) && *budget_id == name(at),
            Some(Ok(Answer::Standing(it))) => !is_there(at) && it.0.budget_id == name(at),
            _ => false,
        });

        assert_eq!(vec![true; count.into()], told.collect::<Vec<_>>(), "{count}");
        assert_eq!(usize::from(count), database.count("budgets"), "{count}");
    }
}

/// One team's questions leave another one's room to ask alone, whoever of them is looked up first.
#[test]
fn what_is_counted_is_counted_by_identity() {
    let (memory, now, rules, asked) = ask_of(|answer| matches!(answer, Answer::Blocked { .. }));
    let rules = Rules { pending_max: 1, budget_required: false, ..rules };
    let ask = |team: &str, number: u8| {
        let mut asked = asked.clone();
        asked.caller.identity_id = team.to_owned();
        asked.asked.request_id = format!("ask {number}");
        asked.checkpoint_id = format!("checkpoint {number}");
        // The same action would be another name for what waits already.
        asked.plan.action_digest = Bytes(vec![number; 32]);
        asked.asked.files.clear();
        Command::Admit(Box::new(asked))
    };
    let database = Database::like(&memory);
    let mut session = database.session();
    ran(&mut session, "one", now, &paired(&[ask("full", 1)], &rules)).unwrap();
    let asks = [ask("empty", 2), ask("full", 3), ask("new", 4)];
    let said = ran(&mut session, "two", now, &paired(&asks, &rules)).unwrap();

    assert!(
        matches!(
            said.decisions[..],
            [
                Some(Ok(Answer::Blocked { .. })),
                Some(Ok(Answer::Full { limit: 1 })),
                Some(Ok(Answer::Blocked { .. }))
            ]
        ),
        "{:?}",
        said.decisions
    );
}

/// One statement takes 16 rows. Each row is written once, whatever their number, in the order in
/// which they were decided.
#[test]
fn any_number_of_rows_is_written_once_and_in_order() {
    let (database, rules) = (Database::new(), rules());
    let mut session = database.session();
    for count in 1..=35 {
        let name = |at: usize| format!("{count:02} {at:02}");
        let commands: Vec<Command> = (0..count).map(|at| violates(&name(at))).collect();
        ran(&mut session, "batch", START, &paired(&commands, &rules)).unwrap();
        let expected: Vec<Vec<Stored>> =
            (0..count).map(|at| vec![Stored::Text(name(at))]).collect();
        let some = |select: &str| database.found(&format!("{select} DESC LIMIT {count}"));
        let mut rows = some("SELECT violation_id FROM violations ORDER BY rowid");
        let mut entries = some(
            "SELECT payload ->> 'violation_id' FROM ledger_entries JOIN ledger_payloads
            USING (entry_id) ORDER BY sequence",
        );
        rows.reverse();
        entries.reverse();

        assert_eq!(expected, rows);
        assert_eq!(expected, entries);
    }
    let total: usize = (1..=35).sum();
    assert_eq!([total; 2], ["violations", "ledger_payloads"].map(|table| database.count(table)));
}
