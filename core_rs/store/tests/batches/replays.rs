//! What a recorded walk left it leaves through a database, alone and in batches.

use chenu_operation::Moment;
use chenu_operation::command::Command;
use chenu_operation::rules::Rules;
use chenu_operation::view::Row;
use chenu_store::batch::{Batch, Decision};
use chenu_store::schema;

use crate::memory::Memory;
use crate::walk::{Walk, walks};

const LEDGER: i64 = 7;
const TOGETHER: usize = 9;

/// A row comes back as it was put; a segment alone is never read.
#[test]
fn a_row_is_read_as_it_was_put() {
    let mut kinds = std::collections::BTreeSet::new();
    for Walk { rows, steps, .. } in walks() {
        let put = steps.into_iter().flat_map(|(_, step)| step.effects().rows);
        for row in rows.into_iter().chain(put) {
            let (table, values) = schema::put(&row);
            kinds.insert(table.name);

            assert_eq!(table.columns.len(), values.len());
            if !matches!(row, Row::Segment(_)) {
                assert_eq!(Ok(row), table.read(values));
            }
        }
    }
    assert_eq!(schema::TABLES.len(), kinds.len(), "{kinds:?}");
}

/// Each command in a batch of its own: rows, entries and answer are the recorded ones.
#[test]
fn a_walk_is_walked_again_through_a_database() {
    for Walk { name, rows, steps } in walks() {
        let mut memory = Memory::of(&rows);
        for (at, (rules, step)) in steps.iter().enumerate() {
            let mut batch = Batch::new(step.now, rules.ledger_number);
            let Ok(decisions) = batch.decide(&[(&step.command, rules)], &mut memory);
            let left: Vec<_> = batch.writes().into_iter().flat_map(|it| it.rows).collect();
            let effects = step.effects();

            assert_eq!(vec![Ok(effects.answer)], decisions, "step {at} of {name}");
            assert_eq!(effects.entries, batch.entries(), "step {at} of {name}");
            assert_eq!(effects.rows.len(), left.len(), "step {at} of {name}");
            for (_, values) in effects.rows.iter().map(schema::put) {
                assert!(left.iter().any(|it| **it == *values), "step {at} of {name}: {values:?}");
            }
            memory.take(&batch);
        }
    }
}

/// Nine commands at one moment, in one batch or each in one of its own: the same in every way, but
/// for how often the database is asked.
#[test]
fn commands_that_are_decided_together_are_decided_in_turn() {
    for Walk { name, rows, steps } in walks() {
        let (mut apart, mut together) = (Memory::of(&rows), Memory::of(&rows));
        for some in steps.chunks(TOGETHER) {
            let now = some.last().unwrap().1.now;
            let commands: Vec<(&Command, &Rules)> =
                some.iter().map(|(rules, step)| (&step.command, rules)).collect();
            let in_turn: Vec<_> =
                commands.iter().map(|command| decided(&mut apart, now, &[*command])).collect();
            let (decisions, entries) = decided(&mut together, now, &commands);
            let (each, entered): (Vec<Vec<Decision>>, Vec<_>) = in_turn.into_iter().unzip();

            assert_eq!(each.concat(), decisions, "{name}");
            assert_eq!(entered.concat(), entries, "{name}");
            assert_eq!(apart.tables(), together.tables(), "{name}");
        }
        assert!(3 * together.fetches < 2 * apart.fetches, "{name}");
    }
}

fn decided(
    memory: &mut Memory,
    now: Moment,
    commands: &[(&Command, &Rules)],
) -> (Vec<Decision>, Vec<chenu_operation::entry::EntryDraft>) {
    let mut batch = Batch::new(now, LEDGER);
    let Ok(decisions) = batch.decide(commands, memory);
    memory.take(&batch);
    (decisions, batch.entries().to_vec())
}
