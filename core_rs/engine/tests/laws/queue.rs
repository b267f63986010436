//! The fair queue: places are true, turns are fair.

use std::collections::HashMap;

use chenu_engine::limit::FairQueue;
use proptest::prelude::*;

/// Serves the whole queue as if nobody else came.
fn drain(queue: &mut FairQueue) -> Vec<i64> {
    std::iter::from_fn(|| queue.take()).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Leave(prop::sample::Index),
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..4_u8).prop_map(Step::Join),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        2 => Just(Step::Take),
    ];
    prop::collection::vec(step, 0..60)
}

/// Runs the steps; returns the queue and the tickets that wait, with their identities.
fn play(steps: &[Step], seen: &mut impl FnMut(u8, i64)) -> (FairQueue, Vec<(i64, u8)>) {
    let (mut queue, mut waiting) = (FairQueue::new(1_000), Vec::new());
    for (ticket, step) in (0..).zip(steps) {
        match step {
            Step::Join(identity) => {
                queue.join(&identity.to_string(), ticket).unwrap();
                waiting.push((ticket, *identity));
            }
            Step::Leave(index) if !waiting.is_empty() => {
                queue.leave(waiting.remove(index.index(waiting.len())).0);
            }
            Step::Take => {
                let taken = queue.take();
                if let Some(at) = waiting.iter().position(|(it, _)| Some(*it) == taken) {
                    let (ticket, identity) = waiting.remove(at);
                    seen(identity, ticket);
                }
            }
            Step::Leave(_) => {}
        }
    }
    (queue, waiting)
}

proptest! {
    /// A place that is told is the number of calls that are really served first.
    #[test]
    fn places_are_the_true_order(steps in steps()) {
        let (mut queue, waiting) = play(&steps, &mut |_, _| ());
        let places: HashMap<i64, Option<usize>> =
            waiting.iter().map(|(ticket, _)| (*ticket, queue.place(*ticket))).collect();
        let peeked = queue.next();
        let order = drain(&mut queue);

        prop_assert_eq!(peeked, order.first().copied());
        prop_assert_eq!(waiting.len(), order.len());
        for (place, ticket) in order.iter().enumerate() {
            prop_assert_eq!(Some(place), places[ticket]);
        }
        prop_assert!(queue.is_empty());
    }

    /// Within an identity calls are served in the order in which they came.
    #[test]
    fn an_identity_is_served_in_its_own_order(steps in steps()) {
        let mut served: Vec<(u8, i64)> = Vec::new();
        let mut serve = |identity, ticket| served.push((identity, ticket));
        let (mut queue, waiting) = play(&steps, &mut serve);
        let identity_of: HashMap<i64, u8> = waiting.into_iter().collect();
        served.extend(drain(&mut queue).iter().map(|ticket| (identity_of[ticket], *ticket)));
        for identity in 0..4 {
            let own: Vec<i64> =
                served.iter().filter(|(whose, _)| *whose == identity).map(|(_, it)| *it).collect();
            prop_assert!(own.is_sorted());
        }
    }

    /// However much the others have waiting, only their own first calls come before a light one.
    #[test]
    fn a_light_identity_is_served_next(steps in steps()) {
        let (mut queue, waiting) = play(&steps, &mut |_, _| ());
        let behind = waiting.len();
        let place = queue.join("light", 1_000_000).unwrap();

        prop_assert!(place <= 4.min(behind), "{place} of {behind}");
    }

    /// While two identities both wait, neither is served two calls more than the other.
    #[test]
    fn waiting_identities_take_turns(heavy in 2..30_usize, light in 2..30_usize) {
        let mut queue = FairQueue::new(1_000);
        for ticket in 0..heavy {
            queue.join("heavy", i64::try_from(ticket)?);
        }
        for ticket in 0..light {
            queue.join("light", 1_000 + i64::try_from(ticket)?);
        }
        let order = drain(&mut queue);
        let both = 2 * heavy.min(light);
        for end in 0..both {
            let lights = order[..end].iter().filter(|ticket| **ticket >= 1_000).count();
            prop_assert!(lights.abs_diff(end - lights) <= 1);
        }
    }
}

/// The case that FIFO gets wrong.
#[test]
fn a_light_call_passes_the_backlog_of_heavy_ones() {
    let mut queue = FairQueue::new(100);
    for ticket in 0..40 {
        queue.join(if ticket % 2 == 0 { "heavy" } else { "bulk" }, ticket);
    }
    let served = [queue.take(), queue.take(), queue.take()];
    assert_eq!([Some(0), Some(1), Some(2)], served);

    assert_eq!(Some(0), queue.join("light", 100));
    assert_eq!(Some(100), queue.take());
    assert_eq!(Some(1), queue.join("light", 101));
}

/// A turn long ago is forgotten: who comes back after a round is as light as who never came.
#[test]
fn a_turn_counts_for_one_round_only() {
    let mut queue = FairQueue::new(100);
    queue.join("light", 100);
    (0..8).for_each(|ticket| _ = queue.join(["heavy", "bulk"][usize::from(ticket >= 4)], ticket));
    let served: Vec<Option<i64>> = (0..4).map(|_| queue.take()).collect();
    assert_eq!([100, 0, 4, 1].map(Some).to_vec(), served);

    assert_eq!(Some(0), queue.join("light", 101));
}

/// Leaving must not cost the calls behind it their turn.
#[test]
fn calls_move_up_when_one_leaves() {
    let mut queue = FairQueue::new(100);
    for ticket in 0..5 {
        queue.join("a", ticket);
    }
    queue.join("b", 10);
    queue.join("b", 11);
    (0..4).for_each(|ticket| queue.leave(ticket));

    assert_eq!(Some(0), queue.place(4));
    assert_eq!(vec![4, 10, 11], drain(&mut queue));
}

/// A rejoin in the same round goes behind those who have not had their turn.
#[test]
fn an_identity_cannot_gain_by_joining_one_call_at_a_time() {
    let mut queue = FairQueue::new(100);
    for (identity, ticket) in [("patient", 0), ("patient", 1), ("quick", 10), ("late", 20)] {
        queue.join(identity, ticket);
    }
    let mut order = vec![queue.take(), queue.take()];
    queue.join("quick", 11);
    order.extend([queue.take(), queue.take(), queue.take()]);

    assert_eq!([0, 10, 20, 11, 1].map(Some).to_vec(), order);
}

/// The queue is bounded, a ticket waits once, and strangers change nothing.
#[test]
fn a_full_queue_takes_nobody_and_a_ticket_waits_once() {
    let mut queue = FairQueue::new(2);
    assert_eq!((Some(0), Some(0)), (queue.join("a", 1), queue.join("a", 1)));
    assert_eq!((Some(1), None), (queue.join("b", 2), queue.join("c", 3)));
    assert_eq!(2, queue.len());

    queue.leave(99);
    assert_eq!((Some(1), None), (queue.place(2), queue.place(99)));
    assert_eq!(
        (Some(1), Some(2), None, None),
        (queue.take(), queue.take(), queue.take(), queue.next())
    );
}
