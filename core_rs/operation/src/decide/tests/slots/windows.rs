//! What a provider is promised, over many batches: whoever asks, whenever a call goes out, whatever
//! the provider says and an operator changes meanwhile.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::provider::{LIMIT, Provider, SLOW_US, at};

/// How long after the last ones so many calls ask in one batch, and after what delay each goes out.
type Arrival = (i64, Vec<i64>);

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    vec((1..=700_i64, vec(0..=100_i64, 1..=6)), 0..=30)
}

/// A call that was given a slot.
#[derive(Debug)]
struct Call {
    admitted_us: i64,
    dispatched_us: i64,
}

/// A provider's slots across batches, and all calls that it got.
#[derive(Debug)]
struct Called {
    provider: Provider,
    calls: Vec<Call>,
}

impl Called {
    fn new(requests: i64) -> Self {
        let mut provider = Provider::new(&[]);
        provider.set_limit(requests);
        Self { provider, calls: Vec::new() }
    }

    /// One call for each delay; each that is admitted goes out after its own.
    fn batch(&mut self, now_us: i64, delays_us: &[i64]) {
        let taken = self.provider.take_each(delays_us.len(), now_us);
        for (taken, delay_us) in taken.iter().zip(delays_us) {
            let dispatched_us = now_us + delay_us;
            match taken {
                Ok(slot) => {
                    self.calls.push(Call { admitted_us: now_us, dispatched_us });
                    self.provider.dispatched(slot, dispatched_us * 1_000, at(dispatched_us));
                }
                Err(none) => assert!(none.0.iter().min().unwrap() >= &now_us, "{none:?}"),
            }
        }
    }

    /// The most calls in any span of a window's length that ends as one goes out which was admitted
    /// at `since_us` or later: who was on the way by then may yet go out.
    fn busiest(&self, since_us: i64) -> i64 {
        let ends = self.calls.iter().filter(|call| call.admitted_us >= since_us);
        let spans = ends.map(|end| {
            let span = end.dispatched_us - LIMIT.window_us + 1..=end.dispatched_us;
            self.calls.iter().filter(|call| span.contains(&call.dispatched_us)).count()
        });
        i64::try_from(spans.max().unwrap_or(0)).unwrap()
    }
}

/// None goes out too early, none too many, and when all is over every place is there again.
fn check_holds(requests: i64, arrivals: &[Arrival], holds: &BTreeMap<usize, i64>) {
    let (mut called, mut now_us, mut until_us) = (Called::new(requests), 0, 0);
    for (step, (gap_us, delays_us)) in arrivals.iter().enumerate() {
        now_us += gap_us;
        if let Some(wait_us) = holds.get(&step) {
            until_us = until_us.max(now_us + wait_us);
            called.provider.hold_back(*wait_us, now_us, now_us);
        }
        let admitted = called.calls.len();
        called.batch(now_us, delays_us);
        assert!(now_us >= until_us || called.calls.len() == admitted, "{now_us} < {until_us}");
    }
    let far_us = now_us + until_us + 10 * SLOW_US;
    for _ in 0..requests {
        called.batch(far_us, &[0]);
    }
    assert_eq!(requests, called.busiest(far_us), "every place is there, also for the first");
    called.batch(far_us, &[0]);

    assert_eq!(requests, called.busiest(0));
}

/// Also counting the calls that went out under the old limit, where that was not higher.
fn check_change(before: i64, after: i64, arrivals: &[Arrival], change: usize) {
    let (mut called, mut now_us, mut changed_us) = (Called::new(before), 0, 0);
    for (step, (gap_us, delays_us)) in arrivals.iter().enumerate() {
        now_us += gap_us;
        if step == change {
            changed_us = now_us;
            called.provider.set_limit(after);
        }
        let admitted = called.calls.len();
        called.batch(now_us, delays_us);
        if step >= change && called.calls.len() > admitted {
            let busiest = called.busiest(changed_us);
            assert!(busiest <= after, "{busiest} > {after}: {:?}", called.calls);
        }
    }
}

proptest! {
    /// Any arrivals, any delay up to the latest dispatch, several calls to a batch.
    #[test]
    fn no_window_ever_holds_more_than_the_limit(
        requests in 1..=5_i64, arrivals in arrivals(),
    ) {
        let (mut called, mut now_us) = (Called::new(requests), 0);
        for (gap_us, delays_us) in arrivals {
            now_us += gap_us;
            called.batch(now_us, &delays_us);
        }

        prop_assert!(called.busiest(0) <= requests, "{:?}", called.calls);
    }

    /// Any holds between any arrivals: a provider that wants to be left alone is, and loses no
    /// place by it.
    #[test]
    fn no_call_goes_out_while_a_provider_is_held_and_then_all_may(
        requests in 1..=5_i64,
        arrivals in arrivals(),
        holds in btree_map(0..30_usize, 1..=2_000_i64, 0..=5),
    ) {
        check_holds(requests, &arrivals, &holds);
    }

    /// The provider takes no more from the moment on at which the operator says so.
    #[test]
    fn a_changed_limit_holds_from_the_change_on(
        before in 1..=6_i64, after in 1..=6_i64, arrivals in arrivals(), change in 0..=30_usize,
    ) {
        check_change(before, after, &arrivals, change);
    }
}

/// A call that was admitted before a change goes out in its very microsecond, and counts.
#[test]
fn a_changed_limit_holds_in_the_microsecond_of_the_change() {
    let arrivals = [
        (1, vec![0]),
        (1, vec![0, 0, 1]),
        (1, vec![0]),
        (139, vec![0]),
        (620, vec![0]),
        (250, vec![0, 0]),
    ];

    check_change(4, 3, &arrivals, 2);
}
