//! The statements of every table, in the shape of those that a server makes of its declarations.

use std::collections::HashMap;

use chenu_operation::rows::{HOLD_SLOT, RETIRED_US};
use chenu_store::schema::TABLES;
use chenu_store::sqlite::Texts;

/// How many keys and rows one statement takes at most, as powers of two.
const KEYS_POWER: u32 = 8;
const ROWS_POWER: u32 = 4;

const HEADS: &str = "SELECT ledger_number, origin, size, last_hash, last_time_us FROM ledger_heads";

/// A table as its statements need it.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    columns: &'static [&'static str],
    key: usize,
    append_only: bool,
}

const LEDGER: [Shape; 4] = [
    Shape {
        name: "ledger_heads",
        columns: &["ledger_number", "origin", "size", "last_hash", "last_time_us"],
        key: 1,
        append_only: false,
    },
    Shape {
        name: "ledger_entries",
        columns: &[
            "ledger_number",
            "sequence",
            "entry_id",
            "batch_id",
            "time_us",
            "decision",
            "action",
            "identity_id",
            "principal_type",
            "principal_id",
            "resource_kind",
            "resource_id",
            "reason",
            "canonical",
            "entry_hash",
        ],
        key: 2,
        append_only: true,
    },
    Shape {
        name: "ledger_payloads",
        columns: &["entry_id", "salt", "payload"],
        key: 1,
        append_only: true,
    },
    Shape {
        name: "batches",
        columns: &["writer_id", "batch_id", "time_us"],
        key: 1,
        append_only: false,
    },
];

/// All tables of a file.
pub(crate) fn shapes() -> Vec<Shape> {
    let governed = TABLES.iter().map(|table| Shape {
        name: table.name,
        columns: table.columns,
        key: table.key,
        append_only: table.append_only,
    });
    governed.chain(LEDGER).collect()
}

/// What makes them, without types: a value comes back as it was bound.
pub(crate) fn schema() -> String {
    let table = |shape: Shape| {
        let (columns, key) = (listed(shape.columns), listed(&shape.columns[..shape.key]));
        format!("CREATE TABLE {} ({columns}, PRIMARY KEY ({key}));", shape.name)
    };
    shapes().into_iter().map(table).collect()
}

/// What a session is opened with.
pub(crate) fn texts() -> HashMap<String, Texts> {
    shapes().iter().map(|shape| (shape.name.to_owned(), texts_of(shape))).collect()
}

/// The head of a ledger, behind another one's.
pub(crate) fn head() -> String {
    format!("{HEADS} WHERE ledger_number <> ?1 UNION ALL {HEADS} WHERE ledger_number = ?1 LIMIT 1")
}

/// Inserts or replaces so many rows.
pub(crate) fn upsert(shape: &Shape, count: usize) -> String {
    let row = format!("({})", vec!["?"; shape.columns.len()].join(", "));
    let insert = format!(
        "INSERT INTO {} ({}) VALUES {}",
        shape.name,
        listed(shape.columns),
        vec![row; count].join(", ")
    );
    let (key, others) = shape.columns.split_at(shape.key);
    if shape.append_only {
        return insert;
    }
    let changes = others.iter().map(|it| format!("\"{it}\" = excluded.\"{it}\""));
    let action = match changes.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "NOTHING".to_owned(),
        changes => format!("UPDATE SET {changes}"),
    };
    format!("{insert} ON CONFLICT ({}) DO {action}", listed(key))
}

fn texts_of(shape: &Shape) -> Texts {
    let mut texts = Texts {
        writes: (0..=ROWS_POWER).map(|power| upsert(shape, 1 << power)).collect(),
        keyed: each_power(|count| keyed(shape, count)),
        ..Texts::default()
    };
    for (name, width, condition) in lookups(shape.name) {
        let name = name.to_owned();
        let table = shape.name;
        match name.as_str() {
            "oldest_of_provider" => {
                let found = format!("SELECT ?1, {} FROM {table} AS t", listed(shape.columns));
                let text = format!("{found} WHERE {condition} ORDER BY free_at_us, slot LIMIT ?2");
                texts.first.insert(name, numbered(&text, width));
            }
            "pending" => {
                // Every parameter must stand in the text; a negative limit is none.
                let found = format!("SELECT ?1, count(*) FROM {table} AS t WHERE {condition}");
                let text = format!("{found} LIMIT -1 - abs(?2)");
                texts.count.insert(name, numbered(&text, width));
            }
            _ => {
                let all = each_power(|count| whole(shape, width, &condition, count));
                texts.whole.insert(name, all);
            }
        }
    }
    texts
}

fn each_power(text: impl Fn(usize) -> String) -> Vec<String> {
    (0..=KEYS_POWER).map(|power| text(1 << power)).collect()
}

/// The look-ups of a table: how wide a key is, and what stands under `key_0`, `key_1`.
fn lookups(table: &str) -> Vec<(&'static str, usize, String)> {
    let lookup = |name, width, condition: &str| (name, width, condition.to_owned());
    match table {
        "attempts" => {
            vec![lookup("of_query", 2, "t.identity_id = key_0 AND t.request_id = key_1")]
        }
        "budgets" => {
            vec![lookup("open_of_identity", 1, "t.identity_id = key_0 AND NOT t.deleted")]
        }
        "budget_periods" => vec![
            lookup("of_identity_at", 2, "t.identity_id = key_0 AND t.period_start_us = key_1"),
            lookup("of_budget", 1, "t.budget_id = key_0"),
        ],
        "checkpoints" => vec![
            lookup(
                "open_of_action",
                2,
                "t.identity_id = key_0 AND t.action_digest = key_1
                AND t.state IN ('pending', 'approved') AND t.consumed_us = 0",
            ),
            lookup("pending", 1, "t.identity_id = key_0 AND t.state = 'pending'"),
        ],
        "provider_slots" => {
            let in_use = format!(
                "t.ledger_number = key_0 AND t.provider = key_1 AND t.free_at_us < {RETIRED_US}"
            );
            let last = format!(
                "{in_use} AND t.slot = (SELECT max(slot) FROM provider_slots WHERE ledger_number
                = key_0 AND provider = key_1 AND slot < {HOLD_SLOT} AND free_at_us < {RETIRED_US})"
            );
            vec![("oldest_of_provider", 2, in_use), ("last_of_provider", 2, last)]
        }
        _ => Vec::new(),
    }
}

/// Behind a key's place and a number of rows the values of a single key are parameters themselves.
fn numbered(text: &str, width: usize) -> String {
    (0..width).fold(text.to_owned(), |text, at| {
        text.replace(&format!("key_{at}"), &format!("?{}", at + 3))
    })
}

fn keyed(shape: &Shape, count: usize) -> String {
    let keys = shape.columns[..shape.key].iter().enumerate();
    let on: Vec<String> = keys.map(|(at, key)| format!("t.\"{key}\" = key_{at}")).collect();
    joined(shape, &names(shape.key), count, "", &on.join(" AND "))
}

fn whole(shape: &Shape, width: usize, condition: &str, count: usize) -> String {
    let mut names = names(width);
    names.insert(0, "key_at".to_owned());
    joined(shape, &names, count, "key_at, ", condition)
}

fn names(width: usize) -> Vec<String> {
    (0..width).map(|at| format!("key_{at}")).collect()
}

fn joined(shape: &Shape, names: &[String], count: usize, place: &str, on: &str) -> String {
    let row = format!("({})", vec!["?"; names.len()].join(", "));
    let columns: Vec<String> = shape.columns.iter().map(|it| format!("t.\"{it}\"")).collect();
    format!(
        "WITH keys({}) AS (VALUES {}) SELECT {place}{} FROM keys CROSS JOIN {} AS t ON {on}",
        names.join(", "),
        vec![row; count].join(", "),
        columns.join(", "),
        shape.name,
    )
}

fn listed(columns: &[&str]) -> String {
    columns.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")
}
