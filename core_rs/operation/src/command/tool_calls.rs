//! What is asked about calls that a model proposed.

use chenu_engine::vocabulary::ToolEffect;
use serde::{Deserialize, Serialize};

use super::{Caller, Verdict};
use crate::rows::Bytes;

/// A call of an answer, with what was found out about it before the answer is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// A new id.
    pub call_id: String,
    /// Which part of the answer.
    pub part: i64,
    /// What the call does.
    pub effect: ToolEffect,
    /// Who executes the tool.
    pub audience: String,
    /// What its arguments were held to.
    pub schema_sha256: Bytes,
    /// 32 bytes that nobody knows.
    pub salt: Bytes,
    /// What the policies said of it.
    pub verdict: Verdict,
    /// The checkpoint's id, should a person have to look.
    pub checkpoint_id: String,
}

/// Who asked the query takes a call that nothing holds any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// Who takes it.
    pub caller: Caller,
    /// Which.
    pub call_id: String,
    /// What the policies say of it now.
    pub verdict: Verdict,
    /// The policies that said it.
    pub policies_revision: String,
    /// The key that signs releases now.
    pub key_id: String,
    /// How long a release lasts.
    pub ttl_us: i64,
}

/// A release is used up, by whoever executes the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeem {
    /// Who executes it.
    pub caller: Caller,
    /// Which.
    pub call_id: String,
    /// What the policies say of it now, for who took it.
    pub verdict: Verdict,
    /// The policies that said it.
    pub policies_revision: String,
}
