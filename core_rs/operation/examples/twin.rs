//! Decides what stands on its lines: one question in, one answer out, as JSON. For `tests/twins`.

use std::io::{self, BufRead as _, Write as _};

use chenu_operation::Moment;
use chenu_operation::command::Command;
use chenu_operation::decide::{decide, needs, needs_next};
use chenu_operation::rules::Rules;
use chenu_operation::view::{Loaded, Row};
use serde::Deserialize;
use serde_json::{Value, json};

/// A command, and all there is to decide it by.
#[derive(Deserialize)]
struct Question {
    command: Command,
    rules: Rules,
    rows: Vec<Row>,
    pending: Vec<(String, i64)>,
    now: Moment,
}

fn main() -> io::Result<()> {
    let (input, mut output) = (io::stdin().lock(), io::stdout().lock());
    for line in input.lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let Question { command, rules, rows, pending, now } = serde_json::from_str(line)?;
    let mut loaded = Loaded::new();
    for row in rows {
        loaded.load(row);
    }
    for (identity_id, stored) in pending {
        loaded.load_pending(identity_id, stored);
    }
    let named = needs(&command, &now).len() + needs_next(&command, &loaded, &now).len();
    let effects = decide(&command, &loaded, &rules, &now)?;
    Ok(json!({
        "rows": effects.rows, "entries": effects.entries, "answer": effects.answer, "needs": named,
    }))
}
