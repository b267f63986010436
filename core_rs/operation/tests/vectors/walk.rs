//! What stands in the recorded files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chenu_operation::Moment;
use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::decide::Effects;
use chenu_operation::entry::EntryDraft;
use chenu_operation::rules::Rules;
use chenu_operation::view::Row;
use serde::Deserialize;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/operations");

/// The first line: what there was.
#[derive(Deserialize)]
struct Beginning {
    rules: Rules,
    rows: Vec<Row>,
}

/// Any other line: a command, and what was decided.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) command: Command,
    rules: Option<Rules>,
    pub(crate) now: Moment,
    rows: Vec<Row>,
    entries: Vec<EntryDraft>,
    pub(crate) answer: Answer,
}

impl Step {
    pub(crate) fn effects(&self) -> Effects {
        let (rows, entries) = (self.rows.clone(), self.entries.clone());
        Effects { rows, entries, answer: self.answer.clone() }
    }
}

/// A walk, with the rules of each step.
pub(crate) struct Walk {
    pub(crate) name: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) steps: Vec<(Rules, Step)>,
}

pub(crate) fn walks() -> Vec<Walk> {
    let files = fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().path());
    // A folder tells them in an order of its own, and tests take the first that will do.
    files.collect::<BTreeSet<_>>().iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Walk {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let beginning: Beginning = serde_json::from_str(lines.next().unwrap()).unwrap();
    let mut rules = beginning.rules;
    let steps = lines.map(|line| {
        let step: Step = serde_json::from_str(line).unwrap();
        rules = step.rules.clone().unwrap_or_else(|| rules.clone());
        (rules.clone(), step)
    });
    let name = path.display().to_string();
    Walk { name, steps: steps.collect(), rows: beginning.rows }
}
