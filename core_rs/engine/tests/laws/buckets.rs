//! Call buckets: the burst, the rate, and exact waits at every rate.

use std::num::NonZeroU32;

use chenu_engine::limit::{BucketSettings, CallBuckets};
use proptest::prelude::*;

fn buckets(rate_per_s: u32, burst: u32, keys_max: usize) -> CallBuckets {
    CallBuckets::new(BucketSettings {
        rate_per_s,
        burst: NonZeroU32::new(burst).unwrap(),
        keys_max,
    })
}

proptest! {
    /// Also a rate that does not divide a million waits to the microsecond.
    #[test]
    fn waits_are_exact(
        rate in 1..2_000_u32, burst in 1..6_u32, gaps in prop::collection::vec(0..3_000_i64, 1..60),
    ) {
        let (mut early, mut told) = (buckets(rate, burst, 4), buckets(rate, burst, 4));
        let mut now_us = 1_795_000_000_000_000;
        for gap in gaps {
            now_us += gap;
            let wait_us = early.take("a", now_us);
            prop_assert_eq!(wait_us, told.take("a", now_us));
            if wait_us > 0 {
                prop_assert!(early.take("a", now_us + wait_us - 1) > 0);
                prop_assert_eq!(0, told.take("a", now_us + wait_us));
                return Ok(());
            }
        }
    }

    /// In any span of T seconds at most burst + rate * T calls are admitted, and that many can be.
    #[test]
    fn a_greedy_caller_gets_the_burst_and_then_the_rate(rate in 1..500_u32, burst in 1..9_u32) {
        let mut buckets = buckets(rate, burst, 1);
        let mut now_us = 0;
        let mut admitted = 0_u64;
        for _ in 0..5_000 {
            let wait_us = buckets.take("a", now_us);
            admitted += u64::from(wait_us == 0 && now_us < 3_000_000);
            now_us += wait_us;
        }
        prop_assert_eq!(u64::from(burst) + u64::from(rate) * 3 - 1, admitted);
    }

    /// Memory is bounded, and the wait for a place is exact too.
    #[test]
    fn keys_are_bounded(rate in 1..50_u32, burst in 1..4_u32) {
        let mut buckets = buckets(rate, burst, 2);
        buckets.take("a", 0);
        buckets.take("b", 10);

        let wait_us = buckets.take("c", 20);
        prop_assert_eq!(i64::from(1_000_000_u32.div_ceil(rate)) - 20, wait_us);
        prop_assert!(buckets.take("c", 20 + wait_us - 1) > 0);
        prop_assert_eq!(0, buckets.take("c", 20 + wait_us));
    }
}

/// Zero is off.
#[test]
fn a_rate_of_zero_is_off() {
    let mut buckets = buckets(0, 1, 0);

    assert!((0..1_000).all(|_| buckets.take("a", 0) == 0));
}

/// A clock that steps back would otherwise refill the bucket.
#[test]
fn a_clock_that_steps_back_refills_nothing() {
    let mut buckets = buckets(1, 1, 1);
    assert_eq!(0, buckets.take("a", 5_000_000));

    assert_eq!(5_000_000, buckets.take("a", 1_000_000));
    assert_eq!(0, buckets.take("a", 6_000_000));
}
