//! Ledger entries before they are numbered and hashed.

use std::collections::BTreeMap;

use chenu_engine::vocabulary::{LedgerAction, LedgerDecision};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rows::{Operation, Principal};

/// An entry as a command leaves it. `payload` is canonical JSON: sorted keys, no spaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryDraft {
    /// What was decided.
    pub decision: LedgerDecision,
    /// What kind of act it is about.
    pub action: LedgerAction,
    /// Whose it is.
    pub identity_id: String,
    /// Who asked, or decided.
    #[serde(flatten)]
    pub subject: Principal,
    /// On whose behalf.
    pub acting_for: Vec<String>,
    /// What kind of thing it is about.
    pub resource_kind: String,
    /// Which of those.
    pub resource_id: String,
    /// Why, by the reason's name; empty where nothing has to be said.
    pub reason: String,
    /// All else that is bound by the chain.
    pub payload: String,
}

/// An entry about an operation, by who asked it.
#[must_use]
pub fn about(
    operation: &Operation,
    decision: LedgerDecision,
    action: LedgerAction,
    reason: &str,
    payload: &Payload,
) -> EntryDraft {
    EntryDraft {
        decision,
        action,
        identity_id: operation.identity_id.clone(),
        subject: operation.subject.clone(),
        acting_for: operation.acting_for.clone(),
        resource_kind: operation.kind.wire_name().to_owned(),
        resource_id: operation.request_id.clone(),
        reason: reason.to_owned(),
        payload: payload.canonical(),
    }
}

impl EntryDraft {
    /// The same by somebody else, who acts for nobody.
    #[must_use]
    pub fn by(mut self, who: Principal) -> Self {
        self.subject = who;
        self.acting_for = Vec::new();
        self
    }
}

/// What an entry says besides, by name.
#[derive(Debug, Clone, Default)]
pub struct Payload(BTreeMap<&'static str, Value>);

impl Payload {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one thing more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// With all of another.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(crate) fn canonical(&self) -> String {
        // Names come sorted out of the map and are escaped as JSON does it, so one payload has one
        // spelling: the chain holds a digest of exactly these bytes.
        let pairs = self.0.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name)));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    }
}
