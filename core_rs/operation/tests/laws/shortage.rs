//! Who is refused for want of money: a frozen budget refuses first, and only one that is frozen or
//! short refuses at all.

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::BudgetScope;
use chenu_operation::answer::Answer;
use chenu_operation::command::{Admit, Command, Retry};
use chenu_operation::rows::{Hold, HoldState, Operation, Period};

use crate::money::{allowed, covering, goes_on, is_frozen, leg_of};
use crate::world::World;

/// Check a refusal, or that there was none.
pub(crate) fn check(before: &World, command: &Command, answer: &Answer) {
    match (command, answer) {
        (Command::Admit(asked), Answer::Closed(operation)) => {
            check_denied(before, asked, operation);
        }
        (Command::Consume(_), Answer::Closed(operation)) => check_withdrawn(before, operation),
        (Command::Retry(asked), answer) => check_retry(before, asked, answer),
        _ => {}
    }
}

/// What the policies allow and somebody can answer is denied for money only.
fn check_denied(before: &World, asked: &Admit, operation: &Operation) {
    if !asked.verdict.allowed || asked.plan.chain.is_empty() {
        return;
    }
    let mut ids = covering(before, &asked.caller.identity_id).map(|it| it.budget_id.as_str());
    let reason = if covering(before, &asked.caller.identity_id).next().is_none() {
        ErrorReason::BudgetRequired
    } else if ids.any(|id| is_frozen(before, id)) {
        ErrorReason::BudgetFrozen
    } else {
        ErrorReason::BudgetExhausted
    };
    assert_eq!(Some(reason), operation.outcome.reason, "{asked:?}");
}

/// What is held does not help where a budget is frozen today.
fn check_withdrawn(before: &World, operation: &Operation) {
    let hold = before.hold(operation).unwrap();
    let frozen = hold.legs.iter().any(|(budget_id, _)| is_frozen(before, budget_id));
    let deleted = hold.legs.iter().any(|(budget_id, _)| before.budget(budget_id).deleted);
    match operation.outcome.reason {
        Some(ErrorReason::BudgetFrozen) => assert!(frozen, "{hold:?}"),
        Some(ErrorReason::BudgetExhausted) => assert!(deleted || !frozen, "{hold:?}"),
        _ => {}
    }
}

/// The next attempt is too dear exactly where it needs more than is left of what is held, and a
/// budget is frozen, or frozen by the failed attempt's bill, or has no room for the difference.
fn check_retry(before: &World, asked: &Retry, answer: &Answer) {
    let hold = before.hold(&asked.operation).unwrap();
    if hold.state != HoldState::Held {
        return;
    }
    let used = asked.ended.charge_nanousd;
    let over = (used - hold.amount_nanousd).max(0);
    let missing = asked.chain[0].bound_nanousd - (hold.amount_nanousd - used).max(0);
    let frozen = hold.legs.iter().any(|(budget_id, _)| is_frozen(before, budget_id));
    let refuses = |it: &Period| freezes(before, it, over) || is_short(before, it, over + missing);
    let too_dear = missing > 0 && (frozen || periods(before, hold).any(refuses));
    assert_eq!(too_dear, *answer == Answer::TooDear, "{asked:?}: {hold:?}");
}

fn periods<'a>(world: &'a World, hold: &Hold) -> impl Iterator<Item = &'a Period> {
    world.periods().filter(|period| hold.legs.contains(&leg_of(period)))
}

fn freezes(world: &World, period: &Period, over: i64) -> bool {
    let budget = world.budget(&period.budget_id);
    let beyond = period.overrun_nanousd + over - period.overrun_seen_nanousd;
    let may = budget.scope != BudgetScope::Global && goes_on(period, budget, world.now_us);
    may && over > 0 && beyond * 100 > budget.limit_nanousd
}

fn is_short(world: &World, period: &Period, wanted: i64) -> bool {
    let taken = period.posted_nanousd + period.reserved_nanousd + period.overrun_nanousd;
    taken + wanted > allowed(world, period)
}
