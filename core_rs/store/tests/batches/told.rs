//! What leaves the kernel of an answer: its name, its rows, and what else it says.

use std::collections::{BTreeMap, BTreeSet};

use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::rules::Rules;
use chenu_operation::view::Row;
use chenu_store::batch::Batch;
use chenu_store::told::{Shown, Told};
use serde_json::{Value as Json, json};

use crate::memory::Memory;
use crate::walk::{Walk, walks};

const ANSWERS: usize = 37;

/// A recorded answer, with the batch of its command.
struct Said {
    answer: Answer,
    batch: Batch,
}

/// Every answer of every walk, each command in a batch of its own.
fn said() -> Vec<Said> {
    let mut said = Vec::new();
    for Walk { rows, steps, .. } in walks() {
        let mut memory = Memory::of(&rows);
        for (rules, step) in steps {
            let mut batch = Batch::new(step.now, rules.ledger_number);
            let Ok(mut decisions) = batch.decide(&[(&step.command, &rules)], &mut memory);
            memory.take(&batch);
            said.push(Said { answer: decisions.remove(0).unwrap(), batch });
        }
    }
    said
}

/// An answer's name and what it holds, as it is recorded.
fn spelt(answer: &Answer) -> (String, Json) {
    match serde_json::to_value(answer).unwrap() {
        Json::Object(named) => named.into_iter().next().unwrap(),
        name => (name.as_str().unwrap().to_owned(), Json::Null),
    }
}

/// Which tables' rows an answer shows, in order, and what its reader asks for besides.
fn expected(kind: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        "Admitted" => {
            (&["queries", "attempts"], &["bounds_nanousd", "output_cap", "slot_free_at_us"])
        }
        "Blocked" => (&["queries", "checkpoints"], &[]),
        "Closed" | "Known" | "Attached" | "NotResumable" | "Settled" | "Cancelled" | "Late"
        | "Used" => (&["queries"], &[]),
        "Taken" | "Redeemed" => (&["queries", "tool_calls"], &[]),
        "Refused" => (&[], &["outcome"]),
        "Resolved" | "Repeated" | "Lapsed" | "Lost" | "OtherAction" => (&["checkpoints"], &[]),
        // The checkpoint only where there is one.
        "Reservation" => (&["queries", "checkpoints"], &["expires_us", "is_new"]),
        "Slot" => (&["provider_slots"], &[]),
        "Standing" => (&["budgets", "budget_periods"], &[]),
        "Deleted" => (&["budgets"], &[]),
        "Violation" => (&["violations"], &[]),
        "Wait" => (&[], &["free_times_us"]),
        "Full" => (&[], &["limit"]),
        "Done" => (&[], &["done"]),
        "Validation" => (&[], &["types", "denial", "lanes"]),
        "Exists" => (&[], &["budget_id"]),
        "Stale" => (&[], &["version"]),
        "Missing" => (&[], &["digests"]),
        "FilesGone" | "Conflict" | "TooDear" | "NotHeld" | "Absent" | "InUse" | "Outdated" => {
            (&[], &[])
        }
        other => panic!("nobody reads {other}"),
    }
}

/// The rows that an answer holds, as recorded, in the order of their fields.
fn rows_in(kind: &str, held: &Json) -> Vec<Json> {
    let fields = ["operation", "attempt", "checkpoint", "call"];
    let (shown, _) = expected(kind);
    match (shown.len(), held) {
        (0, _) => Vec::new(),
        (1, row) => vec![row.clone()],
        (_, Json::Array(rows)) => rows.clone(),
        (_, held) => {
            let rows = fields.iter().filter_map(|field| held.get(field));
            rows.filter(|row| !row.is_null()).cloned().collect()
        }
    }
}

/// A shown row's table, and the row as it would be recorded.
fn read(shown: &Shown, batch: &Batch) -> (&'static str, Json) {
    let (table, values) = match shown {
        Shown::Published(place) => {
            let (table, values) = &batch.published()[*place];
            (*table, values.to_vec())
        }
        Shown::Row(table, values) => (*table, values.clone()),
    };
    let row: Row = table.read(values).unwrap();
    let Json::Object(named) = serde_json::to_value(row).unwrap() else { panic!("no row") };
    (table.name, named.into_iter().next().unwrap().1)
}

/// What else is told, by the names that its reader asks for.
fn more_in(kind: &str, held: &Json) -> Json {
    let bounds = || {
        let chain = held["chain"].as_array().unwrap();
        chain.iter().map(|candidate| candidate["bound_nanousd"].clone()).collect()
    };
    let (_, names) = expected(kind);
    let of = |name: &&str| match *name {
        "bounds_nanousd" => Json::Array(bounds()),
        "done" | "digests" | "outcome" => held.clone(),
        name => held[name].clone(),
    };
    let more: BTreeMap<&str, Json> = names.iter().map(|name| (*name, of(name))).collect();
    if more.is_empty() { Json::Null } else { json!(more) }
}

/// Under another name, or without a row, its reader would answer INTERNAL to what has happened.
#[test]
fn every_answer_is_told_by_its_name_with_its_rows_and_all_else() {
    let mut kinds = BTreeSet::new();
    for Said { answer, batch } in said() {
        let (kind, held) = spelt(&answer);
        let told = Told::of(answer, &batch);
        let (tables, rows): (Vec<&str>, Vec<Json>) =
            told.rows.iter().map(|shown| read(shown, &batch)).unzip();
        let expected_rows = rows_in(&kind, &held);

        assert_eq!(kind, told.kind);
        assert_eq!(expected(&kind).0[..expected_rows.len()], tables, "{kind}");
        assert_eq!(expected_rows, rows, "{kind}");
        assert_eq!(more_in(&kind, &held), told.more, "{kind}");
        kinds.insert(kind);
    }
    assert_eq!(ANSWERS, kinds.len(), "{kinds:?}");
}

/// Followers are given the very row: it is made once for both. What a batch only read it makes.
#[test]
fn a_row_that_is_published_is_told_by_its_place() {
    let mut seen = [0; 2];
    for Said { answer, batch } in said() {
        for shown in Told::of(answer, &batch).rows {
            let (_, row) = read(&shown, &batch);
            let mut published = (0..batch.published().len()).filter(|place| {
                let (table, _) = batch.published()[*place];
                table.name == "queries" && read(&Shown::Published(*place), &batch).1 == row
            });
            let place = published.next_back();
            seen[usize::from(place.is_some())] += 1;

            assert_eq!(place, if let Shown::Published(at) = shown { Some(at) } else { None });
        }
    }
    assert!(seen.iter().all(|count| *count > 9), "{seen:?}");
}

/// A batch may change an operation more than once: each command is told of it as it left it.
#[test]
fn each_command_is_told_of_the_row_as_it_left_it() {
    for Walk { rows, steps, .. } in walks() {
        let mut memory = Memory::of(&rows);
        for some in steps.chunks(9) {
            let commands: Vec<(&Command, &Rules)> =
                some.iter().map(|(rules, step)| (&step.command, rules)).collect();
            let mut batch = Batch::new(some[0].1.now, some[0].0.ledger_number);
            let Ok(decisions) = batch.decide(&commands, &mut memory);
            memory.take(&batch);
            for answer in decisions.into_iter().flatten() {
                let (kind, held) = spelt(&answer);
                let told = Told::of(answer, &batch);
                let rows: Vec<Json> = told.rows.iter().map(|it| read(it, &batch).1).collect();

                assert_eq!(rows_in(&kind, &held), rows, "{kind}");
            }
        }
    }
}

/// Whoever follows and whoever asked are told of a batch that nothing is decided on any more.
#[test]
fn a_closed_batch_tells_what_it_left() {
    for Said { batch, .. } in said() {
        let mut closed = batch.clone();
        closed.close();

        assert_eq!(batch.published(), closed.published());
        assert_eq!(batch.entries(), closed.entries());
        assert_eq!(batch.has_left_nothing(), closed.has_left_nothing());
        assert!(closed.take_writes().is_empty());
    }
}
