//! What is wrong with one command costs that one only.

use chenu_operation::Moment;
use chenu_operation::command::{Command, Dispatched, LetGo};
use chenu_operation::rows::Slot;
use chenu_operation::rules::Rules;
use chenu_operation::view::Row;
use chenu_store::Value;
use chenu_store::batch::{Batch, Decision, Dropped};
use chenu_store::schema::SLOTS;

use crate::memory::Memory;
use crate::walk::walks;

const NOW: Moment = Moment { now_us: 1_795_003_200_000_000, mono_ns: 5_000_000_000 };

fn rules() -> Rules {
    walks().remove(0).steps.remove(0).0
}

fn slot(provider: &str) -> Slot {
    Slot {
        ledger_number: 7,
        provider: provider.to_owned(),
        slot: 0,
        free_at_us: NOW.now_us + 9_000_000,
    }
}

fn dispatched(provider: &str, dispatched_ns: i64) -> Command {
    Command::Dispatched(Dispatched { slot: slot(provider), dispatched_ns })
}

fn decided(memory: &mut Memory, commands: &[Command]) -> (Vec<Decision>, usize) {
    let rules = rules();
    let commands: Vec<(&Command, &Rules)> = commands.iter().map(|it| (it, &rules)).collect();
    let mut batch = Batch::new(NOW, 7);
    let Ok(decisions) = batch.decide(&commands, memory);
    (decisions, batch.writes().iter().map(|write| write.rows.len()).sum())
}

/// A number that overflows is a bug, and a bug of its own: those beside it are decided.
#[test]
fn a_command_that_panics_is_left_out() {
    let mut memory = Memory::of(&[Row::Slot(slot("poisoned")), Row::Slot(slot("sound"))]);
    let commands = [
        dispatched("poisoned", i64::MIN),
        dispatched("sound", NOW.mono_ns),
        Command::LetGo(LetGo { provider: "nobody".to_owned() }),
    ];
    let (decisions, written) = decided(&mut memory, &commands);

    assert!(matches!(&decisions[0], Err(Dropped::Panicked(why)) if why.contains("overflow")));
    assert!(decisions[1..].iter().all(Result::is_ok), "{decisions:?}");
    assert_eq!(1, written);
}

/// A row of a later release, or of somebody else's making, is nothing to decide on.
#[test]
fn a_row_that_cannot_be_read_costs_who_needs_it() {
    let mut memory = Memory::of(&[Row::Slot(slot("sound"))]);
    let text = |text: &str| Value::Text(text.to_owned());
    memory.put(&SLOTS, vec![Value::Int(7), text("strange"), Value::Int(0), text("soon")]);
    let commands = [dispatched("strange", NOW.mono_ns), dispatched("sound", NOW.mono_ns)];
    let (decisions, written) = decided(&mut memory, &commands);

    assert!(matches!(decisions[0], Err(Dropped::Unreadable(_))), "{decisions:?}");
    assert!(decisions[1].is_ok());
    assert_eq!(1, written);
}
