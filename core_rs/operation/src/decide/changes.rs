//! Making, changing and removing a budget.

use chenu_engine::vocabulary::{LedgerAction, LedgerDecision};

use super::budgets;
use crate::Moment;
use crate::answer::Answer;
use crate::command::{Caller, CreateBudget, DeleteBudget, UnfreezeBudget, UpdateBudget};
use crate::entry::{EntryDraft, Payload};
use crate::periods;
use crate::rows::{Budget, Leg, Period};
use crate::view::{Need, Row, View};

const UNFROZEN: &str = "BUDGET_UNFROZEN";

/// One open budget for each scope and period of an identity.
pub(crate) fn create(view: &mut View<'_>, asked: &CreateBudget, now: &Moment) -> Answer {
    let identity_id = asked.caller.identity_id.as_str();
    let alike = |other: &&Budget| {
        other.scope == asked.scope && other.scope_value.is_empty() && other.period == asked.period
    };
    // Of two alike only the lower limit would ever count, and who raises the other one would wonder
    // why nothing changes.
    if let Some(other) = view.open_budgets(identity_id).find(alike) {
        return Answer::Exists { budget_id: other.budget_id.clone() };
    }
    let budget = Budget {
        budget_id: asked.budget_id.clone(),
        identity_id: identity_id.to_owned(),
        scope: asked.scope,
        scope_value: String::new(),
        period: asked.period,
        limit_nanousd: asked.limit_nanousd,
        granted_nanousd: 0,
        deleted: false,
        version: 1,
        created_us: now.now_us,
        updated_us: now.now_us,
    };
    view.put(Row::Budget(budget.clone()));
    view.record(entry(&asked.caller, LedgerAction::Create, &budget, "", Payload::new()));
    standing(view, budget, now)
}

/// The budget.
pub(crate) fn needs(budget_id: &str) -> Vec<Need> {
    vec![Need::Budget(budget_id.to_owned())]
}

/// Its current period.
pub(crate) fn needs_next(budget_id: &str, view: &View<'_>, now: &Moment) -> Vec<Need> {
    let budget = view.budget(budget_id);
    budget.map(|budget| Need::Period(leg(budget, now))).into_iter().collect()
}

fn leg(budget: &Budget, now: &Moment) -> Leg {
    (budget.budget_id.clone(), periods::period_start_us(budget.period, now.now_us))
}

fn standing(view: &View<'_>, budget: Budget, now: &Moment) -> Answer {
    let period = budgets::current(view, &budget, now.now_us).period;
    Answer::Standing(Box::new((budget, period)))
}

/// The budget with its new limit and version.
pub(crate) fn update(view: &mut View<'_>, asked: &UpdateBudget, now: &Moment) -> Answer {
    let Some(budget) = open(view, &asked.caller, &asked.budget_id) else { return Answer::Absent };
    // Two admins who have read the same limit must not overwrite each other unseen.
    if let Some(stale) = stale(&budget, asked.version) {
        return stale;
    }
    let before = Payload::new().with("limit_before_nanousd", budget.limit_nanousd);
    // No period is touched: a changed limit neither freezes a budget nor thaws one, which takes a
    // person's word and reason.
    let changed = Budget {
        limit_nanousd: asked.limit_nanousd,
        version: budget.version + 1,
        updated_us: now.now_us,
        ..budget
    };
    view.put(Row::Budget(changed.clone()));
    view.record(entry(&asked.caller, LedgerAction::Update, &changed, "", before));
    standing(view, changed, now)
}

/// The budget as it stands after; one that is not frozen stays as it is, without a word.
pub(crate) fn unfreeze(view: &mut View<'_>, asked: &UnfreezeBudget, now: &Moment) -> Answer {
    let Some(budget) = open(view, &asked.caller, &asked.budget_id) else { return Answer::Absent };
    // Only the period that goes on: a freeze ends with its period, and there is nothing to lift in
    // an older one.
    let frozen = view.period(&leg(&budget, now)).filter(|period| period.frozen_us != 0).cloned();
    let Some(frozen) = frozen else { return standing(view, budget, now) };
    let told = Payload::new()
        .with("frozen_us", frozen.frozen_us)
        .with("overrun_nanousd", frozen.overrun_nanousd)
        .with("reason", asked.reason.as_str());
    // What came on top while it was frozen counts as seen too, or it would be held against the next
    // bill.
    let thawed = Period { frozen_us: 0, overrun_seen_nanousd: frozen.overrun_nanousd, ..frozen };
    view.put(Row::Period(thawed.clone()));
    view.record(entry(&asked.caller, LedgerAction::Update, &budget, UNFROZEN, told));
    Answer::Standing(Box::new((budget, thawed)))
}

/// The budget and all its periods.
pub(crate) fn needs_delete(budget_id: &str) -> Vec<Need> {
    vec![Need::Budget(budget_id.to_owned()), Need::PeriodsOf(budget_id.to_owned())]
}

/// The budget as it was.
pub(crate) fn delete(view: &mut View<'_>, asked: &DeleteBudget, now: &Moment) -> Answer {
    let Some(budget) = open(view, &asked.caller, &asked.budget_id) else { return Answer::Absent };
    if let Some(stale) = stale(&budget, asked.version) {
        return stale;
    }
    // In any period and not only in today's: what was admitted before midnight still holds
    // yesterday's money.
    if view.periods_of(&asked.budget_id).any(|period| period.reserved_nanousd != 0) {
        return Answer::InUse;
    }
    let version = budget.version + 1;
    let updated_us = now.now_us;
    // Marked and not removed: periods, ended holds and entries go on naming it.
    view.put(Row::Budget(Budget { deleted: true, version, updated_us, ..budget.clone() }));
    view.record(entry(&asked.caller, LedgerAction::Delete, &budget, "", Payload::new()));
    Answer::Deleted(Box::new(budget))
}

/// The caller's own budget; one of another identity is as if it were not there.
fn open(view: &View<'_>, caller: &Caller, budget_id: &str) -> Option<Budget> {
    let own = |budget: &&Budget| !budget.deleted && budget.identity_id == caller.identity_id;
    view.budget(budget_id).filter(own).cloned()
}

fn stale(budget: &Budget, seen: Option<i64>) -> Option<Answer> {
    let version = budget.version;
    seen.filter(|seen| *seen != version).map(|_| Answer::Stale { version })
}

fn entry(
    caller: &Caller,
    action: LedgerAction,
    budget: &Budget,
    reason: &str,
    more: Payload,
) -> EntryDraft {
    let payload = Payload::new()
        .with("limit_nanousd", budget.limit_nanousd)
        .with("period", budget.period.wire_name())
        .with("scope", budget.scope.wire_name())
        .and(more);
    EntryDraft {
        decision: LedgerDecision::Admin,
        action,
        identity_id: caller.identity_id.clone(),
        subject: caller.principal.clone(),
        acting_for: caller.acting_for.clone(),
        resource_kind: "budget".to_owned(),
        resource_id: budget.budget_id.clone(),
        reason: reason.to_owned(),
        payload: payload.canonical(),
    }
}
