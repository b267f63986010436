//! Calls of providers, the slots they take, and what is told of them.

use chenu_engine::vocabulary::{EventType, PartKind};
use serde::{Deserialize, Serialize};

use super::TokenUsage;

/// Where an attempt stands: `executing` until its end is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptState {
    /// It counts as dispatched.
    Executing,
    /// The provider's answer is whole.
    Succeeded,
    /// It is not.
    Failed,
    /// Its process died.
    Interrupted,
}

/// One call of one provider. Written with its `execute` entry before any byte goes out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who owns it.
    pub identity_id: String,
    /// The operation's id.
    pub request_id: String,
    /// From 1.
    pub attempt: i64,
    /// Where it stands.
    pub state: AttemptState,
    /// Who is called.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// The provider's slot that it took.
    pub slot: i64,
    /// The most it can cost.
    pub bound_nanousd: i64,
    /// What was posted for it.
    pub cost_nanousd: i64,
    /// Whether that is its bound.
    pub estimated: bool,
    /// Which price table its rates are of.
    pub rates_source: String,
    /// What it used.
    pub usage: TokenUsage,
    /// Why it failed.
    pub failure: String,
    /// When it was admitted.
    pub admitted_us: i64,
    /// When its end was recorded; 0 before.
    pub ended_us: i64,
    /// How the provider names the call, if it told so.
    pub provider_request_id: String,
    /// What answered, as the provider names it, likewise.
    pub answered_model: String,
}

/// One event of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place, from 1.
    pub sequence: i64,
    /// Which it is.
    pub kind: EventType,
    /// The batch's time.
    pub time_us: i64,
    /// What it says, as a JSON object.
    pub body: String,
}

/// The events that one command left; dense, from `first_sequence` on. Never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Who owns it.
    pub identity_id: String,
    /// The operation's id.
    pub request_id: String,
    /// The first event's place.
    pub first_sequence: i64,
    /// The events.
    pub events: Vec<Event>,
}

/// A piece of a part of an attempt's output, at its byte offset in the part. Never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Who owns it.
    pub identity_id: String,
    /// The operation's id.
    pub request_id: String,
    /// Which attempt said it.
    pub attempt: i64,
    /// In which part.
    pub part: i64,
    /// From which byte of that on.
    pub offset: i64,
    /// What.
    pub text: String,
    /// What the part is.
    pub kind: PartKind,
    /// A call's tool, with its first piece.
    pub name: String,
    /// A call's id, with its first piece.
    pub call_id: String,
    /// A thought's signature and redacted text, with its first piece.
    pub proof: Vec<String>,
}

/// One of a provider's places in any window. Free when `free_at_us` has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Whose ledger.
    pub ledger_number: i64,
    /// Whose place.
    pub provider: String,
    /// Which.
    pub slot: i64,
    /// From when on it may be taken.
    pub free_at_us: i64,
}

impl Slot {
    /// Until when its provider takes no call, if this row says so; else 0.
    #[must_use]
    pub fn held_until_us(&self) -> i64 {
        // Every slot's time lies above 0 and that of a hold which is over at 2^62, so only a hold
        // in force comes out as more than 0.
        (-self.free_at_us).max(0)
    }
}

/// The number of a row that is no slot: while it is in force, none of its provider's is given out.
///
/// Its `free_at_us` is its end, negated: who looks for the oldest slots finds it first.
pub const HOLD_SLOT: i64 = (1 << 31) - 1;

/// The `free_at_us` of a slot that a lowered limit took away.
pub const RETIRED_US: i64 = 1 << 62;
