//! What every decision of a process is made by.

use std::collections::{BTreeMap, BTreeSet};

use chenu_engine::vocabulary::CheckpointType;
use serde::{Deserialize, Serialize};

/// How many calls a provider takes in any window, and how a slot is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderLimit {
    /// As many, at least 1.
    pub requests: i64,
    /// In any span of this length.
    pub window_us: i64,
    /// How much longer a slot is held than that, for what clocks and networks do.
    pub guard_us: i64,
    /// How soon after its admission a call goes out.
    pub dispatch_within_us: i64,
}

impl ProviderLimit {
    /// How long a slot is taken at admission: the latest dispatch, the window, the guard.
    #[must_use]
    pub fn held_before_dispatch_us(&self) -> i64 {
        // The process may die before it tells of the dispatch, and the call may then have gone out
        // as late as it was allowed to.
        self.dispatch_within_us + self.held_after_dispatch_us()
    }

    /// How long a slot stays taken after its call went out.
    #[must_use]
    pub fn held_after_dispatch_us(&self) -> i64 {
        self.window_us + self.guard_us
    }
}

/// What every decision of a process is made by. Never changed: a command decides by it and by its
/// rows, and by nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// How long a checkpoint may wait whose types say nothing else.
    pub expiry_us: i64,
    /// How long those of a type may; the shortest holds.
    pub expiry_by_type_us: BTreeMap<String, i64>,
    /// Types on which nobody decides for himself, by name.
    #[serde(default)]
    pub four_eyes: BTreeSet<String>,
    /// What a provider takes that has no limit of its own.
    pub default_limit: ProviderLimit,
    /// What the others take.
    pub limits: BTreeMap<String, ProviderLimit>,
    /// Which ledger.
    pub ledger_number: i64,
    /// This process.
    pub owner_id: String,
    /// Below this a default output cap is not lowered.
    pub least_cap: i64,
    /// Whether nothing runs without a budget.
    pub budget_required: bool,
    /// How many checkpoints of an identity may be pending; 0: any number.
    pub pending_max: i64,
    /// Names the set of policies.
    pub policies_revision: String,
}

impl Rules {
    /// How many calls a provider takes.
    #[must_use]
    pub fn limit_of(&self, provider: &str) -> ProviderLimit {
        self.limits.get(provider).copied().unwrap_or(self.default_limit)
    }

    /// How long a checkpoint of these types may wait.
    #[must_use]
    pub fn shortest(&self, types: &[CheckpointType]) -> i64 {
        let of = |kind: &CheckpointType| self.expiry_by_type_us.get(kind.wire_name()).copied();
        let each = types.iter().map(|kind| of(kind).unwrap_or(self.expiry_us));
        each.min().unwrap_or(self.expiry_us)
    }

    /// Whether somebody else has to decide on a checkpoint of these types.
    #[must_use]
    pub fn asks_four_eyes(&self, types: &[CheckpointType]) -> bool {
        types.iter().any(|kind| self.four_eyes.contains(kind.wire_name()))
    }
}
