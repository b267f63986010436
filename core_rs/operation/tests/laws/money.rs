//! Money: nothing is made or lost, and nothing new is admitted beyond a limit.

use std::collections::BTreeSet;

use chenu_engine::vocabulary::{BudgetPeriod, CheckpointState, OperationKind};
use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::decide::Effects;
use chenu_operation::rows::{
    AttemptState, Budget, Hold, HoldState, Leg, Operation, Period, SYSTEM,
};
use chenu_operation::view::Row;

use crate::world::{DAY_US, World};

// --- at every commit ----------------------------------------------------------------------------

/// Each period has reserved, posted and overrun what the holds in it say.
pub(crate) fn check(world: &World) {
    for period in world.periods() {
        check_period(world, period);
    }
    for hold in world.holds() {
        let legs: BTreeSet<&Leg> = hold.legs.iter().collect();
        assert_eq!(legs.len(), hold.legs.len(), "a budget holds an operation's money once");
        let stand = |leg: &&Leg| world.periods().any(|period| leg_of(period) == **leg);
        assert!(hold.legs.iter().all(|leg| stand(&leg)), "{hold:?}");
        assert!(hold.amount_nanousd >= 0);
    }
    for operation in world.operations() {
        check_bill(world, operation);
    }
}

pub(crate) fn leg_of(period: &Period) -> Leg {
    (period.budget_id.clone(), period.period_start_us)
}

fn check_period(world: &World, period: &Period) {
    let leg = leg_of(period);
    let holds: Vec<&Hold> = world.holds().filter(|hold| hold.legs.contains(&leg)).collect();
    let sum = |of: fn(&Hold) -> i64| holds.iter().map(|hold| of(hold)).sum::<i64>();
    let (posted, overrun) = (sum(|hold| hold.posted_nanousd), sum(|hold| hold.overrun_nanousd));

    assert_eq!(sum(|hold| hold.amount_nanousd), period.reserved_nanousd, "{leg:?}");
    assert_eq!(posted + overrun, period.posted_nanousd + period.overrun_nanousd, "{leg:?}");
    // A late bill may fit in one budget and not in another; its hold tells the worst of them.
    let may_differ = |hold: &&&Hold| hold.state == HoldState::Expired && hold.legs.len() > 1;
    if !holds.iter().any(|hold| may_differ(&hold)) {
        assert_eq!(posted, period.posted_nanousd, "{leg:?}");
    }
    assert!(posted <= period.posted_nanousd && period.overrun_nanousd >= 0);
    assert!(period.overrun_seen_nanousd <= period.overrun_nanousd);
}

/// An operation has cost what its attempts have, which is what was posted and overrun for it.
/// Only what has not ended holds money.
fn check_bill(world: &World, operation: &Operation) {
    let cost: i64 = match operation.kind {
        OperationKind::Query => world.attempts(operation).map(|it| it.cost_nanousd).sum(),
        OperationKind::Reservation => operation.cost_nanousd,
        OperationKind::ToolCall => {
            let free = (operation.cost_nanousd, world.hold(operation));
            assert_eq!((0, None), free, "a proposed call costs nothing: {operation:?}");
            return;
        }
    };
    assert_eq!(cost, operation.cost_nanousd, "{operation:?}");
    let Some(hold) = world.hold(operation) else {
        assert!(operation.is_final() && cost == 0, "only what was denied holds nothing");
        return;
    };
    assert_eq!(cost, hold.posted_nanousd + hold.overrun_nanousd, "{hold:?}");
    assert_eq!(operation.is_final(), hold.state != HoldState::Held, "{operation:?}: {hold:?}");
    assert_eq!(operation.is_final(), hold.ended_us != 0);
    assert!(hold.state == HoldState::Held || hold.amount_nanousd == 0, "{hold:?}");
    let executing = world.attempts(operation).find(|it| it.state == AttemptState::Executing);
    let bound = executing.map_or(0, |attempt| attempt.bound_nanousd);
    assert!(bound <= hold.amount_nanousd, "what runs is covered: {hold:?}");
    let by_lease = operation.owner_id.as_str();
    assert_eq!(by_lease, if operation.is_final() { "" } else { hold.owner_id.as_str() });
    let asked = world.checkpoint(operation).filter(|it| it.is_open());
    let until_us = asked.map(|it| match it.state {
        CheckpointState::Pending => it.expires_us,
        _ => it.use_before_us,
    });
    let lapses = until_us.is_some() || hold.state == HoldState::Held;
    let by_time = until_us.is_none() && operation.kind == OperationKind::Reservation;
    let ends = if by_time { hold.expires_us > 0 } else { until_us.unwrap_or(0) == hold.expires_us };
    assert!(!lapses || ends, "{hold:?}");
}

// --- from one commit to the next ----------------------------------------------------------------

/// Check what a command does to the money.
pub(crate) fn check_step(before: &World, after: &World, command: &Command, effects: &Effects) {
    for row in &effects.rows {
        match row {
            Row::Hold(hold) if before.same(row).is_none() => check_new_hold(before, hold),
            Row::Period(period) => check_limit(before, after, row, period),
            _ => {}
        }
    }
    check_admitted(before, after, command, &effects.answer);
}

/// All or none: the budgets that it is held in are all those that cover it, in their periods now.
fn check_new_hold(before: &World, hold: &Hold) {
    let start = |budget: &Budget| start_us(budget, before.now_us);
    let covering = covering(before, &hold.identity_id);
    let legs: BTreeSet<Leg> = covering.map(|it| (it.budget_id.clone(), start(it))).collect();

    assert_eq!(legs, hold.legs.iter().cloned().collect(), "all budgets or none");
}

/// An identity's own budgets, which are over all that it does, and those over everybody.
pub(crate) fn covering<'a>(
    world: &'a World,
    identity_id: &'a str,
) -> impl Iterator<Item = &'a Budget> {
    let owners = [SYSTEM, identity_id];
    world.budgets().filter(move |it| !it.deleted && owners.contains(&&*it.identity_id))
}

/// The periods that this world has begin at midnight, or never.
fn start_us(budget: &Budget, now_us: i64) -> i64 {
    if budget.period == BudgetPeriod::Total { 0 } else { now_us - now_us % DAY_US }
}

/// Whether a period has not ended.
pub(crate) fn goes_on(period: &Period, budget: &Budget, now_us: i64) -> bool {
    period.period_start_us == start_us(budget, now_us)
}

/// Whether a budget admits nothing in the period that goes on.
pub(crate) fn is_frozen(world: &World, budget_id: &str) -> bool {
    let budget = world.budget(budget_id);
    let mut frozen = world.periods().filter(|it| it.budget_id == budget_id && it.frozen_us != 0);
    frozen.any(|period| goes_on(period, budget, world.now_us))
}

pub(crate) fn allowed(world: &World, period: &Period) -> i64 {
    let budget = world.budget(&period.budget_id);
    budget.limit_nanousd + budget.granted_nanousd
}

/// What is spent and held grows only within the limit, whoever has lowered that before.
fn check_limit(before: &World, after: &World, row: &Row, period: &Period) {
    let used = |period: &Period| period.posted_nanousd + period.reserved_nanousd;
    let before = before.same(row).and_then(|row| match row {
        Row::Period(period) => Some(period),
        _ => None,
    });
    let grows = used(period) > before.map_or(0, used);
    assert!(!grows || used(period) <= allowed(after, period), "{before:?}: {period:?}");
}

/// Whether a reservation waits or may be spent since this command.
fn begins(before: &World, is: &Operation) -> bool {
    let was = before.operation(&is.identity_id, &is.request_id).map(|was| was.status);
    !is.is_final() && was != Some(is.status)
}

/// Nothing new is admitted in a budget that is frozen, or beyond its limit with all overruns.
fn check_admitted(before: &World, after: &World, command: &Command, answer: &Answer) {
    let operation = match answer {
        _ if matches!(command, Command::Take(_)) => return, // a call holds no money
        Answer::Admitted { operation, .. } | Answer::Blocked { operation, .. } => operation,
        Answer::Reservation { operation, .. } if begins(before, operation) => operation,
        _ => return,
    };
    let hold = after.hold(operation).unwrap();
    if let Command::Retry(asked) = command {
        let was = before.hold(operation).unwrap().amount_nanousd;
        if hold.amount_nanousd <= (was - asked.ended.charge_nanousd).max(0) {
            return; // it goes on with what it holds
        }
    }
    for period in after.periods().filter(|period| hold.legs.contains(&leg_of(period))) {
        let used = period.posted_nanousd + period.reserved_nanousd + period.overrun_nanousd;
        assert!(used <= allowed(after, period), "{command:?} is admitted beyond {period:?}");
    }
    let frozen = hold.legs.iter().find(|(budget_id, _)| is_frozen(after, budget_id));
    assert_eq!(None, frozen, "{command:?} is admitted");
}
