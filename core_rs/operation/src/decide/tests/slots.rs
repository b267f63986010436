//! Which slot a call takes, and when there is none.

mod provider;
mod windows;

use crate::Moment;
use crate::answer::Answer;
use crate::decide::slots::NoSlot;
use crate::rows::{HOLD_SLOT, RETIRED_US, Slot};

use provider::{FAST_US, LIMIT, Provider, SLOW_US, at, slot, wait};

/// No slot is free before this time.
fn none_until(free_at_us: i64) -> Result<Slot, NoSlot> {
    Err(NoSlot(vec![free_at_us]))
}

/// A provider that takes so many requests in any window.
fn limited(requests: i64, slots: &[Slot]) -> Provider {
    let mut provider = Provider::new(slots);
    provider.set_limit(requests);
    provider
}

/// The provider says when to come back, which is heard at once.
fn hold(provider: &mut Provider, wait_us: i64, told_us: i64) {
    assert_eq!(Answer::Done(true), provider.hold_back(wait_us, told_us, told_us));
}

/// Every time in these tests counts from how long a slot is held: the window and the guard, and as
/// long as a call may take to go out on top while nobody knows when it did.
#[test]
fn a_slot_is_held_for_the_window_and_the_guard_and_the_latest_dispatch() {
    assert_eq!(FAST_US, LIMIT.held_after_dispatch_us());
    assert_eq!(SLOW_US, LIMIT.held_before_dispatch_us());
}

// --- taking -----------------------------------------------------------------------------------

/// A provider that is never called has no rows.
#[test]
fn slots_are_made_as_they_are_needed() {
    let mut provider = Provider::new(&[]);

    assert_eq!(Ok(slot(0, SLOW_US)), provider.take(0));
    assert_eq!(Ok(slot(1, SLOW_US + 5)), provider.take(5));
}

/// Rows stay as few as the busiest window needed.
#[test]
fn a_free_slot_is_used_before_a_new_one_is_made() {
    let mut provider = Provider::new(&[slot(0, 50)]);

    assert_eq!(Ok(slot(0, 50 + SLOW_US)), provider.take(50));
}

/// One microsecond early would put N + 1 calls into some window.
#[test]
fn a_slot_is_free_at_its_time_and_not_before() {
    let mut provider = Provider::new(&[slot(0, 50), slot(1, 60)]);

    assert_eq!(none_until(50), provider.take(49));
    assert_eq!(Ok(slot(0, 50 + SLOW_US)), provider.take(50));
}

/// Whoever comes back at the time that he is told finds a slot, and nobody found one sooner.
#[test]
fn who_waits_learns_when_the_first_slot_is_free() {
    let mut provider = Provider::new(&[slot(0, 70), slot(1, 60)]);

    assert_eq!(none_until(60), provider.take(0));
    assert_eq!(vec![slot(0, 70), slot(1, 60)], provider.rows());
}

// --- going out --------------------------------------------------------------------------------

/// Until then it is held as if the call went out as late as it may.
#[test]
fn a_dispatch_frees_the_slot_one_window_later() {
    let mut provider = Provider::new(&[]);
    let admitted = provider.take(0).unwrap();

    assert_eq!(Answer::Done(true), provider.dispatched(&admitted, 7_000, at(30)));
    assert_eq!(vec![slot(0, 7 + FAST_US)], provider.rows());
}

/// Lowering it would free the later call's slot inside that call's window.
#[test]
fn a_late_note_leaves_a_slot_alone_that_was_given_away() {
    let mut provider = limited(1, &[]);
    let admitted = provider.take(0).unwrap();
    let later = provider.take(SLOW_US).unwrap();

    assert_eq!(Answer::Done(false), provider.dispatched(&admitted, 7_000, at(SLOW_US + 1)));
    assert_eq!(vec![later], provider.rows());
}

/// A dispatch 23 us ago is one 23 us ago on the batch's clock, wherever that stands now.
#[test]
fn a_clock_step_does_not_shorten_a_window() {
    let mut provider = Provider::new(&[slot(0, SLOW_US)]);
    let stepped = Moment { now_us: 5_000, mono_ns: 30_000 };
    provider.dispatched(&slot(0, SLOW_US), 7_000, stepped);

    assert_eq!(vec![slot(0, 5_000 - 23 + FAST_US)], provider.rows());
}

// --- asking again -----------------------------------------------------------------------------

/// It used nothing, so it does not cost the provider a second place.
#[test]
fn a_call_that_did_not_go_out_keeps_its_slot_with_a_new_time() {
    let mut provider = limited(1, &[]);
    let admitted = provider.take(0).unwrap();
    provider.set_limit(2);
    let kept = slot(0, 150 + SLOW_US);

    assert_eq!(Answer::Slot(kept.clone()), provider.readmit(&admitted, 150));
    assert_eq!(vec![kept], provider.rows());
}

/// Two calls on one slot would be N + 1.
#[test]
fn a_call_whose_slot_was_given_away_takes_another() {
    let mut provider = Provider::new(&[slot(0, 9_000)]);
    let old = slot(0, 5);

    assert_eq!(Answer::Slot(slot(1, 150 + SLOW_US)), provider.readmit(&old, 150));
    assert_eq!(wait(1_260), provider.readmit(&old, 150));
}

// --- a changed limit --------------------------------------------------------------------------

/// The places go as they become free; nothing is admitted until there are few enough.
#[test]
fn a_lowered_limit_counts_the_calls_in_flight() {
    let mut provider = limited(1, &[slot(0, 10), slot(1, 900), slot(2, 950)]);

    assert_eq!(none_until(10), provider.take(5));
    assert_eq!(none_until(10), provider.take(10));
    assert_eq!(vec![slot(0, 950), slot(1, 900), slot(2, RETIRED_US)], provider.rows());
}

/// Each call sees what those before it took away, so the last one is not kept waiting for them.
#[test]
fn calls_of_one_batch_take_away_one_slot_each() {
    let mut provider = limited(1, &[slot(0, 10), slot(1, 20), slot(2, 30)]);
    let taken = slot(0, 50 + SLOW_US);

    assert_eq!([none_until(50), none_until(50), Ok(taken.clone())], *provider.take_each(3, 50));
    assert_eq!(vec![taken, slot(1, RETIRED_US), slot(2, RETIRED_US)], provider.rows());
}

/// A batch loads one last slot. Who would take away the one before it asks again, and is told no
/// time that is over.
#[test]
fn a_slot_that_is_not_loaded_is_not_taken_away() {
    let used = [10, 20, 30, 40, 900, 950];
    let slots: Vec<Slot> = (0..).zip(used).map(|(number, free_us)| slot(number, free_us)).collect();
    let mut provider = limited(1, &slots);

    assert_eq!([none_until(50), none_until(50)], *provider.take_each(2, 50));
    let [_, kept @ .., _] = &slots[..] else { panic!("there are six") };
    let left = [&[slot(0, 950)], kept, &[slot(5, RETIRED_US)]].concat();
    assert_eq!(left, provider.rows());
}

/// Their numbers follow on; no row is left over.
#[test]
fn a_raised_limit_takes_retired_slots_into_use_again() {
    let mut provider = Provider::new(&[slot(0, 900), slot(1, RETIRED_US)]);

    assert_eq!(Ok(slot(1, SLOW_US)), provider.take(0));
    assert_eq!(vec![slot(0, 900), slot(1, SLOW_US)], provider.rows());
}

// --- held back --------------------------------------------------------------------------------

/// Whoever asks: its slots, made or not, are free at that time and not a microsecond sooner.
#[test]
fn a_provider_that_says_when_to_come_back_gets_no_call_before() {
    let mut provider = Provider::new(&[slot(0, 5)]);
    hold(&mut provider, 100, 10);

    assert_eq!(none_until(110), provider.take(10));
    assert_eq!(vec![none_until(110); 3], provider.take_each(3, 109));
    assert_eq!(Ok(slot(0, 110 + SLOW_US)), provider.take(110));
    assert_eq!(Ok(slot(1, 110 + SLOW_US)), provider.take(110));
}

/// The time that a caller is given must be true for the place that he has: held back or taken, the
/// later of the two counts.
#[test]
fn a_slot_that_is_free_later_is_told_later() {
    let cases = [([150, 90], 110), ([150, 130], 130)];
    for ([first_us, second_us], told_us) in cases {
        let mut provider = Provider::new(&[slot(0, first_us), slot(1, second_us)]);
        hold(&mut provider, 100, 10);

        assert_eq!(none_until(told_us), provider.take(20), "{first_us}, {second_us}");
    }
}

/// Two calls were under way, and the one that was told less is answered last.
#[test]
fn the_later_of_two_times_holds() {
    let mut provider = Provider::new(&[]);
    hold(&mut provider, 100, 10);

    assert_eq!(Answer::Done(false), provider.hold_back(20, 11, 11));
    assert_eq!(none_until(110), provider.take(31));
    hold(&mut provider, 200, 12);
    assert_eq!(none_until(212), provider.take(111));
}

/// The answer took longer to be read than the provider wanted to be left alone.
#[test]
fn a_time_that_is_over_holds_nothing() {
    let mut provider = Provider::new(&[]);

    assert_eq!(Answer::Done(false), provider.hold_back(5, 10, 15));
    assert_eq!(Vec::<Slot>::new(), provider.rows());
}

/// What was said to another account says nothing of this one's room; its slots still do.
#[test]
fn a_provider_that_is_let_go_is_called_at_once_and_may_be_held_again() {
    let mut provider = Provider::new(&[slot(0, 50)]);
    assert_eq!(Answer::Done(false), provider.let_go());
    assert_eq!(vec![slot(0, 50)], provider.rows());
    hold(&mut provider, 100, 10);

    assert_eq!(Answer::Done(true), provider.let_go());
    assert_eq!(Ok(slot(1, 20 + SLOW_US)), provider.take(20));
    hold(&mut provider, 100, 30);
    assert_eq!(none_until(130), provider.take(60));
}

/// The same row says so each time: they do not grow. While it says nothing it counts as taken away,
/// or all who look for the oldest slots would go on finding it first.
#[test]
fn a_held_provider_is_held_again_after_it_was_called() {
    let mut provider = Provider::new(&[]);
    hold(&mut provider, 100, 10);
    let taken = provider.take(110).unwrap();
    assert_eq!(vec![taken, slot(HOLD_SLOT, RETIRED_US)], provider.rows());
    hold(&mut provider, 100, 120);

    assert_eq!(none_until(220), provider.take(219));
    assert_eq!(2, provider.rows().len());
}

/// It asks anew because it is late: it would go out after the provider said so.
#[test]
fn a_call_that_has_a_slot_and_did_not_go_out_is_held_too() {
    let mut provider = Provider::new(&[]);
    let admitted = provider.take(0).unwrap();
    hold(&mut provider, 500, 10);

    assert_eq!(wait(510), provider.readmit(&admitted, 150));
}

/// Held until 600 or not any more, under a lowered limit too: the first slot's time is told.
#[test]
fn the_row_of_a_hold_stands_in_no_slots_place() {
    for (requests, now_us) in [(2, 500), (2, 700), (1, 500), (1, 700)] {
        let mut provider = limited(requests, &[slot(0, 1_050), slot(1, 1_600)]);
        hold(&mut provider, 600, 0);

        assert_eq!(none_until(1_050), provider.take(now_us), "{requests} at {now_us}");
    }
}
