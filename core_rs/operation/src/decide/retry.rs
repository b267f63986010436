//! The next candidate, in one command with the end of the one that failed.

use super::slots::{self, NoSlot};
use super::{attempts, budgets};
use crate::answer::Answer;
use crate::command::Retry;
use crate::rows::HoldState;
use crate::rules::Rules;
use crate::view::{Need, View};
use crate::{Broken, Decided, Moment};

/// The money, budgets now, and the candidate's oldest slots.
pub(crate) fn needs(asked: &Retry, now: &Moment) -> Vec<Need> {
    let mut needs = budgets::needs_for_reserve(&asked.operation.identity_id, now.now_us);
    needs.push(Need::Hold(asked.operation.key()));
    needs.extend(asked.chain.first().map(|first| slots::needs(&first.provider)));
    needs
}

/// The budgets that the money is held in.
pub(crate) fn needs_next(asked: &Retry, view: &View<'_>) -> Vec<Need> {
    budgets::needs_for_legs(view.hold(&asked.operation.key()))
}

/// Post what the failed attempt may have cost, cover the next bound, take its slot.
///
/// A candidate that is too dear is left to the caller, who asks for the next one in that one's own
/// queue: taking its slot from here would pass by those who wait for it.
pub(crate) fn decide(
    asked: &Retry,
    view: &mut View<'_>,
    rules: &Rules,
    now: &Moment,
) -> Decided<Answer> {
    let stored = view.hold(&asked.operation.key()).cloned();
    // Whoever ends a query ends its hold in the same commit, so the hold alone tells whether the
    // run still owns it.
    let Some(hold) = stored.filter(|hold| hold.state == HoldState::Held) else {
        return Ok(Answer::NotHeld);
    };
    let next = asked.chain.first().ok_or(Broken::State("a retry has somebody to call"))?;
    let charge = asked.ended.charge_nanousd;
    // Before a slot is taken: one that is taken by a call which cannot be made is lost to all for a
    // whole window.
    if next.bound_nanousd > budgets::room_after(view, &hold, charge, now.now_us)? {
        return Ok(Answer::TooDear);
    }
    let slot = match slots::take(view, rules, &next.provider, now.now_us)? {
        Ok(slot) => slot,
        Err(none) => return Ok(NoSlot::answer(none)),
    };
    // The failed attempt's bill leaves the hold first, so that only what is left of it counts
    // toward the next bound.
    let hold = budgets::post_part(view, &hold, charge, asked.ended.estimated, now.now_us)?;
    budgets::top_up(view, &hold, next.bound_nanousd, now.now_us)?
        .map_err(|_| Broken::State("room was found on these very rows"))?;
    // As its run knows it, which needs no load: while the money is held nobody else writes this
    // row.
    let mut operation = asked.operation.clone();
    attempts::end(view, &mut operation, &asked.ended, "", now);
    let drafts = vec![attempts::end_event(&asked.ended, true)?];
    attempts::open(view, operation, asked.chain.clone(), &slot, drafts, now)
}
