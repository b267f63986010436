//! An answer as it leaves the kernel: its rows as their tables have them, and what else it says.

use chenu_operation::answer::Answer;
use chenu_operation::command::Candidate;
use chenu_operation::view::Row;
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::column::Value;
use crate::schema::{self, Table};

/// What a command answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Which answer it is, by its name.
    pub kind: &'static str,
    /// The rows that it shows.
    pub rows: Vec<Shown>,
    /// All else, by name.
    pub more: Json,
}

/// A row that an answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The one at this place among the batch's published rows: what an answer shows is mostly what
    /// its followers are given too, and it is made once for both.
    Published(usize),
    /// Any other, column by column.
    Row(&'static Table, Vec<Value>),
}

impl Told {
    /// What an answer of a batch says.
    #[must_use]
    pub fn of(answer: Answer, batch: &Batch) -> Self {
        let kind = kind(&answer);
        let (rows, more) = parts(answer);
        Self { kind, rows: rows.iter().map(|row| shown(row, batch)).collect(), more }
    }
}

fn shown(row: &Row, batch: &Batch) -> Shown {
    let place = match row {
        // Only operations are looked for: of all that answers show they alone are published.
        Row::Operation(operation) => batch.place_of(operation),
        _ => None,
    };
    place.map_or_else(
        || {
            let (table, values) = schema::put(row);
            Shown::Row(table, values)
        },
        Shown::Published,
    )
}

fn kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Admitted { .. } => "Admitted",
        Answer::Blocked { .. } => "Blocked",
        Answer::Closed(_) => "Closed",
        Answer::Wait { .. } => "Wait",
        Answer::Known(_) => "Known",
        Answer::Attached(_) => "Attached",
        Answer::Full { .. } => "Full",
        Answer::FilesGone => "FilesGone",
        Answer::Conflict => "Conflict",
        Answer::NotResumable(_) => "NotResumable",
        Answer::TooDear => "TooDear",
        Answer::NotHeld => "NotHeld",
        Answer::Settled(_) => "Settled",
        Answer::Cancelled(_) => "Cancelled",
        Answer::Resolved(_) => "Resolved",
        Answer::Repeated(_) => "Repeated",
        Answer::Lapsed(_) => "Lapsed",
        Answer::Lost(_) => "Lost",
        Answer::OtherAction(_) => "OtherAction",
        Answer::OwnAction(_) => "OwnAction",
        Answer::AllResolved { .. } => "AllResolved",
        Answer::NoneResolved(_) => "NoneResolved",
        Answer::Reservation { .. } => "Reservation",
        Answer::Done(_) => "Done",
        Answer::Validation { .. } => "Validation",
        Answer::Outdated => "Outdated",
        Answer::Taken { .. } => "Taken",
        Answer::Late(_) => "Late",
        Answer::Refused(_) => "Refused",
        Answer::Redeemed { .. } => "Redeemed",
        Answer::Used(_) => "Used",
        Answer::Slot(_) => "Slot",
        Answer::Standing(_) => "Standing",
        Answer::Exists { .. } => "Exists",
        Answer::Absent => "Absent",
        Answer::Stale { .. } => "Stale",
        Answer::InUse => "InUse",
        Answer::Deleted(_) => "Deleted",
        Answer::Violation(_) => "Violation",
        Answer::Missing(_) => "Missing",
    }
}

fn parts(answer: Answer) -> (Vec<Row>, Json) {
    let none = Json::Null;
    match answer {
        Answer::Admitted { operation, attempt, chain, output_cap, slot_free_at_us } => {
            let rows = vec![Row::Operation(operation), Row::Attempt(attempt)];
            (rows, bounds(&chain, output_cap, slot_free_at_us))
        }
        Answer::Blocked { operation, checkpoint } => {
            (vec![Row::Operation(operation), Row::Checkpoint(checkpoint)], none)
        }
        Answer::Closed(row)
        | Answer::Known(row)
        | Answer::Attached(row)
        | Answer::NotResumable(row)
        | Answer::Settled(row)
        | Answer::Late(row)
        | Answer::Used(row)
        | Answer::Cancelled(row) => (vec![Row::Operation(row)], none),
        Answer::Resolved(row)
        | Answer::Repeated(row)
        | Answer::Lapsed(row)
        | Answer::Lost(row)
        | Answer::OtherAction(row)
        | Answer::OwnAction(row) => (vec![Row::Checkpoint(row)], none),
        Answer::AllResolved { checkpoints, is_new } => {
            let rows = checkpoints.into_iter().map(|row| Row::Checkpoint(Box::new(row)));
            (rows.collect(), json!({ "is_new": is_new }))
        }
        Answer::NoneResolved(because) => {
            let alone = kind(&because);
            (parts(*because).0, json!({ "because": alone }))
        }
        Answer::Reservation { operation, checkpoint, expires_us, is_new } => {
            let more = json!({ "expires_us": expires_us, "is_new": is_new });
            let checkpoint = checkpoint.map(Row::Checkpoint);
            (std::iter::once(Row::Operation(operation)).chain(checkpoint).collect(), more)
        }
        Answer::Taken { operation, call } | Answer::Redeemed { operation, call } => {
            (vec![Row::Operation(operation), Row::ToolCall(call)], none)
        }
        Answer::Slot(row) => (vec![Row::Slot(row)], none),
        Answer::Standing(both) => (vec![Row::Budget(both.0), Row::Period(both.1)], none),
        Answer::Deleted(row) => (vec![Row::Budget(*row)], none),
        Answer::Violation(row) => (vec![Row::Violation(row)], none),
        said => (Vec::new(), said_only(said)),
    }
}

/// Who asked has the chain; what it does not have is what each may cost now.
fn bounds(chain: &[Candidate], output_cap: i64, slot_free_at_us: i64) -> Json {
    let bounds: Vec<i64> = chain.iter().map(|each| each.bound_nanousd).collect();
    json!({
        "bounds_nanousd": bounds, "output_cap": output_cap, "slot_free_at_us": slot_free_at_us,
    })
}

/// What an answer without rows says.
fn said_only(answer: Answer) -> Json {
    match answer {
        Answer::Wait { free_times_us } => json!({ "free_times_us": free_times_us }),
        Answer::Full { limit } => json!({ "limit": limit }),
        Answer::Done(done) => json!({ "done": done }),
        Answer::Refused(outcome) => json!({ "outcome": outcome }),
        Answer::Validation { types, denial, lanes } => {
            json!({ "types": types, "denial": denial, "lanes": lanes })
        }
        Answer::Exists { budget_id } => json!({ "budget_id": budget_id }),
        Answer::Stale { version } => json!({ "version": version }),
        Answer::Missing(digests) => json!({ "digests": digests }),
        _ => Json::Null,
    }
}
