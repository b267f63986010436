//! Money that a service spends itself: held, then posted or voided, once.

use serde::{Deserialize, Serialize};

use super::{Caller, Verdict};
use crate::rows::{Bytes, Content};

/// May this be spent? The claim of its id, the decision and the money are one commit; asked again
/// once a person has approved, it uses the approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// Who asks.
    pub caller: Caller,
    /// Its id, made by the caller.
    pub request_id: String,
    /// The most that will be spent.
    pub amount_nanousd: i64,
    /// What is to be done, such as `sms.send`.
    pub action: String,
    /// To what: `kind/id`, or nothing.
    pub target: String,
    /// More of it, of which approvers and the ledger see the beginning.
    pub description: String,
    /// The sphere it runs in.
    pub sphere: String,
    /// The declared intents.
    pub intents: Vec<String>,
    /// The piece of work it belongs to; empty for none.
    pub run_id: String,
    /// The caller's own labels, sorted.
    pub labels: Vec<(String, String)>,
    /// How long the money is held once it is.
    pub ttl_ms: i64,
    /// For repeats under the id.
    pub content_digest: Bytes,
    /// What an approval binds.
    pub action_digest: Bytes,
    /// All of what was asked.
    pub content: Content,
    /// What the policies say.
    pub verdict: Verdict,
    /// An id for the checkpoint that it may need.
    pub checkpoint_id: String,
}

/// It was spent; no more than is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Who spent it.
    pub caller: Caller,
    /// The reservation's id.
    pub request_id: String,
    /// How much.
    pub amount_nanousd: i64,
}

/// Nothing was spent, and nothing will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// Who would have.
    pub caller: Caller,
    /// The reservation's id.
    pub request_id: String,
    /// Why not.
    pub reason: String,
}

/// Is its time over, and nobody has said what became of it?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapse {
    /// Whose.
    pub identity_id: String,
    /// The reservation's id.
    pub request_id: String,
}
