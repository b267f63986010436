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
    let Some(hold) = stored.filter(|hold| hold.state == HoldState::Held) else {
        return Ok(Answer::NotHeld);
    };
    let next = asked.chain.first().ok_or(Broken::State("a retry has somebody to call"))?;
    let charge = asked.ended.charge_nanousd;
    if next.bound_nanousd > budgets::room_after(view, &hold, charge, now.now_us)? {
        return Ok(Answer::TooDear);
    }
    let slot = match slots::take(view, rules, &next.provider, now.now_us)? {
        Ok(slot) => slot,
        Err(none) => return Ok(NoSlot::answer(none)),
    };
    let hold = budgets::post_part(view, &hold, charge, asked.ended.estimated, now.now_us)?;
    budgets::top_up(view, &hold, next.bound_nanousd, now.now_us)?
        .map_err(|_| Broken::State("room was found on these very rows"))?;
    let mut operation = asked.operation.clone();
    attempts::end(view, &mut operation, &asked.ended, "", now);
    let drafts = vec![attempts::end_event(&asked.ended, true)?];
    attempts::open(view, operation, asked.chain.clone(), &slot, drafts, now)
}
