//! Decides what stands on its lines: one question in, one answer out, as JSON. For `tests/twins`.
//!
//! Rows come as a command has them, go through their tables' columns before it is decided, and are
//! told both ways afterwards.

use std::io::{self, BufRead as _, Write as _};

use chenu_operation::Moment;
use chenu_operation::command::Command;
use chenu_operation::decide::{decide, needs, needs_next};
use chenu_operation::rows::Bytes;
use chenu_operation::rules::Rules;
use chenu_operation::view::{Loaded, Row};
use chenu_store::{Value as Stored, schema};
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
        let (table, values) = schema::put(&row);
        loaded.load(table.read(values)?);
    }
    for (identity_id, stored) in pending {
        loaded.load_pending(identity_id, stored);
    }
    let named = needs(&command, &now).len() + needs_next(&command, &loaded, &now).len();
    let effects = decide(&command, &loaded, &rules, &now)?;
    let stored: Vec<Value> = effects.rows.iter().map(stored).collect();
    Ok(json!({
        "rows": effects.rows, "stored": stored, "entries": effects.entries,
        "answer": effects.answer, "needs": named,
    }))
}

/// A row as its table has it; bytes as hex behind their name, for JSON has none.
fn stored(row: &Row) -> Value {
    let (table, values) = schema::put(row);
    let value = |value| match value {
        Stored::Int(number) => json!(number),
        Stored::Bool(truth) => json!(truth),
        Stored::Text(text) => json!(text),
        Stored::Blob(bytes) => json!({"hex": Bytes(bytes)}),
    };
    json!([table.name, values.into_iter().map(value).collect::<Vec<_>>()])
}
