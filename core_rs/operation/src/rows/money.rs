//! Budgets, what stands against them, and what is held for an operation.

use chenu_engine::vocabulary::{BudgetPeriod, BudgetScope};
use serde::{Deserialize, Serialize};

/// Where held money stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldState {
    /// Until it becomes one of the others, once.
    Held,
    /// What was used is posted.
    Posted,
    /// Nothing was.
    Voided,
    /// Its time, or its owner's, was over. A bill may still come.
    Expired,
}

/// A budget, and the start of the period that money is held in.
pub type Leg = (String, i64);

/// Money held for one operation, in every budget that applies, all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who owns it.
    pub identity_id: String,
    /// The operation's id.
    pub request_id: String,
    /// Where it stands.
    pub state: HoldState,
    /// What is still held in each leg.
    pub amount_nanousd: i64,
    /// What was posted, over all attempts.
    pub posted_nanousd: i64,
    /// What was billed beyond it.
    pub overrun_nanousd: i64,
    /// Whether part of what was posted is a bound.
    pub estimated: bool,
    /// Where it is held.
    pub legs: Vec<Leg>,
    /// The process whose lease keeps it; empty where a time ends it.
    pub owner_id: String,
    /// That time; 0 for none.
    pub expires_us: i64,
    /// When it was made.
    pub created_us: i64,
    /// When it ended; 0 before.
    pub ended_us: i64,
}

/// A limit on what may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Its id.
    pub budget_id: String,
    /// Who owns it; `system` for one over everybody.
    pub identity_id: String,
    /// What it covers.
    pub scope: BudgetScope,
    /// Which of those; empty for global and identity.
    pub scope_value: String,
    /// When its amounts start again.
    pub period: BudgetPeriod,
    /// What may be spent in a period.
    pub limit_nanousd: i64,
    /// What approvals added.
    pub granted_nanousd: i64,
    /// Whether it counts no more.
    pub deleted: bool,
    /// Grown with each change.
    pub version: i64,
    /// When it was made.
    pub created_us: i64,
    /// When it last changed.
    pub updated_us: i64,
}

/// What one budget has posted and reserved in one period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Which budget.
    pub budget_id: String,
    /// Since when.
    pub period_start_us: i64,
    /// Who owns it.
    pub identity_id: String,
    /// Spent.
    pub posted_nanousd: i64,
    /// Held.
    pub reserved_nanousd: i64,
    /// Billed beyond what was held.
    pub overrun_nanousd: i64,
    /// How much of that was there when it was last taken too far, or unfrozen.
    pub overrun_seen_nanousd: i64,
    /// Since when it admits nothing; 0 if it does.
    pub frozen_us: i64,
}
