//! A request to the pipeline, as far as digests, rows and approvals know it.
//!
//! Fields are spelt as in `server/chenu_server/pipeline/{model,conversation}.py`, from which they
//! are read; words stand as they are on the wire.

use serde::Deserialize;

mod conversation;
mod digest;
mod stored;

pub use conversation::{Conversation, Message};
pub use digest::{Acting, Binding};

/// What is acted on; empty where nobody said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// What is to be done.
    pub operation: String,
    /// What kind of thing.
    pub kind: String,
    /// Which.
    pub id: String,
    /// Whose sphere it stands in.
    pub sphere: Option<String>,
}

/// A piece of data that came along.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ContextItem {
    /// What kind of thing.
    pub kind: String,
    /// Which.
    pub id: String,
    /// Whose sphere it stands in.
    pub sphere: Option<String>,
    /// What it says.
    pub content: String,
}

/// Which models may answer, and which of them first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Routing {
    /// What kind of task.
    pub task_type: String,
    /// How urgent.
    pub priority: String,
    /// By what candidates are ordered.
    pub strategy: String,
    /// Asked first; empty for none.
    pub preferred_provider: String,
    /// Asked first; empty for none.
    pub preferred_model: String,
    /// What a model must be able to do.
    pub required_capabilities: Vec<String>,
    /// The only ones, if any are named.
    pub allowed_providers: Vec<String>,
    /// Never these.
    pub forbidden_providers: Vec<String>,
    /// Where a model may run, if any are named.
    pub regions: Vec<String>,
}

/// All that a caller asks, but who he is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Request {
    /// Its id.
    pub request_id: String,
    /// What a model is asked.
    pub conversation: Conversation,
    /// `command` or `generation`.
    pub mode: String,
    /// Those that were declared.
    pub intents: Vec<String>,
    /// The sphere it runs in.
    pub sphere: String,
    /// What is acted on.
    pub target: Target,
    /// Data that came along.
    pub context_items: Vec<ContextItem>,
    /// The agent asked for; empty for none.
    pub agent_role: String,
    /// Which models may answer.
    pub routing: Routing,
    /// The most tokens that may come back; 0 for as many as is usual.
    pub max_output_tokens: i64,
    /// The most that it may cost; 0 for as much as it does.
    pub max_cost_nanousd: i64,
    /// Whether it goes on when nobody is attached.
    pub detached: bool,
    /// Whether an approval starts it.
    pub resume_on_approval: bool,
    /// Whether nothing is to happen.
    pub validate_only: bool,
    /// The thread it belongs to; empty for none.
    pub thread_id: String,
    /// The agent's run; empty for none.
    pub run_id: String,
    /// The caller's own labels, sorted.
    pub labels: Vec<(String, String)>,
    /// The agent that speaks; empty for none.
    pub agent_id: String,
    /// For which department; empty for none.
    pub department: String,
}
