//! What providers are promised, held against every time at which the calls may truly have gone out.

use std::collections::BTreeMap;

use chenu_operation::answer::Answer;
use chenu_operation::command::Command;
use chenu_operation::decide::Effects;
use chenu_operation::rows::{HOLD_SLOT, Slot};
use chenu_operation::rules::ProviderLimit;
use chenu_operation::view::Row;

use crate::world::World;

/// A call that was given a slot.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// As it was taken.
    pub(crate) slot: Slot,
    /// Between which true times it goes out, if it does.
    pub(crate) may_go_us: Option<(i64, i64)>,
    pub(crate) gone: bool,
    /// The limit when it was admitted, and how often limits had been changed.
    limit: i64,
    changes: usize,
}

/// All calls, and what was said of their providers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    pub(crate) all: Vec<Call>,
    held_until_us: BTreeMap<String, i64>,
    limits: Vec<(i64, String, i64)>,
}

/// An operator changes how many calls a provider takes.
pub(crate) fn set_limit(world: &mut World, provider: &str, requests: i64) {
    let limit = ProviderLimit { requests, ..world.rules.limit_of(provider) };
    world.rules.limits.insert(provider.to_owned(), limit);
    world.calls.limits.push((world.true_us, provider.to_owned(), requests));
}

/// Take in what a command has answered of calls and providers.
pub(crate) fn tell(world: &mut World, command: &Command, answer: &Answer) {
    if let Answer::Admitted { attempt, slot_free_at_us, .. } = answer {
        let slot = Slot {
            ledger_number: world.rules.ledger_number,
            provider: attempt.provider.clone(),
            slot: attempt.slot,
            free_at_us: *slot_free_at_us,
        };
        let call = admitted(world, &slot);
        world.calls.all.push(call);
    }
    match command {
        Command::Readmit(asked) => {
            let at = world.calls.find(&asked.slot).unwrap();
            let call = world.calls.all[at].clone();
            world.calls.all[at] = match answer {
                Answer::Slot(slot) => readmitted(world, &call, slot),
                _ => Call { may_go_us: None, ..call },
            };
        }
        Command::Dispatched(asked) => {
            let at = world.calls.find(&asked.slot).unwrap();
            let (call, at_us) = (&mut world.calls.all[at], asked.dispatched_ns / 1_000);
            let (from_us, to_us) = call.may_go_us.unwrap();
            assert!((from_us..=to_us).contains(&at_us), "it goes out in its time");
            (call.may_go_us, call.gone) = (Some((at_us, at_us)), true);
        }
        Command::HoldBack(asked) if *answer == Answer::Done(true) => {
            let until_us = world.moment().at(asked.told_ns) + asked.wait_us;
            let before_us = world.calls.held_until_us.insert(asked.provider.clone(), until_us);
            assert!(until_us > before_us.unwrap_or(0).max(world.now_us), "it is held for longer");
        }
        Command::LetGo(asked) => drop(world.calls.held_until_us.remove(&asked.provider)),
        _ => {}
    }
}

fn admitted(world: &World, slot: &Slot) -> Call {
    let calls = &world.calls;
    let held_until_us = calls.held_until_us.get(&slot.provider).copied().unwrap_or(0);
    assert!(held_until_us <= world.now_us, "its provider has said to come back later: {slot:?}");
    let limit = world.rules.limit_of(&slot.provider);
    assert_eq!(world.now_us + limit.held_before_dispatch_us(), slot.free_at_us);
    Call {
        slot: slot.clone(),
        may_go_us: Some((world.true_us, world.true_us + limit.dispatch_within_us)),
        gone: false,
        limit: limit.requests,
        changes: calls.limits.len(),
    }
}

/// Who keeps his slot is no new call: what he was promised under the limit that was still stands.
fn readmitted(world: &World, before: &Call, slot: &Slot) -> Call {
    let again = admitted(world, slot);
    let kept = before.slot.slot == slot.slot;
    if kept { Call { limit: before.limit, changes: before.changes, ..again } } else { again }
}

impl Calls {
    fn find(&self, slot: &Slot) -> Option<usize> {
        self.all.iter().rposition(|call| !call.gone && call.slot == *slot)
    }

    /// The most calls that a provider took at any time from a call's admission until then.
    fn limit_until(&self, call: &Call, until_us: i64) -> i64 {
        let since = self.limits[call.changes..].iter();
        let since = since
            .filter(|(at_us, provider, _)| *at_us <= until_us && *provider == call.slot.provider);
        since.map(|(_, _, limit)| *limit).fold(call.limit, i64::max)
    }
}

/// Whenever each call went out: in no window were there more than the provider takes.
///
/// The guard, which is for clocks and networks that are not in this world, counts as window.
pub(crate) fn check(world: &World) {
    for last in &world.calls.all {
        let provider = &last.slot.provider;
        let Some((from_us, to_us)) = last.may_go_us else { continue };
        let others = world.calls.all.iter().filter(|call| call.slot.provider == *provider);
        let times: Vec<(i64, i64)> = others.filter_map(|call| call.may_go_us).collect();
        let held_us = world.rules.limit_of(provider).held_after_dispatch_us();
        let ends = times.iter().map(|it| it.0).filter(|it| (from_us..=to_us).contains(it));
        for end_us in ends {
            let within = times.iter().filter(|(a, b)| *a <= end_us && *b > end_us - held_us);
            let (within, limit) = (within.count(), world.calls.limit_until(last, end_us));
            assert!(within <= usize::try_from(limit).unwrap(), "{within} > {limit}: {times:?}");
        }
    }
}

/// A call waits only where no slot is free, is told when the first one is, and is told to come at
/// once only where it has changed something, so that it does not ask for ever.
pub(crate) fn check_wait(before: &World, command: &Command, effects: &Effects) {
    let Answer::Wait { free_times_us } = &effects.answer else { return };
    let (provider, takes) = match command {
        Command::Admit(asked) => (&asked.plan.chain[0].provider, asked.take_slot),
        Command::Consume(asked) => (&asked.plan.chain[0].provider, asked.take_slot),
        Command::Retry(asked) => (&asked.chain[0].provider, true),
        Command::Readmit(asked) => (&asked.slot.provider, true),
        other => panic!("nothing waits for a slot of {other:?}"),
    };
    if !takes {
        assert!(free_times_us.is_empty() && effects.rows.is_empty());
        return;
    }
    let (now_us, told_us) = (before.now_us, free_times_us[0]);
    let held_us = before.slots(provider).map(Slot::held_until_us).max().unwrap_or(0);
    let slots: Vec<&Slot> = before.slots(provider).filter(|it| it.slot != HOLD_SLOT).collect();
    let limit = usize::try_from(before.rules.limit_of(provider).requests).unwrap();
    let first_us = slots.iter().map(|slot| slot.free_at_us).min();
    if held_us > now_us {
        let free_us = if slots.len() < limit { held_us } else { first_us.unwrap().max(held_us) };
        assert_eq!((free_us, true), (told_us, effects.rows.is_empty()));
        return;
    }
    let moved =
        effects.rows.iter().filter(|row| !matches!(row, Row::Slot(it) if it.slot == HOLD_SLOT));
    let (moved, retired) = (moved.count(), effects.rows.len());
    assert_eq!(held_us != 0, retired > moved, "a hold that is over is taken away");
    if moved != 0 {
        assert_eq!((now_us, true), (told_us, slots.len() > limit), "{effects:?}");
        return;
    }
    assert!(slots.iter().all(|slot| slot.free_at_us > now_us), "a slot is free: {slots:?}");
    assert!(slots.len() >= limit, "another one may be made: {slots:?}");
    assert_eq!(first_us.as_slice(), free_times_us.as_slice());
}
