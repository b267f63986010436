//! Each command of a recorded walk again leaves what it left.

use std::collections::BTreeSet;

use chenu_operation::answer::Answer;
use chenu_operation::decide::{decide, name, needs, needs_next};
use chenu_operation::view::Loaded;

use crate::stored::Stored;
use crate::walk::{Walk, walks};

const COMMANDS: usize = 26;
const ANSWERS: usize = 37;

/// What was decided with all rows in sight is decided again, whoever was asked then.
#[test]
fn a_walk_is_walked_again() {
    for Walk { name, rows, steps } in walks() {
        let mut loaded = Loaded::new();
        for row in rows {
            loaded.load(row);
        }
        for (at, (rules, step)) in steps.iter().enumerate() {
            let effects = decide(&step.command, &loaded, rules, &step.now).unwrap();

            assert_eq!(step.effects(), effects, "step {at} of {name}");
            loaded.merge(&effects.rows);
        }
    }
}

/// A store loads what a command names, and nothing else.
#[test]
fn what_a_command_names_is_all_that_it_decides_on() {
    for Walk { name, rows, steps } in walks() {
        let mut stored = Stored::default();
        stored.put(&rows);
        for (at, (rules, step)) in steps.iter().enumerate() {
            let mut named = needs(&step.command, &step.now);
            let first = stored.named(&named);
            named.extend(needs_next(&step.command, &first, &step.now));
            let second = stored.named(&named);
            let effects = decide(&step.command, &second, rules, &step.now).unwrap();

            assert_eq!(step.effects(), effects, "step {at} of {name}");
            stored.put(&effects.rows);
        }
    }
}

/// What no walk comes to is shown by none.
#[test]
fn every_command_and_every_answer_is_recorded() {
    let walks = walks();
    let steps = || walks.iter().flat_map(|walk| &walk.steps);
    let commands: BTreeSet<&str> = steps().map(|(_, step)| name(&step.command)).collect();
    let answers: BTreeSet<String> = steps().map(|(_, step)| kind(&step.answer)).collect();

    assert_eq!(COMMANDS, commands.len(), "{commands:?}");
    assert_eq!(ANSWERS, answers.len(), "{answers:?}");
}

/// The name under which an answer is written.
fn kind(answer: &Answer) -> String {
    let value = serde_json::to_value(answer).unwrap();
    let named = value.as_object().and_then(|named| named.keys().next().cloned());
    named.unwrap_or_else(|| value.to_string())
}
