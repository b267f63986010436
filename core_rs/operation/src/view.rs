//! What a command sees of the rows, and what it leaves.
//!
//! A batch has [`Loaded`] rows. Each of its commands works on a layer of its own, a [`View`]; what
//! it put becomes part of the batch once it has decided, and is forgotten where it failed, so that
//! a later command sees the writes of those before it and no others.

use std::collections::{BTreeMap, BTreeSet};

use chenu_engine::vocabulary::CheckpointState;
use serde::{Deserialize, Serialize};

use crate::entry::EntryDraft;
use crate::rows::{
    Alias, Attempt, Budget, Bytes, Checkpoint, Chunk, Content, FileChunk, HeldFile, Hold, Leg,
    Operation, OperationKey, Period, RETIRED_US, Segment, Slot, StoredFile, ToolCall, UsedFile,
    Violation,
};

/// A row of any table, by the name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Row {
    /// An operation.
    Operation(Box<Operation>),
    /// Another id of one.
    #[serde(rename = "QueryAlias")]
    Alias(Alias),
    /// What it was asked.
    #[serde(rename = "QueryContent")]
    Content(Content),
    /// A call of a provider.
    Attempt(Box<Attempt>),
    /// A run of events.
    #[serde(rename = "EventSegment")]
    Segment(Segment),
    /// A piece of output.
    #[serde(rename = "OutputChunk")]
    Chunk(Chunk),
    /// Held money.
    Hold(Hold),
    /// A limit.
    Budget(Budget),
    /// What stands against it.
    #[serde(rename = "BudgetPeriod")]
    Period(Period),
    /// A question to a person.
    Checkpoint(Box<Checkpoint>),
    /// A provider's place.
    Slot(Slot),
    /// A whole file.
    StoredFile(StoredFile),
    /// A file's use.
    UsedFile(UsedFile),
    /// A piece of one.
    FileChunk(FileChunk),
    /// Who needs one.
    HeldFile(HeldFile),
    /// A boundary that was crossed.
    Violation(Violation),
    /// A call that a model proposed.
    ToolCall(Box<ToolCall>),
}

/// What a command must be given: rows by key, or all that stand under something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// The operation of this key.
    Operation(OperationKey),
    /// The other id of this key.
    Alias(OperationKey),
    /// One attempt of an operation.
    Attempt(OperationKey, i64),
    /// All attempts of an operation.
    Attempts(OperationKey),
    /// What is held for an operation.
    Hold(OperationKey),
    /// A budget.
    Budget(String),
    /// A budget's period.
    Period(Leg),
    /// An identity's budgets that are not deleted.
    OpenBudgets(String),
    /// The periods of an identity's budgets that start at a time.
    PeriodsAt(String, i64),
    /// A checkpoint of an identity.
    Checkpoint(String, String),
    /// The open checkpoints of an identity at which an action waits.
    OpenOfAction(String, Bytes),
    /// How many checkpoints of an identity are pending; none of them is loaded.
    Pending(String),
    /// The slots of a provider that are free first, and the last one. The count adds up over a
    /// batch, so that each command finds one of its own.
    Slots(String, u32),
    /// One slot of a provider.
    Slot(String, i64),
    /// A file of an identity.
    File(String, Bytes),
    /// A file that a hold holds.
    HeldFile(String, Bytes),
    /// All periods of a budget.
    PeriodsOf(String),
    /// What a proposed call has besides its operation.
    ToolCall(OperationKey),
}

/// The rows of a batch in memory, by key.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    operations: BTreeMap<OperationKey, Operation>,
    aliases: BTreeMap<OperationKey, Alias>,
    attempts: BTreeMap<(OperationKey, i64), Attempt>,
    holds: BTreeMap<OperationKey, Hold>,
    budgets: BTreeMap<String, Budget>,
    periods: BTreeMap<Leg, Period>,
    checkpoints: BTreeMap<(String, String), Checkpoint>,
    slots: BTreeMap<(String, i64), Slot>,
    tool_calls: BTreeMap<OperationKey, ToolCall>,
    files: BTreeSet<(String, Bytes)>,
    held_files: BTreeSet<(String, Bytes)>,
    /// How many checkpoints of an identity are stored as pending, and what the batch changed.
    pending: BTreeMap<String, i64>,
    pending_change: BTreeMap<String, i64>,
}

impl Loaded {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Take in a stored row, unless the batch has it already: then it has it as it stands now.
    pub fn load(&mut self, row: Row) {
        match row {
            Row::Operation(row) => keep(&mut self.operations, row.key(), *row),
            Row::Alias(row) => keep(&mut self.aliases, alias_key(&row), row),
            Row::Attempt(row) => keep(&mut self.attempts, attempt_key(&row), *row),
            Row::Hold(row) => keep(&mut self.holds, hold_key(&row), row),
            Row::Budget(row) => keep(&mut self.budgets, row.budget_id.clone(), row),
            Row::Period(row) => keep(&mut self.periods, leg_of(&row), row),
            Row::Checkpoint(row) => keep(&mut self.checkpoints, checkpoint_key(&row), *row),
            // One that an earlier batch took away is no slot: those that this one takes away are
            // the highest in use, by which it counts them.
            Row::Slot(row) if row.free_at_us == RETIRED_US => {}
            Row::Slot(row) => keep(&mut self.slots, slot_key(&row), row),
            Row::ToolCall(row) => keep(&mut self.tool_calls, tool_call_key(&row), *row),
            // Of a file commands ask only whether it is there, so its key is all that is kept.
            Row::StoredFile(row) => drop(self.files.insert((row.identity_id, row.sha256))),
            Row::HeldFile(row) => drop(self.held_files.insert((row.hold_id, row.sha256))),
            _ => {} // written once and read by no command
        }
    }

    /// Take in how many checkpoints of an identity are stored as pending.
    pub fn load_pending(&mut self, identity_id: String, stored: i64) {
        self.pending.entry(identity_id).or_insert(stored);
    }

    /// Make what a command put part of the batch.
    pub fn merge(&mut self, rows: &[Row]) {
        for row in rows {
            match row {
                Row::Operation(row) => {
                    drop(self.operations.insert(row.key(), Operation::clone(row)));
                }
                Row::Alias(row) => drop(self.aliases.insert(alias_key(row), row.clone())),
                Row::Attempt(row) => {
                    drop(self.attempts.insert(attempt_key(row), Attempt::clone(row)));
                }
                Row::Hold(row) => drop(self.holds.insert(hold_key(row), row.clone())),
                Row::Budget(row) => drop(self.budgets.insert(row.budget_id.clone(), row.clone())),
                Row::Period(row) => drop(self.periods.insert(leg_of(row), row.clone())),
                Row::Checkpoint(row) => self.merge_checkpoint(Checkpoint::clone(row)),
                // One that this batch takes away stays in sight, unlike a stored one: the slots in
                // use are counted by it.
                Row::Slot(row) => drop(self.slots.insert(slot_key(row), row.clone())),
                Row::ToolCall(row) => {
                    drop(self.tool_calls.insert(tool_call_key(row), ToolCall::clone(row)));
                }
                // Of what is written once any row under a key is the same, so the first may stand.
                Row::StoredFile(_) | Row::HeldFile(_) => self.load(row.clone()),
                _ => {} // read by no command, and large: content, pieces, events
            }
        }
    }

    fn merge_checkpoint(&mut self, row: Checkpoint) {
        let (identity, is_pending) = (row.identity_id.clone(), pending(&row));
        let before = self.checkpoints.insert(checkpoint_key(&row), row);
        // A command changes only a checkpoint that it has loaded, so one without a row before it is
        // new and stands in no count of stored ones.
        let change = is_pending - before.as_ref().map_or(0, pending);
        *self.pending_change.entry(identity).or_insert(0) += change;
    }
}

fn keep<K: Ord, V>(rows: &mut BTreeMap<K, V>, key: K, row: V) {
    rows.entry(key).or_insert(row);
}

fn alias_key(row: &Alias) -> OperationKey {
    (row.identity_id.clone(), row.request_id.clone())
}

fn attempt_key(row: &Attempt) -> (OperationKey, i64) {
    ((row.identity_id.clone(), row.request_id.clone()), row.attempt)
}

fn hold_key(row: &Hold) -> OperationKey {
    (row.identity_id.clone(), row.request_id.clone())
}

fn leg_of(row: &Period) -> Leg {
    (row.budget_id.clone(), row.period_start_us)
}

fn checkpoint_key(row: &Checkpoint) -> (String, String) {
    (row.identity_id.clone(), row.checkpoint_id.clone())
}

fn slot_key(row: &Slot) -> (String, i64) {
    (row.provider.clone(), row.slot)
}

fn tool_call_key(row: &ToolCall) -> OperationKey {
    (row.identity_id.clone(), row.call_id.clone())
}

fn pending(row: &Checkpoint) -> i64 {
    i64::from(row.state == CheckpointState::Pending)
}

/// The rows as one command sees them, and what it has put and recorded so far.
#[derive(Debug)]
pub struct View<'a> {
    loaded: &'a Loaded,
    rows: Vec<Row>,
    entries: Vec<EntryDraft>,
}

impl<'a> View<'a> {
    /// Of a batch as it stands now.
    #[must_use]
    pub fn new(loaded: &'a Loaded) -> Self {
        Self { loaded, rows: Vec::new(), entries: Vec::new() }
    }

    /// Take back all that was put and recorded.
    pub fn forget(&mut self) {
        *self = Self::new(self.loaded);
    }

    /// The operation of this key.
    #[must_use]
    pub fn operation(&self, key: &OperationKey) -> Option<&Operation> {
        // Not as this very command has put it: each puts its operation once and does not read it
        // again.
        self.loaded.operations.get(key)
    }

    /// The other id of this key.
    #[must_use]
    pub fn alias(&self, key: &OperationKey) -> Option<&Alias> {
        self.loaded.aliases.get(key)
    }

    /// An operation's attempt, also as this very command has put it.
    #[must_use]
    pub fn attempt(&self, key: &OperationKey, number: i64) -> Option<&Attempt> {
        let key = (key.clone(), number);
        let own = self.rows.iter().find_map(|row| match row {
            Row::Attempt(row) if attempt_key(row) == key => Some(&**row),
            _ => None,
        });
        own.or_else(|| self.loaded.attempts.get(&key))
    }

    /// An operation's attempts, in order.
    pub fn attempts(&self, key: &OperationKey) -> impl Iterator<Item = &Attempt> {
        // As they are stored: the one command that asks for all of them does so before it puts any.
        let (first, last) = ((key.clone(), i64::MIN), (key.clone(), i64::MAX));
        self.loaded.attempts.range(first..=last).map(|(_, row)| row)
    }

    /// What is held for an operation.
    #[must_use]
    pub fn hold(&self, key: &OperationKey) -> Option<&Hold> {
        // Whoever changes a hold twice in one command hands the first result on, so none is looked
        // for among its own rows.
        self.loaded.holds.get(key)
    }

    /// A budget.
    #[must_use]
    pub fn budget(&self, budget_id: &str) -> Option<&Budget> {
        self.loaded.budgets.get(budget_id)
    }

    /// A budget's period, also as this very command has put it: it may post to it twice.
    #[must_use]
    pub fn period(&self, leg: &Leg) -> Option<&Period> {
        let own = self.rows.iter().find_map(|row| match row {
            Row::Period(row) if row.budget_id == leg.0 && row.period_start_us == leg.1 => Some(row),
            _ => None,
        });
        own.or_else(|| self.loaded.periods.get(leg))
    }

    /// An identity's budgets that are not deleted.
    pub fn open_budgets(&self, identity_id: &str) -> impl Iterator<Item = &Budget> {
        let open = move |row: &&Budget| row.identity_id == identity_id && !row.deleted;
        self.loaded.budgets.values().filter(open)
    }

    /// A checkpoint of an identity.
    #[must_use]
    pub fn checkpoint(&self, identity_id: &str, checkpoint_id: &str) -> Option<&Checkpoint> {
        self.loaded.checkpoints.get(&(identity_id.to_owned(), checkpoint_id.to_owned()))
    }

    /// The open checkpoints of an identity at which an action waits.
    pub fn open_of_action(
        &self,
        identity_id: &str,
        action_digest: &Bytes,
    ) -> impl Iterator<Item = &Checkpoint> {
        let of_action = move |row: &&Checkpoint| {
            row.identity_id == identity_id && row.action_digest == *action_digest && row.is_open()
        };
        self.loaded.checkpoints.values().filter(of_action)
    }

    /// How many checkpoints of an identity are pending.
    #[must_use]
    pub fn pending(&self, identity_id: &str) -> i64 {
        let of = |counts: &BTreeMap<String, i64>| counts.get(identity_id).copied().unwrap_or(0);
        // The stored ones were counted before this batch wrote any, so its own changes come on top.
        of(&self.loaded.pending) + of(&self.loaded.pending_change)
    }

    /// A provider's slots that were loaded, by number, and those that the batch took away.
    pub fn slots(&self, provider: &str) -> impl Iterator<Item = &Slot> {
        let (first, last) = ((provider.to_owned(), i64::MIN), (provider.to_owned(), i64::MAX));
        self.loaded.slots.range(first..=last).map(|(_, row)| row)
    }

    /// One slot of a provider.
    #[must_use]
    pub fn slot(&self, provider: &str, number: i64) -> Option<&Slot> {
        self.loaded.slots.get(&(provider.to_owned(), number))
    }

    /// What a proposed call has besides its operation.
    #[must_use]
    pub fn tool_call(&self, key: &OperationKey) -> Option<&ToolCall> {
        self.loaded.tool_calls.get(key)
    }

    /// Whether a file of an identity is whole.
    #[must_use]
    pub fn has_file(&self, identity_id: &str, sha256: &Bytes) -> bool {
        self.loaded.files.contains(&(identity_id.to_owned(), sha256.clone()))
    }

    /// Whether a hold still holds a file.
    #[must_use]
    pub fn is_held(&self, hold_id: &str, sha256: &Bytes) -> bool {
        self.loaded.held_files.contains(&(hold_id.to_owned(), sha256.clone()))
    }

    /// All periods of a budget.
    pub fn periods_of(&self, budget_id: &str) -> impl Iterator<Item = &Period> {
        let (first, last) = ((budget_id.to_owned(), i64::MIN), (budget_id.to_owned(), i64::MAX));
        self.loaded.periods.range(first..=last).map(|(_, row)| row)
    }

    /// Insert or replace a row when the batch commits. A row put twice keeps its first place.
    pub fn put(&mut self, row: Row) {
        // A list and no map: the order of rows is the order in which readers of a log are told of
        // them, and an ordinary command leaves some ten.
        match self.rows.iter().position(|put| is_same(put, &row)) {
            Some(at) => {
                if let Some(put) = self.rows.get_mut(at) {
                    *put = row;
                }
            }
            None => self.rows.push(row),
        }
    }

    /// Append an entry to the ledger when the batch commits.
    pub fn record(&mut self, entry: EntryDraft) {
        self.entries.push(entry);
    }

    /// What was put and recorded.
    #[must_use]
    pub fn done(self) -> (Vec<Row>, Vec<EntryDraft>) {
        (self.rows, self.entries)
    }
}

/// Whether two rows have one key. Those that are written once are never the same.
fn is_same(one: &Row, other: &Row) -> bool {
    match (one, other) {
        (Row::Operation(one), Row::Operation(other)) => one.key() == other.key(),
        (Row::Attempt(one), Row::Attempt(other)) => attempt_key(one) == attempt_key(other),
        (Row::Hold(one), Row::Hold(other)) => hold_key(one) == hold_key(other),
        (Row::Budget(one), Row::Budget(other)) => one.budget_id == other.budget_id,
        (Row::Period(one), Row::Period(other)) => leg_of(one) == leg_of(other),
        (Row::Checkpoint(one), Row::Checkpoint(other)) => {
            checkpoint_key(one) == checkpoint_key(other)
        }
        (Row::Slot(one), Row::Slot(other)) => slot_key(one) == slot_key(other),
        (Row::ToolCall(one), Row::ToolCall(other)) => tool_call_key(one) == tool_call_key(other),
        _ => false,
    }
}
