//! Where the rows stand that a command needs: which table, by which look-up, under which key.

use chenu_operation::view::Need;

use crate::column::{Column as _, Value};
use crate::schema::{
    ALIASES, ATTEMPTS, BUDGETS, CHECKPOINTS, HELD_FILES, HOLDS, OPERATIONS, PERIODS, SLOTS,
    STORED_FILES, TOOL_CALLS, Table,
};

/// How rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lookup {
    /// The row of a primary key.
    Key,
    /// All rows under a key of this look-up of the table.
    All(&'static str),
    /// The first ones, in its order: as many as are asked for.
    First(&'static str),
    /// How many rows there are; none of them.
    Count(&'static str),
}

/// One place to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In this table,
    pub table: &'static str,
    /// by this,
    pub lookup: Lookup,
    /// under these values.
    pub key: Vec<Value>,
    /// Of [`Lookup::First`], how many.
    pub count: u32,
}

/// Rows of one table by one look-up, under any number of keys: one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Whose rows.
    pub table: &'static str,
    /// Found how.
    pub lookup: Lookup,
    /// Under these, each once.
    pub keys: Vec<Vec<Value>>,
    /// How many under each, where that counts.
    pub counts: Vec<u32>,
}

/// The places that a need names, in the ledger of this number.
#[must_use]
pub fn places(need: &Need, ledger_number: i64) -> Vec<Place> {
    let by_key = |table: &'static Table, key: Vec<Value>| {
        vec![Place { table: table.name, lookup: Lookup::Key, key, count: 1 }]
    };
    let under = |table: &'static Table, lookup: Lookup, key: Vec<Value>| {
        vec![Place { table: table.name, lookup, key, count: 1 }]
    };
    match need {
        Need::Operation((identity, request)) => {
            by_key(&OPERATIONS, vec![identity.put(), request.put()])
        }
        Need::Alias((identity, request)) => by_key(&ALIASES, vec![identity.put(), request.put()]),
        Need::Attempt((identity, request), number) => {
            by_key(&ATTEMPTS, vec![identity.put(), request.put(), number.put()])
        }
        Need::Attempts((identity, request)) => {
            under(&ATTEMPTS, Lookup::All("of_query"), vec![identity.put(), request.put()])
        }
        Need::Hold((identity, request)) => by_key(&HOLDS, vec![identity.put(), request.put()]),
        Need::Budget(budget) => by_key(&BUDGETS, vec![budget.put()]),
        Need::Period((budget, start_us)) => by_key(&PERIODS, vec![budget.put(), start_us.put()]),
        Need::OpenBudgets(identity) => {
            under(&BUDGETS, Lookup::All("open_of_identity"), vec![identity.put()])
        }
        Need::PeriodsAt(identity, start_us) => {
            under(&PERIODS, Lookup::All("of_identity_at"), vec![identity.put(), start_us.put()])
        }
        Need::PeriodsOf(budget) => under(&PERIODS, Lookup::All("of_budget"), vec![budget.put()]),
        Need::Checkpoint(identity, checkpoint) => {
            by_key(&CHECKPOINTS, vec![identity.put(), checkpoint.put()])
        }
        Need::OpenOfAction(identity, digest) => {
            under(&CHECKPOINTS, Lookup::All("open_of_action"), vec![identity.put(), digest.put()])
        }
        Need::Pending(identity) => {
            under(&CHECKPOINTS, Lookup::Count("pending"), vec![identity.put()])
        }
        Need::Slots(provider, count) => slots(ledger_number, provider, *count),
        Need::Slot(provider, number) => {
            by_key(&SLOTS, vec![ledger_number.put(), provider.put(), number.put()])
        }
        Need::ToolCall((identity, call)) => by_key(&TOOL_CALLS, vec![identity.put(), call.put()]),
        Need::File(identity, sha256) => by_key(&STORED_FILES, vec![identity.put(), sha256.put()]),
        Need::HeldFile(hold, sha256) => by_key(&HELD_FILES, vec![hold.put(), sha256.put()]),
    }
}

/// The first ones by their time, and the one of the highest number, by which they are counted.
fn slots(ledger_number: i64, provider: &String, count: u32) -> Vec<Place> {
    let key = vec![ledger_number.put(), provider.put()];
    // The oldest alone do not tell how many there are, and by that number a new one is made or a
    // lowered limit is met.
    let place = |lookup, key| Place { table: SLOTS.name, lookup, key, count };
    vec![
        place(Lookup::First("oldest_of_provider"), key.clone()),
        place(Lookup::All("last_of_provider"), key),
    ]
}
