//! Questions to people.

use chenu_engine::vocabulary::{CheckpointState, CheckpointType, OperationKind, PrincipalType};
use serde::{Deserialize, Serialize};

use super::{Bytes, Principal};

/// One question to a person about one action, bound to the action's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Who owns it.
    pub identity_id: String,
    /// Its id.
    pub checkpoint_id: String,
    /// The operation that waits.
    pub request_id: String,
    /// What kind that is.
    pub operation_kind: OperationKind,
    /// Why a person must look.
    pub types: Vec<CheckpointType>,
    /// Where it stands.
    pub state: CheckpointState,
    /// What is to be done.
    pub action: String,
    /// To what.
    pub target: String,
    /// What an approval binds.
    pub action_digest: Bytes,
    /// The question in English.
    pub question_en: String,
    /// And in French.
    pub question_fr: String,
    /// The beginning of what was asked, for approvers.
    pub preview: String,
    /// Who would be called.
    pub provider: String,
    /// With which model.
    pub model: String,
    /// What it may cost at most.
    pub max_cost_nanousd: i64,
    /// Who asked: the type,
    pub requested_by_type: PrincipalType,
    /// the id,
    pub requested_by: String,
    /// and on whose behalf.
    pub acting_for: Vec<String>,
    /// How long it waits, and how long its approval may be used.
    pub lifetime_us: i64,
    /// When it was made.
    pub created_us: i64,
    /// When nobody has decided in time.
    pub expires_us: i64,
    /// When an approval was not used in time; 0 before there is one.
    pub use_before_us: i64,
    /// When it was resolved, or ended; 0 before.
    pub resolved_us: i64,
    /// By whom, `type:id`.
    pub resolved_by: String,
    /// The decision's id, made by who decided.
    pub decision_id: String,
    /// Why.
    pub reason: String,
    /// When the approval was used; 0 before.
    pub consumed_us: i64,
}

impl Checkpoint {
    /// Whether its operation still waits: nobody has decided, or the approval is not used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.state {
            CheckpointState::Pending => true,
            // A used approval keeps its state for the record; this alone says that nothing else may
            // run on it.
            CheckpointState::Approved => self.consumed_us == 0,
            _ => false,
        }
    }

    /// Whether a party, `type:id`, asked for it, or is one on whose behalf it was asked.
    #[must_use]
    pub fn is_asked_by(&self, party: &str) -> bool {
        let asker = Principal { kind: self.requested_by_type, id: self.requested_by.clone() };
        // Rows from before parties had types name users by their bare ids.
        let bare = party.strip_prefix("user:").unwrap_or(party);
        asker.to_string() == party || self.acting_for.iter().any(|it| it == party || it == bare)
    }

    /// Whether nobody decided in time, or the approval was not used in time.
    #[must_use]
    pub fn has_lapsed(&self, now_us: i64) -> bool {
        let pending = self.state == CheckpointState::Pending;
        let end_us = if pending { self.expires_us } else { self.use_before_us };
        // In the very microsecond of its end it is over, so that sweep, approver and consumer
        // agree, whoever of them comes first in a batch.
        self.is_open() && now_us >= end_us
    }
}
