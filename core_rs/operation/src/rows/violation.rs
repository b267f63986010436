//! Attempts to reach over an identity's boundary.

use chenu_engine::vocabulary::ViolationType;
use serde::{Deserialize, Serialize};

use super::Principal;

/// One attempt, recorded before it was answered. Never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Its id.
    pub violation_id: String,
    /// In which ledger.
    pub ledger_number: i64,
    /// The identity that the caller acted in.
    pub source_identity: String,
    /// Who called.
    #[serde(flatten)]
    pub subject: Principal,
    /// How.
    #[serde(rename = "type")]
    pub kind: ViolationType,
    /// What kind of thing was reached for.
    pub target_kind: String,
    /// Which.
    pub target_id: String,
    /// By which rpc.
    pub method: String,
    /// From where.
    pub peer: String,
    /// When.
    pub time_us: i64,
}
