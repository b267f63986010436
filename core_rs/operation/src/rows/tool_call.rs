//! Calls that a model proposed.

use chenu_engine::vocabulary::{ToolCallState, ToolEffect};
use serde::{Deserialize, Serialize};

use super::Bytes;

/// What a proposed call has beside its operation. Its arguments are content, and stand in no row
/// that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Who owns it.
    pub identity_id: String,
    /// Its operation's id, made by the server.
    pub call_id: String,
    /// The query whose answer proposed it.
    pub query_id: String,
    /// Which part of that answer.
    pub part: i64,
    /// The tool.
    pub tool: String,
    /// What the call does.
    pub effect: ToolEffect,
    /// Who executes the tool.
    pub audience: String,
    /// What its arguments were held to.
    pub schema_sha256: Bytes,
    /// 32 bytes in the action's digest: without them few arguments would be guessed from it.
    pub salt: Bytes,
    /// When it was first taken; 0 before.
    pub taken_us: i64,
    /// When its release ends, in whole seconds; 0 before it was taken.
    pub expires_us: i64,
    /// The key that its release is signed with.
    pub key_id: String,
    /// When its release was redeemed here; 0 before.
    pub redeemed_us: i64,
}

/// What an answer's row says of a call that it proposed: as it was when the answer was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedCall {
    /// The call's operation.
    pub call_id: String,
    /// What it does.
    pub effect: ToolEffect,
    /// Passed, held or refused.
    pub state: ToolCallState,
    /// Where a held one waits.
    pub checkpoint_id: String,
    /// Until when nobody has to decide; 0 of one that is not held.
    pub expires_us: i64,
    /// Why it was refused, by the reason's name.
    pub reason: String,
}
