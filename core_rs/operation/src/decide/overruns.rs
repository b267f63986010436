//! What becomes of a bill beyond what was held: always told, and too much of it freezes.
//!
//! Beyond 1 % of a budget's limit the narrowest such budget of the operation is frozen, by the
//! command that books the bill: it admits nothing more in this period. A budget over everybody is
//! never frozen. What stands overrun then counts as seen in all of them, as it does when a person
//! unfreezes the budget: only another 1 % freezes again.

use chenu_engine::budget::{self as engine, Account};
use chenu_engine::vocabulary::{BudgetScope, LedgerAction, LedgerDecision};

use super::budgets::{Short, Standing};
use crate::Decided;
use crate::entry::{EntryDraft, Payload};
use crate::rows::{Period, Principal};
use crate::view::{Row, View};

const FROZEN: &str = "BUDGET_FROZEN";
const OVERRUN: &str = "BUDGET_OVERRUN";

/// A budget as it stood, and its account with the bill in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) standing: Standing,
    pub(crate) account: Account,
}

impl Booked {
    /// By how much the bill goes beyond what was held.
    pub(crate) fn growth(&self) -> i64 {
        self.account.overrun - self.standing.period.overrun_nanousd
    }

    fn is_too_far(&self) -> Decided<bool> {
        let seen = self.standing.period.overrun_seen_nanousd;
        // A bill that fits freezes nothing, also where the limit was lowered and old overrun is
        // suddenly more than 1 % of it.
        Ok(self.growth() > 0 && engine::overran(&self.account, seen)?)
    }
}

/// The first frozen budget, in the periods that go on: what an ended one forbids binds nobody.
pub(crate) fn frozen_among(standings: &[Standing], identity_id: &str) -> Option<Short> {
    let frozen = standings.iter().find(|each| each.period.frozen_us != 0);
    frozen.map(|each| Short::Frozen {
        scope: each.budget.scope,
        budget_id: each.told_to(identity_id),
    })
}

/// Put every period with its bill; freeze and record where that is an overrun.
pub(crate) fn book(
    view: &mut View<'_>,
    request_id: &str,
    booked: &[Booked],
    now_us: i64,
) -> Decided<()> {
    // Found over all legs before any is put: one freeze answers for the whole bill.
    let frozen = narrowest(booked, now_us)?;
    for (at, each) in booked.iter().enumerate() {
        let mut period = each.standing.after(&each.account);
        // Seen in every leg and not only in the frozen one, or the next small bill would freeze the
        // next wider budget for money that was answered for.
        if each.is_too_far()? {
            period.overrun_seen_nanousd = each.account.overrun;
        }
        if frozen == Some(at) {
            period = Period { frozen_us: now_us, ..period };
        }
        view.put(Row::Period(period));
        if each.growth() > 0 {
            let reason = if frozen == Some(at) { FROZEN } else { OVERRUN };
            view.record(entry(each, request_id, reason));
        }
    }
    Ok(())
}

/// Whether this bill would freeze a budget.
pub(crate) fn freezes(booked: &[Booked], now_us: i64) -> Decided<bool> {
    Ok(narrowest(booked, now_us)?.is_some())
}

/// The place of the narrowest that a bill takes too far; none if that one is frozen already.
/// Neither a deleted budget nor an ended period can be.
fn narrowest(booked: &[Booked], now_us: i64) -> Decided<Option<usize>> {
    let mut found: Option<(usize, &Standing, u8)> = None;
    for (at, each) in booked.iter().enumerate() {
        let Some(width) = width(each.standing.budget.scope) else { continue };
        let standing = &each.standing;
        if !each.is_too_far()? || standing.budget.deleted || !standing.is_current(now_us) {
            continue;
        }
        // Age and then id break ties, so that a replay on other rows' order freezes the same
        // budget.
        let key = |standing: &Standing, width| {
            (width, standing.budget.created_us, standing.budget.budget_id.clone())
        };
        let narrower =
            found.is_none_or(|(_, best, best_width)| key(standing, width) < key(best, best_width));
        if narrower {
            found = Some((at, standing, width));
        }
    }
    // Frozen already it goes on answering: the next wider one is not frozen in its place.
    Ok(found.filter(|(_, standing, _)| standing.period.frozen_us == 0).map(|(at, ..)| at))
}

/// How wide a scope is, the narrowest first; none for the one over everybody.
fn width(scope: BudgetScope) -> Option<u8> {
    match scope {
        BudgetScope::Agent => Some(0),
        BudgetScope::Thread => Some(1),
        BudgetScope::Sphere => Some(2),
        BudgetScope::Identity => Some(3),
        BudgetScope::Provider => Some(4),
        // One identity's bill must not stop all the others.
        BudgetScope::Global => None,
    }
}

fn entry(booked: &Booked, request_id: &str, reason: &str) -> EntryDraft {
    let Standing { budget, period } = &booked.standing;
    let payload = Payload::new()
        .with("limit_nanousd", booked.account.limit)
        .with("overrun_by_nanousd", booked.growth())
        .with("overrun_nanousd", booked.account.overrun)
        .with("period", budget.period.wire_name())
        .with("period_start_us", period.period_start_us)
        .with("request_id", request_id)
        .with("scope", budget.scope.wire_name());
    EntryDraft {
        decision: LedgerDecision::Admin,
        action: LedgerAction::Update,
        identity_id: budget.identity_id.clone(),
        subject: Principal::system(),
        acting_for: Vec::new(),
        resource_kind: "budget".to_owned(),
        resource_id: budget.budget_id.clone(),
        reason: reason.to_owned(),
        payload: payload.canonical(),
    }
}
