//! The recorded walks on a file: alone and in batches.

use chenu_operation::command::Command;
use chenu_operation::rules::Rules;
use chenu_store::batch::Batch;
use chenu_store::schema;

use super::database::{Database, LEDGER, ran, tables_of};
use crate::memory::Memory;
use crate::walk::{Walk, walks};

const TOGETHER: usize = 9;

/// Each command in a batch of its own: rows, entries and answer are the recorded ones, row by row.
#[test]
fn a_walk_is_walked_again_on_a_file() {
    for Walk { name, rows, steps } in walks() {
        let (database, mut memory) = (Database::of(&rows), Memory::of(&rows));
        let mut session = database.session();
        for (at, (rules, step)) in steps.iter().enumerate() {
            let said = ran(&mut session, "batch", step.now, &[(&step.command, rules)]).unwrap();
            let effects = step.effects();

            assert_eq!(vec![Some(Ok(effects.answer))], said.decisions, "step {at} of {name}");
            assert_eq!(effects.entries, said.batch.entries(), "step {at} of {name}");
            for (table, values) in effects.rows.iter().map(schema::put) {
                assert!(database.has(table, values.clone()), "step {at} of {name}: {values:?}");
                memory.put(table, values);
            }
        }
        assert_eq!(tables_of(&memory), database.tables(), "{name}");
        let entries = steps.iter().map(|(_, step)| step.effects().entries.len());
        assert_eq!(entries.sum::<usize>(), usize::try_from(database.chain().0).unwrap(), "{name}");
    }
}

/// What is read back decides the next batch as what stands in memory does.
#[test]
fn a_walk_in_batches_leaves_the_same_on_a_file_and_in_memory() {
    for Walk { name, rows, steps } in walks() {
        let (database, mut memory) = (Database::of(&rows), Memory::of(&rows));
        let (mut session, mut entered) = (database.session(), 0);
        for some in steps.chunks(TOGETHER) {
            let now = some.last().unwrap().1.now;
            let commands: Vec<(&Command, &Rules)> =
                some.iter().map(|(rules, step)| (&step.command, rules)).collect();
            let mut expected = Batch::new(now, LEDGER.into());
            let Ok(decisions) = expected.decide(&commands, &mut memory);
            memory.take(&expected);
            entered += expected.entries().len();
            let said = ran(&mut session, "batch", now, &commands).unwrap();

            assert_eq!(
                decisions.into_iter().map(Some).collect::<Vec<_>>(),
                said.decisions,
                "{name}"
            );
            assert_eq!(expected.entries(), said.batch.entries(), "{name}");
            assert_eq!(expected.published(), said.batch.published(), "{name}");
        }
        assert_eq!(tables_of(&memory), database.tables(), "{name}");
        assert_eq!(entered, usize::try_from(database.chain().0).unwrap(), "{name}");
    }
}
