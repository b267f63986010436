//! Making, changing and removing budgets: each leaves one entry.

use chenu_engine::vocabulary::{BudgetPeriod, BudgetScope};
use serde::{Deserialize, Serialize};

use super::Caller;

/// Add a budget. It counts from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBudget {
    /// Who adds it, to whose.
    pub caller: Caller,
    /// A new id.
    pub budget_id: String,
    /// What it covers.
    pub scope: BudgetScope,
    /// When its amounts start again.
    pub period: BudgetPeriod,
    /// What may be spent in a period.
    pub limit_nanousd: i64,
}

/// Change a budget's limit. One below what is spent and held admits nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBudget {
    /// Who changes it, of whose.
    pub caller: Caller,
    /// Which.
    pub budget_id: String,
    /// To what.
    pub limit_nanousd: i64,
    /// The version that was seen; none for any.
    pub version: Option<i64>,
}

/// Let a frozen budget admit again. What is overrun counts on, and as seen by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfreezeBudget {
    /// Who, of whose.
    pub caller: Caller,
    /// Which.
    pub budget_id: String,
    /// Why.
    pub reason: String,
}

/// Remove a budget on which nothing is reserved. Its row stays, marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBudget {
    /// Who, of whose.
    pub caller: Caller,
    /// Which.
    pub budget_id: String,
    /// The version that was seen; none for any.
    pub version: Option<i64>,
}
