//! Any commands in any order: the laws hold after each.

use proptest::prelude::*;

use crate::tool_calls::Judged;
use crate::walk_step::Step;
use crate::walker::{TIMES_US, Walk};
use crate::world::SECOND_US;

fn time() -> impl Strategy<Value = i64> {
    prop::sample::select(TIMES_US.to_vec())
}

fn asking() -> impl Strategy<Value = Step> {
    let flag = any::<bool>;
    prop_oneof![
        8 => (0..5_usize, 0..6_usize, flag(), 0..5_usize, flag(), 0..8_u8).prop_map(
            |(who, id, gated, chain, default_cap, file)| {
                Step::Ask { who, id, gated, chain, default_cap, file: file == 0 }
            }
        ),
        1 => (0..4_usize, flag()).prop_map(|(who, gated)| Step::Validate { who, gated }),
        1 => flag().prop_map(|held| Step::KeepFile { held }),
        1 => Just(Step::Violation),
    ]
}

fn waiting() -> impl Strategy<Value = Step> {
    let (which, mostly) = (|| 0..8_usize, || prop::bool::weighted(0.8));
    prop_oneof![
        4 => (which(), which(), mostly(), mostly(), 0..3_usize).prop_map(
            |(which, by, yes, saw, others)| Step::Resolve { which, by, yes, saw, others }
        ),
        1 => which().prop_map(Step::Expire),
        1 => which().prop_map(Step::Cancel),
        4 => (which(), 0..5_usize, mostly(), mostly(), mostly()).prop_map(
            |(which, chain, same, allowed, takes)| {
                Step::Consume { which, chain, same, allowed, waits: !takes }
            }
        ),
    ]
}

fn running() -> impl Strategy<Value = Step> {
    let which = || 0..8_usize;
    prop_oneof![
        3 => (which(), 0..5_usize).prop_map(|(which, bill)| Step::Retry { which, bill }),
        4 => (which(), 0..5_usize, any::<bool>(), any::<bool>(), proposed(0.2), seldom()).prop_map(
            |(which, bill, fails, cancelled, calls, stale)| {
                Step::Settle { which, bill, fails, cancelled, calls, stale }
            }
        ),
        2 => (which(), which()).prop_map(|(which, owner)| Step::Recover { which, owner }),
        1 => Just(Step::Restart),
    ]
}

fn seldom() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.1)
}

fn judged() -> impl Strategy<Value = Judged> {
    prop_oneof![
        2 => Just(Judged::Passes), 3 => Just(Judged::Gated), 1 => Just(Judged::Outward),
        1 => Just(Judged::Denied),
    ]
}

/// None to three, each of them there with this probability.
fn proposed(each: f64) -> impl Strategy<Value = [Option<Judged>; 3]> {
    prop::array::uniform3(prop::option::weighted(each, judged()))
}

fn calling() -> impl Strategy<Value = Step> {
    let which = || 0..8_usize;
    prop_oneof![
        5 => (which(), 0..9_usize, judged(), which(), seldom()).prop_map(
            |(which, by, judged, ttl, stale)| Step::Take { which, by, judged, ttl, stale }
        ),
        3 => which().prop_map(Step::Redeem),
    ]
}

fn spending() -> impl Strategy<Value = Step> {
    let (which, flag) = (|| 0..8_usize, any::<bool>);
    let mostly = || prop::bool::weighted(0.8);
    prop_oneof![
        5 => (0..5_usize, 0..6_usize, flag(), 0..4_usize, mostly()).prop_map(
            |(who, id, gated, amount, allowed)| Step::Reserve { who, id, gated, amount, allowed }
        ),
        3 => (which(), mostly()).prop_map(|(which, same)| Step::ReserveAgain { which, same }),
        3 => (which(), which()).prop_map(|(which, amount)| Step::Post { which, amount }),
        2 => (which(), which()).prop_map(|(which, by)| Step::Void { which, by }),
        2 => which().prop_map(Step::Lapse),
    ]
}

fn slots() -> impl Strategy<Value = Step> {
    let which = || 0..8_usize;
    let ago = || prop::sample::select(vec![0, 1, SECOND_US / 2, SECOND_US, 2 * SECOND_US]);
    prop_oneof![
        4 => (which(), ago()).prop_map(|(which, after)| Step::Dispatch { which, after }),
        2 => which().prop_map(Step::Readmit),
        1 => (which(), ago(), time()).prop_map(|(provider, told_ago_us, wait_us)| {
            Step::HoldBack { provider, told_ago_us, wait_us }
        }),
        1 => which().prop_map(Step::LetGo),
        2 => (which(), 1..5_i64)
            .prop_map(|(provider, requests)| Step::SlotLimit { provider, requests }),
    ]
}

fn budgets() -> impl Strategy<Value = Step> {
    let which = || 0..8_usize;
    prop_oneof![
        1 => (which(), any::<bool>(), which())
            .prop_map(|(of, daily, limit)| Step::CreateBudget { of, daily, limit }),
        2 => (which(), which(), prop::bool::weighted(0.2))
            .prop_map(|(which, limit, stale)| Step::UpdateBudget { which, limit, stale }),
        1 => which().prop_map(Step::Unfreeze),
        1 => which().prop_map(Step::DeleteBudget),
    ]
}

fn pause() -> impl Strategy<Value = Step> {
    prop_oneof![3 => time().prop_map(Step::Pass), 1 => time().prop_map(Step::Freeze)]
}

fn walk(steps: &[Step]) -> Walk {
    let mut walk = Walk::new();
    for step in steps {
        walk.take(step);
    }
    walk
}

proptest! {
    /// Operations of two identities that compete for money and slots.
    #[test]
    fn the_laws_hold_after_any_commands(
        steps in prop::collection::vec(
            prop_oneof![
                6 => asking(), 4 => waiting(), 5 => running(), 2 => slots(), 1 => budgets(),
                3 => spending(), 3 => calling(), 3 => pause(),
            ],
            0..40,
        ),
    ) {
        walk(&steps);
    }

    /// Answers propose calls, which people decide on and services take and redeem, in and out of
    /// time.
    #[test]
    fn a_call_is_released_once_and_only_as_it_was_decided(
        steps in prop::collection::vec(
            prop_oneof![
                2 => (2..6_usize, 0..9_usize, prop::bool::weighted(0.2)).prop_map(
                    |(who, id, gated)| Step::Ask {
                        who, id, gated, chain: 3, default_cap: false, file: false,
                    }
                ),
                4 => (0..8_usize, proposed(0.6), seldom(), seldom()).prop_map(
                    |(which, calls, fails, stale)| Step::Settle {
                        which, bill: 0, fails, cancelled: false, calls, stale,
                    }
                ),
                5 => waiting(), 6 => calling(), 2 => pause(),
            ],
            0..60,
        ),
    ) {
        walk(&steps);
    }

    /// Services and queries of two identities under the same ids, from the same budgets.
    #[test]
    fn what_services_spend_is_held_before_and_posted_once(
        steps in prop::collection::vec(
            prop_oneof![
                8 => spending(), 2 => asking(), 4 => waiting(), 1 => running(), 1 => budgets(),
                2 => pause(),
            ],
            0..40,
        ),
    ) {
        walk(&steps);
    }

    /// Calls come, go out and come again while a provider holds them back and its limit changes.
    #[test]
    fn no_window_holds_more_calls_than_a_provider_takes(
        steps in prop::collection::vec(
            prop_oneof![
                4 => (0..99_usize).prop_map(|id| Step::Ask {
                    who: 2, id, gated: false, chain: 3, default_cap: false, file: false,
                }),
                4 => slots(), 4 => pause(), 1 => running(),
            ],
            0..40,
        ),
    ) {
        walk(&steps);
    }

    /// Calls that fail, cost more than was held, or whose bill comes late, while limits change.
    #[test]
    fn money_is_neither_made_nor_lost(
        steps in prop::collection::vec(
            prop_oneof![
                3 => (1..3_usize, 0..6_usize, 0..3_usize, any::<bool>()).prop_map(
                    |(who, id, chain, default_cap)| {
                        Step::Ask { who, id, gated: false, chain, default_cap, file: false }
                    }
                ),
                6 => running(), 2 => budgets(), 2 => pause(),
            ],
            0..40,
        ),
    ) {
        walk(&steps);
    }

    /// One approval after another, each in and out of its time.
    #[test]
    fn an_approval_is_used_once_and_in_time(
        steps in prop::collection::vec(
            prop_oneof![
                2 => (0..3_usize, 0..5_usize).prop_map(|(who, id)| Step::Ask {
                    who: 2 * who, id, gated: true, chain: 0, default_cap: false, file: false,
                }),
                5 => waiting(), 1 => running(), 1 => time().prop_map(Step::Pass),
            ],
            0..40,
        ),
    ) {
        walk(&steps);
    }
}
