//! Provider slots: never more than N dispatches in any window, none refused while one is free.

use chenu_engine::limit::{NoSlots, Slot, SlotChoice, choose_slot};
use proptest::prelude::*;

fn slots(free_at: &[i64]) -> Vec<Slot> {
    (0..).zip(free_at).map(|(number, &free_at_us)| Slot { number, free_at_us }).collect()
}

proptest! {
    /// The promise to the provider, replayed with the rows that the writer would keep.
    #[test]
    fn any_window_holds_at_most_the_limit(
        limit in 1..5_usize, window_us in 1..30_i64, gaps in prop::collection::vec(0..8_i64, 0..80),
    ) {
        let (mut free_at, mut dispatched, mut now_us) = (Vec::new(), Vec::new(), 0);
        for gap in gaps {
            now_us += gap;
            let in_window = dispatched.iter().filter(|time| now_us - **time < window_us).count();
            let (created, most) = (u32::try_from(free_at.len())?, u32::try_from(limit)?);
            let choice = choose_slot(&slots(&free_at), created, most, now_us).unwrap();
            prop_assert_eq!(in_window < limit, choice.slot().is_some());
            match choice {
                SlotChoice::Free(number) => free_at[usize::try_from(number)?] = now_us + window_us,
                SlotChoice::New(number) => {
                    prop_assert_eq!(created, number);
                    free_at.push(now_us + window_us);
                }
                SlotChoice::NoneUntil { retry_at_us } => {
                    let stored = slots(&free_at);
                    let retry = |at| choose_slot(&stored, created, most, at).unwrap().slot();
                    prop_assert_eq!(None, retry(retry_at_us - 1));
                    prop_assert!(retry(retry_at_us).is_some());
                    continue;
                }
            }
            dispatched.push(now_us);
        }
    }
}

/// One order of choice, so that a replay takes the same slots.
#[test]
fn the_longest_free_slot_wins_and_then_the_smallest_number() {
    assert_eq!(Ok(SlotChoice::Free(1)), choose_slot(&slots(&[5, 3, 3]), 3, 9, 5));
    assert_eq!(Ok(SlotChoice::New(3)), choose_slot(&slots(&[5, 3, 3]), 3, 9, 2));
}

/// After an operator lowers a limit, the slots above it are never taken again.
#[test]
fn slots_above_a_lowered_limit_stay_unused() {
    assert_eq!(Ok(SlotChoice::NoneUntil { retry_at_us: 9 }), choose_slot(&slots(&[9, 0]), 2, 1, 5));
    assert_eq!(Err(NoSlots), choose_slot(&slots(&[0, 0]), 2, 0, 5));
}
