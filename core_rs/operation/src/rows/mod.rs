//! The rows of governed operations. Their fields are spelt as the columns are.

use std::fmt;

use chenu_engine::vocabulary::{
    Lane, LaneStatus, OperationKind, PartKind, PrincipalType, QueryState,
};
use serde::{Deserialize, Serialize};

use crate::refusal::Outcome;

mod attempt;
mod checkpoint;
mod file;
mod money;
mod tool_call;
mod violation;

pub use attempt::{Attempt, AttemptState, Chunk, Event, HOLD_SLOT, RETIRED_US, Segment, Slot};
pub use checkpoint::Checkpoint;
pub use file::{FileChunk, HeldFile, StoredFile, UsedFile};
pub use money::{Budget, Hold, HoldState, Leg, Period};
pub use tool_call::{DecidedCall, ToolCall};
pub use violation::Violation;

/// Bytes, which stand as hex in JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Lower-case hex.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
    }
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

impl fmt::Debug for Bytes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.hex())
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // From what gives bytes, such as Python's values, they come as they are; JSON has only
        // their hex.
        from.deserialize_any(BytesOrHex)
    }
}

/// Bytes as they are, from what has such; else their hex.
struct BytesOrHex;

impl serde::de::Visitor<'_> for BytesOrHex {
    type Value = Bytes;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("bytes, or their hex")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
        // An odd digit at the end asks for a pair that reaches beyond the text, gets none and is
        // refused. A number may begin with a sign, a byte may not.
        let byte = |at: usize| {
            let two = text.get(at..at + 2).filter(|two| !two.starts_with('+'));
            two.and_then(|two| u8::from_str_radix(two, 16).ok())
        };
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        bytes.map(Bytes).ok_or_else(|| E::custom("bytes stand as hex"))
    }
}

/// A person, a service or an agent. As text it is `type:id`, here and everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// What kind of caller it is.
    #[serde(rename = "principal_type")]
    pub kind: PrincipalType,
    /// The token's subject.
    #[serde(rename = "principal_id")]
    pub id: String,
}

impl Principal {
    /// The server itself, where nobody else decides.
    #[must_use]
    pub fn system() -> Self {
        Self { kind: PrincipalType::Service, id: SYSTEM.to_owned() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No type holds a colon, so the first one divides, whatever an issuer puts into an id.
        write!(to, "{}:{}", self.kind.wire_name(), self.id)
    }
}

/// The identity that belongs to nobody, and the server's own name.
pub const SYSTEM: &str = "system";

/// Identity and request id: the natural key of an operation and of what belongs to it.
pub type OperationKey = (String, String);

/// A governed operation's state. Written by every command of its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who owns it.
    pub identity_id: String,
    /// Its id within the identity, made by the caller.
    pub request_id: String,
    /// What kind it is.
    pub kind: OperationKind,
    /// Who asked.
    #[serde(flatten)]
    pub subject: Principal,
    /// On whose behalf, nearest first, each `type:id`.
    pub acting_for: Vec<String>,
    /// What was asked, for repeats under the id.
    pub content_digest: Bytes,
    /// What an approval binds.
    pub action_digest: Bytes,
    /// Where it stands.
    pub status: QueryState,
    /// Which process runs it; empty while none does.
    pub owner_id: String,
    /// How long it may take once it runs; of a reservation, how long it is held.
    pub deadline_ms: i64,
    /// Whether an approval starts it.
    pub resume_on_approval: bool,
    /// The sphere it runs in.
    pub sphere: String,
    /// The piece of work it belongs to; empty for none.
    pub run_id: String,
    /// The caller's own labels, sorted.
    pub labels: Vec<(String, String)>,
    /// The checkpoint at which it waits or waited; empty for none.
    pub checkpoint_id: String,
    /// What was posted for it.
    pub cost_nanousd: i64,
    /// Whether part of that is a bound and not a bill.
    pub estimated: bool,
    /// Why it ended without completing.
    pub outcome: Outcome,
    /// How many events its log has.
    pub event_count: i64,
    /// When its id was claimed.
    pub created_us: i64,
    /// When it last changed.
    pub updated_us: i64,
    /// When it ended; 0 before.
    pub ended_us: i64,
    /// What is a model's about it; empty in any other kind.
    #[serde(flatten)]
    pub query: Query,
}

impl Operation {
    /// Its natural key.
    #[must_use]
    pub fn key(&self) -> OperationKey {
        (self.identity_id.clone(), self.request_id.clone())
    }

    /// Whether no command changes it any more, but for its cost when a bill comes late.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.status.is_final()
    }

    /// Whether it has a log that readers follow, and lanes that the log tells of.
    #[must_use]
    pub fn has_log(&self) -> bool {
        self.kind == OperationKind::Query
    }

    /// Whether it waits for a person, or for its approval to be used.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self.status, QueryState::Blocked | QueryState::Approved)
    }
}

/// What an operation of kind `nova.query` has besides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Query {
    /// `command` or `generation`.
    pub mode: String,
    /// The intents that decided.
    pub intents: Vec<String>,
    /// Those that its texts were found to have.
    pub detected_intents: Vec<String>,
    /// The conversation it belongs to; empty for none.
    pub thread_id: String,
    /// What it stands on, as a digest.
    pub context_hash: Bytes,
    /// Who answers, once an attempt was admitted.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// `provider/model` of all that may answer, best first.
    pub chain: Vec<String>,
    /// Why the model stopped.
    pub stop_reason: String,
    /// The most tokens that may come back.
    pub output_cap: i64,
    /// What all attempts used.
    pub usage: TokenUsage,
    /// How many attempts were admitted.
    pub attempts: i64,
    /// How each lane went, in their order.
    pub lanes: Vec<LaneReport>,
    /// The stored output's bytes, over all parts.
    pub output_length: i64,
    /// What each part of the stored output is.
    pub output_parts: Vec<StoredPart>,
    /// `text` or `json`.
    pub output_format: String,
    /// What its route was decided on: 24 bytes, or nothing.
    pub route_snapshot: Bytes,
}

/// Tokens as a provider counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Read at the full rate.
    pub input_tokens: i64,
    /// Written.
    pub output_tokens: i64,
    /// Read from a cache.
    pub cache_read_tokens: i64,
    /// Written to one, for the provider's usual time.
    pub cache_write_tokens: i64,
    /// Written to one for an hour. A body has it only where there are any.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_hour_tokens: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_zero(count: &i64) -> bool {
    *count == 0
}

impl TokenUsage {
    /// Both together.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            // No provider's count is believed above 2^40, and a query has few attempts: no sum
            // overflows.
            input_tokens: self.input_tokens + other.input_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            cache_read_tokens: self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens: self.cache_write_tokens + other.cache_write_tokens,
            cache_write_hour_tokens: self.cache_write_hour_tokens + other.cache_write_hour_tokens,
        }
    }
}

/// How one lane went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneReport {
    /// Which.
    pub lane: Lane,
    /// How far it came.
    pub status: LaneStatus,
    /// How long it took, by the monotonic clock.
    pub duration_us: i64,
    /// What came out, for people.
    pub summary: String,
}

impl LaneReport {
    /// A report without a summary.
    #[must_use]
    pub fn new(lane: Lane, status: LaneStatus, duration_us: i64) -> Self {
        Self { lane, status, duration_us, summary: String::new() }
    }
}

/// What an operation's row knows of a part of its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPart {
    /// Text, thought or call.
    pub kind: PartKind,
    /// A call's tool.
    pub name: String,
    /// Its bytes of UTF-8.
    pub length: i64,
    /// What was decided of a call; none of what is no call, or was settled before calls were
    /// decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<DecidedCall>,
}

/// Another id of an operation: the identical action, asked again while it waited. Never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Who owns it.
    pub identity_id: String,
    /// The other id.
    pub request_id: String,
    /// The id of the operation that it names.
    pub first_request_id: String,
    /// Who asked under it.
    #[serde(flatten)]
    pub subject: Principal,
    /// What was asked under it.
    pub content_digest: Bytes,
    /// When.
    pub created_us: i64,
}

/// What a resumed operation runs on: its request and its plan, as canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Who owns it.
    pub identity_id: String,
    /// The operation's id.
    pub request_id: String,
    /// The request.
    pub request: String,
    /// What lanes A to C made of it.
    pub plan: String,
}
