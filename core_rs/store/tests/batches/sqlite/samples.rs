//! Commands that need little: each budget is of an identity of its own.

use chenu_engine::vocabulary::{BudgetPeriod, BudgetScope, PrincipalType, ViolationType};
use chenu_operation::command::{
    Caller, Command, CreateBudget, HoldFiles, LetGo, RecordViolation, UpdateBudget,
};
use chenu_operation::rows::{Bytes, Principal};
use chenu_operation::rules::Rules;

use crate::walk::walks;

pub(crate) fn rules() -> Rules {
    walks().remove(0).steps.remove(0).0
}

pub(crate) fn paired<'a>(
    commands: &'a [Command],
    rules: &'a Rules,
) -> Vec<(&'a Command, &'a Rules)> {
    commands.iter().map(|command| (command, rules)).collect()
}

fn caller(name: &str) -> Caller {
    Caller {
        identity_id: format!("team of {name}"),
        principal: Principal { kind: PrincipalType::User, id: "ann".to_owned() },
        acting_for: Vec::new(),
    }
}

/// Leaves a row and an entry.
pub(crate) fn creates(budget: &str) -> Command {
    Command::CreateBudget(CreateBudget {
        caller: caller(budget),
        budget_id: budget.to_owned(),
        scope: BudgetScope::Identity,
        period: BudgetPeriod::Total,
        limit_nanousd: 10,
    })
}

/// Likewise, if the budget is there.
pub(crate) fn updates(budget: &str, limit_nanousd: i64) -> Command {
    Command::UpdateBudget(UpdateBudget {
        caller: caller(budget),
        budget_id: budget.to_owned(),
        limit_nanousd,
        version: None,
    })
}

/// Leaves a row that is written once, and never looked for before.
pub(crate) fn violates(violation: &str) -> Command {
    Command::RecordViolation(RecordViolation {
        violation_id: violation.to_owned(),
        caller: caller("a violation"),
        method: "Get".to_owned(),
        peer: "ipv4:10.0.0.1:1".to_owned(),
        kind: ViolationType::CrossIdentityAccess,
        target_kind: "nova.query".to_owned(),
        target_id: "somebody's".to_owned(),
    })
}

/// Leaves rows and no entry.
pub(crate) fn holds(digests: impl Iterator<Item = u16>) -> Command {
    Command::HoldFiles(HoldFiles {
        identity_id: "acme".to_owned(),
        hold_id: "hold".to_owned(),
        owner_id: "owner".to_owned(),
        digests: digests.map(digest).collect(),
    })
}

pub(crate) fn digest(number: u16) -> Bytes {
    Bytes(number.to_be_bytes().to_vec())
}

/// Leaves nothing.
pub(crate) fn idle() -> Command {
    Command::LetGo(LetGo { provider: "nobody".to_owned() })
}
