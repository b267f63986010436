//! Which slot a call takes.
//!
//! A provider that takes N requests in any window has N slots. A call takes one before it goes
//! out, and the slot is free again a window after its dispatch, so no span of a window's length
//! ever holds more than N dispatches. Until the dispatch is known the slot is held as if it came
//! as late as it may; [`Dispatched`] then lowers that.
//!
//! A provider that has said when to come back ([`HoldBack`]) is given no call before that time,
//! whoever asks: then all its slots count as free no sooner.

use chenu_engine::limit::{self as engine, SlotChoice};

use crate::answer::Answer;
use crate::command::{Dispatched, HoldBack, LetGo, Readmit};
use crate::rows::{HOLD_SLOT, RETIRED_US, Slot};
use crate::rules::Rules;
use crate::view::{Need, Row, View};
use crate::{Broken, Decided, Moment};

/// No slot is free. The times at which the next ones will be, soonest first, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoSlot(pub(crate) Vec<i64>);

impl NoSlot {
    pub(crate) fn answer(self) -> Answer {
        Answer::Wait { free_times_us: self.0 }
    }
}

/// What [`take`] reads: the slot that is free first, the last one, and the row of a hold, which
/// comes before them.
pub(crate) fn needs(provider: &str) -> Need {
    Need::Slots(provider.to_owned(), 2)
}

/// Take the slot that has been free longest, or a new one while there are fewer than the limit.
pub(crate) fn take(
    view: &mut View<'_>,
    rules: &Rules,
    provider: &str,
    now_us: i64,
) -> Decided<Result<Slot, NoSlot>> {
    let limit = rules.limit_of(provider);
    // The row of a hold has a number beyond all slots, and would be counted as the last of them.
    let (hold, stored): (Vec<Slot>, Vec<Slot>) =
        view.slots(provider).cloned().partition(|slot| slot.slot == HOLD_SLOT);
    let hold = hold.into_iter().next();
    let created = created(&stored);
    let slots: Vec<Slot> = stored.into_iter().filter(|slot| slot.free_at_us < RETIRED_US).collect();
    if let Some(hold) = hold.as_ref().filter(|hold| hold.held_until_us() > now_us) {
        // The provider's word alone may be too early: its slots can be taken for longer than that.
        let free_at_us = first_after(hold.held_until_us(), &slots, limit.requests - created);
        return Ok(Err(NoSlot(vec![free_at_us])));
    }
    if let Some(over) = hold.as_ref().filter(|hold| hold.held_until_us() != 0) {
        // Left as it is, a hold that is over would go on being found first by all who look for the
        // oldest slot.
        view.put(Row::Slot(Slot { free_at_us: RETIRED_US, ..over.clone() }));
    }
    if created > limit.requests {
        return Ok(Err(retire(view, &slots, created, now_us)?));
    }
    // Slot numbers end below 2^31 (`HOLD_SLOT`), so nothing is cut off here.
    let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let candidate =
        |slot: &Slot| engine::Slot { number: number(slot.slot), free_at_us: slot.free_at_us };
    let candidates: Vec<engine::Slot> = slots.iter().map(candidate).collect();
    let choice = engine::choose_slot(&candidates, number(created), number(limit.requests), now_us)
        .map_err(|_| Broken::State("a provider has no slot, and none may be made"))?;
    match choice {
        SlotChoice::Free(taken) | SlotChoice::New(taken) => {
            let slot = Slot {
                ledger_number: rules.ledger_number,
                provider: provider.to_owned(),
                slot: taken.into(),
                // As if it were dispatched as late as it may be: right also where a crash loses the
                // word of the true time, only a little long.
                free_at_us: now_us + limit.held_before_dispatch_us(),
            };
            view.put(Row::Slot(slot.clone()));
            Ok(Ok(slot))
        }
        SlotChoice::NoneUntil { retry_at_us } => Ok(Err(NoSlot(vec![retry_at_us]))),
    }
}

/// When the first slot is free if none is before `until_us`, and so many more could be made.
fn first_after(until_us: i64, slots: &[Slot], uncreated: i64) -> i64 {
    let known = slots.iter().map(|slot| slot.free_at_us.max(until_us)).min();
    if uncreated > 0 { until_us } else { known.unwrap_or(until_us) }
}

/// How many slots are in use. Those that this batch has taken away are the highest ones.
fn created(stored: &[Slot]) -> i64 {
    let retired = stored.iter().filter(|slot| slot.free_at_us == RETIRED_US);
    // Slots are numbered without a gap and the last one is always loaded, so its number tells how
    // many there are.
    let last = stored.iter().map(|slot| slot.slot).max().unwrap_or(-1);
    retired.map(|slot| slot.slot).min().unwrap_or(last + 1)
}

/// Bring the slots one nearer to a lowered limit, as soon as one is free.
///
/// The free place goes and the highest slot takes its number, so that the calls in flight stay
/// counted and at no time more are in flight than were before. Nothing is admitted until then.
fn retire(view: &mut View<'_>, slots: &[Slot], created: i64, now_us: i64) -> Decided<NoSlot> {
    let first = slots.iter().min_by_key(|slot| (slot.free_at_us, slot.slot));
    let first = first.ok_or(Broken::Missing("a provider has slots, and none was loaded"))?;
    let last = slots.iter().find(|slot| slot.slot == created - 1);
    let Some(last) = last.filter(|_| first.free_at_us <= now_us) else {
        return Ok(NoSlot(vec![first.free_at_us.max(now_us)]));
    };
    // Where the free one is the last one itself, the second row takes the place of the first, and
    // it is gone.
    view.put(Row::Slot(Slot { free_at_us: last.free_at_us, ..first.clone() }));
    view.put(Row::Slot(Slot { free_at_us: RETIRED_US, ..last.clone() }));
    // To be asked again at once; it ends, because each ask brings the slots one nearer.
    Ok(NoSlot(vec![now_us]))
}

/// The slot that was taken.
pub(crate) fn needs_dispatched(asked: &Dispatched) -> Vec<Need> {
    vec![Need::Slot(asked.slot.provider.clone(), asked.slot.slot)]
}

/// Lower the slot's time, unless it was given to a later call meanwhile. The batch maps the
/// dispatch onto its own time, so that a step of the clock does not shorten the window.
pub(crate) fn dispatched(
    view: &mut View<'_>,
    asked: &Dispatched,
    rules: &Rules,
    now: &Moment,
) -> Answer {
    // Number and time are compared: one that was given on has a later time, and to lower that would
    // let a call in too many.
    let same = view.slot(&asked.slot.provider, asked.slot.slot) == Some(&asked.slot);
    if same {
        let limit = rules.limit_of(&asked.slot.provider);
        let free_at_us = now.at(asked.dispatched_ns) + limit.held_after_dispatch_us();
        view.put(Row::Slot(Slot { free_at_us, ..asked.slot.clone() }));
    }
    Answer::Done(same)
}

/// What a provider has said before.
pub(crate) fn needs_hold(provider: &str) -> Vec<Need> {
    vec![Need::Slot(provider.to_owned(), HOLD_SLOT)]
}

/// Hold its slots back, unless they are held for longer already.
pub(crate) fn hold_back(
    view: &mut View<'_>,
    asked: &HoldBack,
    rules: &Rules,
    now: &Moment,
) -> Answer {
    let until_us = now.at(asked.told_ns) + asked.wait_us;
    let before = view.slot(&asked.provider, HOLD_SLOT).map_or(0, Slot::held_until_us);
    // Of calls that were told different times the longest wait satisfies all; a time that is over
    // is not worth a row.
    let longer = until_us > before.max(now.now_us);
    if longer {
        view.put(Row::Slot(Slot {
            ledger_number: rules.ledger_number,
            provider: asked.provider.clone(),
            slot: HOLD_SLOT,
            free_at_us: -until_us,
        }));
    }
    Answer::Done(longer)
}

/// Give its slots out again, if they are held back.
pub(crate) fn let_go(view: &mut View<'_>, asked: &LetGo) -> Answer {
    let stored = view.slot(&asked.provider, HOLD_SLOT).filter(|hold| hold.held_until_us() != 0);
    let Some(hold) = stored.cloned() else { return Answer::Done(false) };
    view.put(Row::Slot(Slot { free_at_us: RETIRED_US, ..hold }));
    Answer::Done(true)
}

/// The call's slot, and others in case that one is gone.
pub(crate) fn needs_readmit(asked: &Readmit) -> Vec<Need> {
    let Slot { provider, slot, .. } = &asked.slot;
    vec![Need::Slot(provider.clone(), *slot), needs(provider)]
}

/// Keep the same slot for as long as a new admission would, if it is still this call's.
pub(crate) fn readmit(
    view: &mut View<'_>,
    asked: &Readmit,
    rules: &Rules,
    now_us: i64,
) -> Decided<Answer> {
    let Slot { provider, slot, .. } = &asked.slot;
    // The provider may have said to come back later after this call was admitted, and a slot that
    // is its own does not outweigh that.
    let held = view.slots(provider).any(|each| each.held_until_us() > now_us);
    if held || view.slot(provider, *slot) != Some(&asked.slot) {
        let taken = take(view, rules, provider, now_us)?;
        return Ok(taken.map_or_else(NoSlot::answer, Answer::Slot));
    }
    let free_at_us = now_us + rules.limit_of(provider).held_before_dispatch_us();
    let kept = Slot { free_at_us, ..asked.slot.clone() };
    view.put(Row::Slot(kept.clone()));
    Ok(Answer::Slot(kept))
}
