//! What can be asked of governed operations.

use chenu_engine::vocabulary::{
    CheckpointDecision, CheckpointType, PartKind, QueryState, ViolationType,
};
use serde::{Deserialize, Serialize};

mod budgets;
mod files;
mod slots;
mod spending;
mod tool_calls;

pub use budgets::{CreateBudget, DeleteBudget, UnfreezeBudget, UpdateBudget};
pub use files::{HoldFiles, KeepChunk};
pub use slots::{Dispatched, HoldBack, LetGo, Readmit};
pub use spending::{Lapse, Post, Reserve, Void};
pub use tool_calls::{Proposal, Redeem, Take};

use crate::event::EventDraft;
use crate::refusal::Outcome;
use crate::rows::{Attempt, Bytes, Content, LaneReport, Operation, Principal, TokenUsage};

/// Who calls, in which identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// As the verified token says.
    #[serde(flatten)]
    pub principal: Principal,
    /// The identity that it acts in.
    pub identity_id: String,
    /// On whose behalf, nearest first, each `type:id`.
    pub acting_for: Vec<String>,
}

/// What the policies said, which stands before any row is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether nothing forbids it, and something permits it.
    pub allowed: bool,
    /// The policies that forbid it.
    pub denied_by: Vec<String>,
    /// Why a person must look, and which policy says so.
    pub checkpoints: Vec<(CheckpointType, String)>,
}

/// One model that may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who is called.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// The most that an attempt can cost.
    pub bound_nanousd: i64,
    /// Length of the serialised body.
    pub body_bytes: i64,
    /// The wire's own constants for what is sent.
    pub extra_tokens: i64,
    /// The dearest rate at which an input token can be billed.
    pub dearest_input: i64,
    /// The rate of what comes back.
    pub output_rate: i64,
    /// Which price table they are of.
    pub rates_source: String,
}

/// A model that a hard constraint took out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// Whose model.
    pub provider: String,
    /// Which.
    pub model: String,
    /// By which constraint.
    pub reason: String,
    /// Which capabilities it lacks.
    pub missing: Vec<String>,
}

/// What lane C made: who may be called, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Who may be called, best first.
    pub chain: Vec<Candidate>,
    /// Who may not, filled where nobody may.
    pub exclusions: Vec<Exclusion>,
    /// Whether somebody could be called if his price were known.
    pub price_unknown: bool,
    /// What the route was decided on.
    pub snapshot: Bytes,
    /// The most tokens that may come back.
    pub output_cap: i64,
    /// Whether nobody has asked for that cap, so that it may be lowered.
    pub cap_is_default: bool,
    /// What it may cost at most.
    pub max_cost_nanousd: i64,
    /// What an approval binds.
    pub action_digest: Bytes,
}

/// What the asker says of an operation of kind `nova.query`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its id, made by the caller.
    pub request_id: String,
    /// What is to be done: the target's operation, or `nova.query`.
    pub action: String,
    /// To what: `kind/id`, or nothing.
    pub target: String,
    /// The last text, of which approvers and the ledger see the beginning.
    pub last_text: String,
    /// The sphere it runs in.
    pub sphere: String,
    /// `command` or `generation`.
    pub mode: String,
    /// The intents that decide.
    pub intents: Vec<String>,
    /// Those that were found.
    pub detected_intents: Vec<String>,
    /// The agent asked for; empty for none.
    pub agent_role: String,
    /// Whether an approval starts it.
    pub resume_on_approval: bool,
    /// The conversation; empty for none.
    pub thread_id: String,
    /// The agent's run; empty for none.
    pub run_id: String,
    /// The caller's own labels, sorted.
    pub labels: Vec<(String, String)>,
    /// `text` or `json`.
    pub output_format: String,
    /// What lane B hashed.
    pub context_hash: Bytes,
    /// Its files, which are stored before it is admitted.
    pub files: Vec<Bytes>,
}

/// May this run? The claim of its id, the decision and its effect are one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    /// Who asks.
    pub caller: Caller,
    /// What.
    pub asked: Asked,
    /// For repeats under the id.
    pub content_digest: Bytes,
    /// What it runs on, should it have to wait.
    pub content: Content,
    /// Who may be called.
    pub plan: Plan,
    /// What the policies say.
    pub verdict: Verdict,
    /// How long it may take.
    pub deadline_ms: i64,
    /// What has been told of it, if that is not what its lanes say: recorded walks have their own.
    #[serde(default)]
    pub drafts: Vec<EventDraft>,
    /// How they went.
    pub lanes: Vec<LaneReport>,
    /// When lane D began, by the monotonic clock.
    pub lane_started_ns: i64,
    /// An id for the checkpoint that it may need.
    pub checkpoint_id: String,
    /// Whether a slot may be taken; else what may run is told to wait, for others do.
    pub take_slot: bool,
}

/// What would `Admit` say? Claims no id, reserves nothing, asks nobody; one entry, so marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validate(pub Admit);

/// May exactly the approved operation run now? Checks again what may have changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consume {
    /// The operation as it was read.
    pub identity_id: String,
    /// Its id.
    pub request_id: String,
    /// Its checkpoint.
    pub checkpoint_id: String,
    /// Who asked.
    pub caller: Caller,
    /// What.
    pub asked: Asked,
    /// Who may be called now.
    pub plan: Plan,
    /// What the policies say now.
    pub verdict: Verdict,
    /// How long it may take from now on.
    pub deadline_ms: i64,
    /// As for `Admit`.
    pub take_slot: bool,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// Which.
    pub attempt: Attempt,
    /// What it used.
    pub usage: TokenUsage,
    /// What is posted for it.
    pub charge_nanousd: i64,
    /// Whether that is its bound.
    pub estimated: bool,
    /// Why it failed; empty if it did not.
    pub failure: String,
    /// How long it ran.
    pub duration_us: i64,
    /// Why the model stopped.
    pub stop_reason: String,
    /// More of a failure, for people.
    pub detail: String,
}

/// An attempt failed before its first token: may the next candidate be called now?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The operation as its run knows it.
    pub operation: Operation,
    /// How the attempt went.
    pub ended: AttemptEnd,
    /// Who is left, best first; one at least.
    pub chain: Vec<Candidate>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Text, thought or call.
    pub kind: PartKind,
    /// What it says.
    pub text: String,
    /// A call's tool.
    pub name: String,
    /// A call's id.
    pub call_id: String,
    /// A thought's proof.
    pub signature: String,
    /// A thought that is not shown.
    pub redacted: String,
}

/// The end of an operation: money, output, final event, final entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// Whose.
    pub identity_id: String,
    /// Its id.
    pub request_id: String,
    /// How it ends.
    pub status: QueryState,
    /// Why, if it did not complete.
    pub outcome: Outcome,
    /// How the last attempt went; none if nothing executes.
    pub ended: Option<AttemptEnd>,
    /// What it said.
    pub output: Vec<Part>,
    /// What was found out about each call of a completed answer.
    #[serde(default)]
    pub calls: Vec<Proposal>,
    /// The policies that their verdicts are of; empty where there are none.
    #[serde(default)]
    pub policies_revision: String,
    /// How long lane F took.
    pub execution_us: i64,
    /// When lane G began, by the monotonic clock.
    pub lane_started_ns: i64,
}

/// A person approves or rejects, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// Whose.
    pub identity_id: String,
    /// The operation that waits.
    pub request_id: String,
    /// Where.
    pub checkpoint_id: String,
    /// The decision's id, made by who decides.
    pub decision_id: String,
    /// Yes or no.
    pub decision: CheckpointDecision,
    /// Why.
    pub reason: String,
    /// The action that was seen; empty if none was named.
    pub expected_digest: Bytes,
    /// Who decides.
    pub by: Principal,
    /// How he has signed in, as far as his token says.
    #[serde(default)]
    pub methods: Vec<String>,
    /// And with which program.
    #[serde(default)]
    pub client: String,
}

/// A person decides on several that wait, each once: on all of them, or on none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolveAll {
    /// In order, each of another checkpoint.
    pub decisions: Vec<Resolve>,
}

/// Nobody decided in time, or the approval was not used in time?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expire {
    /// Whose.
    pub identity_id: String,
    /// The operation that waits.
    pub request_id: String,
    /// Where.
    pub checkpoint_id: String,
}

/// An operation is withdrawn before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Whose.
    pub identity_id: String,
    /// The operation that waits.
    pub request_id: String,
    /// Where.
    pub checkpoint_id: String,
    /// Who withdraws it.
    pub by: Principal,
    /// Why.
    pub reason: String,
}

/// What a dead owner left running ends: outcome unknown, its bound charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recover {
    /// Whose.
    pub identity_id: String,
    /// Its id.
    pub request_id: String,
    /// The process that is dead.
    pub dead_owner_id: String,
}

/// A call reached for something outside its identity. Recorded before it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordViolation {
    /// A new id.
    pub violation_id: String,
    /// Who called, in which identity.
    pub caller: Caller,
    /// Which rpc.
    pub method: String,
    /// From where.
    pub peer: String,
    /// How the boundary was crossed.
    #[serde(rename = "type")]
    pub kind: ViolationType,
    /// What kind of thing was reached for.
    pub target_kind: String,
    /// Which, without what a terminal should not be given.
    pub target_id: String,
}

/// Anything that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// See [`Admit`].
    Admit(Box<Admit>),
    /// See [`Validate`].
    Validate(Box<Validate>),
    /// See [`Consume`].
    Consume(Box<Consume>),
    /// See [`Retry`].
    Retry(Box<Retry>),
    /// See [`Settle`].
    Settle(Box<Settle>),
    /// See [`Resolve`].
    Resolve(Resolve),
    /// See [`ResolveAll`].
    ResolveAll(ResolveAll),
    /// See [`Expire`].
    Expire(Expire),
    /// See [`Cancel`].
    Cancel(Cancel),
    /// See [`Recover`].
    Recover(Recover),
    /// See [`Dispatched`].
    Dispatched(Dispatched),
    /// See [`HoldBack`].
    HoldBack(HoldBack),
    /// See [`LetGo`].
    LetGo(LetGo),
    /// See [`Readmit`].
    Readmit(Readmit),
    /// See [`Reserve`].
    Reserve(Box<Reserve>),
    /// See [`Post`].
    Post(Post),
    /// See [`Void`].
    Void(Void),
    /// See [`Lapse`].
    Lapse(Lapse),
    /// See [`Take`].
    Take(Box<Take>),
    /// See [`Redeem`].
    Redeem(Box<Redeem>),
    /// See [`CreateBudget`].
    CreateBudget(CreateBudget),
    /// See [`UpdateBudget`].
    UpdateBudget(UpdateBudget),
    /// See [`UnfreezeBudget`].
    UnfreezeBudget(UnfreezeBudget),
    /// See [`DeleteBudget`].
    DeleteBudget(DeleteBudget),
    /// See [`RecordViolation`].
    RecordViolation(RecordViolation),
    /// See [`HoldFiles`].
    HoldFiles(HoldFiles),
    /// See [`KeepChunk`].
    KeepChunk(KeepChunk),
}
