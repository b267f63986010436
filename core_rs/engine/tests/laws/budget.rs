//! Budgets: exact costs, and laws that hold after any sequence of steps.

use chenu_engine::budget::{
    Account, AmountError, CapQuery, Exhausted, Worst, available, bound, cap_that_fits, cost,
    late_post, overran, post, reserve, void,
};
use proptest::prelude::*;

fn account(limit: i64, granted: i64, posted: i64, reserved: i64, overrun: i64) -> Account {
    Account { limit, granted, posted, reserved, overrun }
}

/// Rounded up once over the sum, never once for each part.
#[test]
fn a_cost_is_rounded_up_once() {
    assert_eq!(Ok(1), cost(&[(1, 1)]));
    assert_eq!(Ok(1), cost(&[(1, 400_000), (1, 600_000)]));
    assert_eq!(Ok(0), cost(&[(0, 3_000_000_000), (5, 0)]));
    assert_eq!(Ok(10_500_000), cost(&[(1_000, 3_000_000_000), (500, 15_000_000_000)]));
}

/// Money never wraps and never goes backwards.
#[test]
fn amounts_that_make_no_sense_are_errors() {
    assert_eq!(Err(AmountError::Negative), cost(&[(1, -1)]));
    assert_eq!(Err(AmountError::Negative), cost(&[(-1, 1)]));
    assert_eq!(Err(AmountError::Overflow), cost(&[(i64::MAX, i64::MAX), (i64::MAX, i64::MAX)]));
    assert_eq!(Err(AmountError::Overflow), cost(&[(i64::MAX, 1_000_001)]));
    assert_eq!(Err(AmountError::Negative), account(1, 0, 0, -1, 0).checked());
    assert_eq!(Err(AmountError::Negative), post(&account(9, 0, 0, 5, 0), 5, -1));
    assert_eq!(Err(AmountError::NotReserved), post(&account(9, 0, 0, 5, 0), 6, 1));
    assert_eq!(Err(AmountError::NotReserved), void(&account(9, 0, 0, 5, 0), 6));
    assert_eq!(Err(AmountError::Overflow), late_post(&account(0, 0, 0, 0, i64::MAX), 1));
}

/// What is over the reservation is visible as overrun, never hidden in the posted sum.
#[test]
fn a_bill_over_the_reservation_is_overrun() {
    assert_eq!(Ok(account(9, 0, 3, 0, 0)), post(&account(9, 0, 0, 5, 0), 5, 3));
    assert_eq!(Ok(account(9, 0, 5, 0, 2)), post(&account(9, 0, 0, 5, 0), 5, 7));
    assert_eq!(Ok(account(9, 0, 9, 0, 3)), late_post(&account(9, 0, 5, 0, 0), 7));
    assert_eq!(Ok(account(9, 0, 9, 0, 2)), late_post(&account(9, 0, 9, 0, 1), 1));
    assert_eq!(Ok(account(9, 0, 0, 2, 0)), void(&account(9, 0, 0, 5, 0), 3));
}

/// More than 1 % of the limit, and not 1 % of it; then another 1 % beyond what was seen.
#[test]
fn an_overrun_is_too_much_beyond_a_hundredth_of_the_limit() {
    let at = |limit, overrun, seen| overran(&account(limit, 0, 0, 0, overrun), seen);

    assert_eq!([Ok(false), Ok(true)], [at(1_000, 10, 0), at(1_000, 11, 0)]);
    assert_eq!([Ok(false), Ok(true)], [at(1_099, 10, 0), at(1_099, 11, 0)]);
    assert_eq!([Ok(false), Ok(true)], [at(99, 0, 0), at(99, 1, 0)]);
    assert_eq!([Ok(false), Ok(true)], [at(0, 0, 0), at(0, 1, 0)]);
    assert_eq!([Ok(false), Ok(true)], [at(1_000, 98, 88), at(1_000, 99, 88)]);
    assert_eq!(Ok(false), at(0, 5, 9));
    assert_eq!(Ok(true), at(i64::MAX, i64::MAX, 0));
    assert_eq!(Ok(true), overran(&account(100, i64::MAX, 0, 0, 2), 0));
    assert_eq!(Err(AmountError::Negative), at(1, 1, -1));
}

/// The refusal names the tightest account, so that the caller learns the one that matters.
#[test]
fn a_refusal_names_the_first_of_the_tightest_accounts() {
    let accounts = [account(9, 0, 0, 0, 0), account(5, 0, 1, 0, 1), account(3, 0, 0, 0, 0)];

    assert_eq!(Ok(Err(Exhausted { index: 1 })), reserve(&accounts, 4));
    assert_eq!(Ok(Err(Exhausted { index: 1 })), reserve(&accounts, i64::MAX));
    let taken = [account(9, 0, 0, 3, 0), account(5, 0, 1, 3, 1), account(3, 0, 0, 3, 0)];
    assert_eq!(Ok(Ok(taken.to_vec())), reserve(&accounts, 3));
    assert_eq!(Err(AmountError::Negative), reserve(&accounts, -1));
    assert_eq!(Ok(0), available(&account(5, 1, 5, 0, 7)));
    assert_eq!(Ok(Err(Exhausted { index: 0 })), reserve(&[account(5, 1, 5, 0, 7)], 0));
}

fn worst() -> impl Strategy<Value = Worst> {
    (0..5_000_i64, 0..90_i64, 0..9_000_000_i64, 0..3_000_i64, 0..9_000_000_i64).prop_map(
        |(body_bytes, extra_tokens, dearest_input_rate, output_cap, output_rate)| Worst {
            body_bytes,
            extra_tokens,
            dearest_input_rate,
            output_cap,
            output_rate,
        },
    )
}

#[derive(Debug, Clone)]
enum Step {
    Reserve(i64),
    Post { share: i64, used: i64 },
    LatePost(i64),
    Void,
    Grant(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..60_i64).prop_map(Step::Reserve),
        2 => (0..4_i64, 0..60_i64).prop_map(|(share, used)| Step::Post { share, used }),
        1 => (0..60_i64).prop_map(Step::LatePost),
        1 => Just(Step::Void),
        1 => (0..30_i64).prop_map(Step::Grant),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// The promise of the budget, at every committed state.
    #[test]
    fn nothing_new_is_admitted_over_the_limit(limit in 0..200_i64, steps in steps()) {
        let mut state = account(limit, 0, 0, 0, 0);
        let mut billed = 0;
        for step in steps {
            let before = state;
            state = match step {
                Step::Reserve(amount) => {
                    let outcome = reserve(&[state], amount).unwrap();
                    let used = state.posted + state.reserved + state.overrun;
                    let overdrawn = used > state.limit + state.granted;
                    let fits = !overdrawn && amount <= available(&state).unwrap();
                    prop_assert_eq!(outcome.is_ok(), fits);
                    outcome.map_or(state, |reserved| reserved[0])
                }
                Step::Post { share, used } => {
                    billed += used;
                    post(&state, state.reserved * share / 3, used).unwrap()
                }
                Step::LatePost(used) => {
                    billed += used;
                    late_post(&state, used).unwrap()
                }
                Step::Void => void(&state, state.reserved).unwrap(),
                Step::Grant(amount) => Account { granted: state.granted + amount, ..state },
            };
            let allowed = state.limit + state.granted;
            prop_assert!(state.posted + state.reserved <= allowed);
            let total = state.posted + state.reserved + state.overrun;
            prop_assert!(state.reserved <= before.reserved || total <= allowed);
            prop_assert_eq!(Ok(state), state.checked());
            prop_assert_eq!(billed, state.posted + state.overrun);
        }
    }

    /// All accounts are charged, or none.
    #[test]
    fn a_reservation_is_all_or_nothing(
        rooms in prop::collection::vec(0..50_i64, 0..6), amount in 0..50_i64,
    ) {
        let accounts: Vec<Account> = rooms.iter().map(|room| account(*room, 0, 0, 0, 0)).collect();
        match reserve(&accounts, amount).unwrap() {
            Ok(taken) => {
                prop_assert!(rooms.iter().all(|room| amount <= *room));
                prop_assert!(taken.iter().all(|it| it.reserved == amount));
                prop_assert_eq!(accounts.len(), taken.len());
            }
            Err(Exhausted { index }) => {
                prop_assert!(rooms[index] < amount);
                let least = rooms.iter().min().unwrap();
                prop_assert_eq!(rooms.iter().position(|room| room == least), Some(index));
            }
        }
    }

    /// The cap is the largest that fits: one token more would not.
    #[test]
    fn a_cap_is_the_largest_that_fits(
        wanted in worst(), least in 0..2_000_i64, available in 0..60_000_i64,
    ) {
        let fits = |output_cap| bound(&Worst { output_cap, ..wanted }).unwrap() <= available;
        let expected = (least..=wanted.output_cap).rev().find(|output_cap| fits(*output_cap));

        prop_assert_eq!(Ok(expected), cap_that_fits(&CapQuery { wanted, least, available }));
    }

    /// No bill for at most that many tokens, at rates at most that dear, exceeds the bound.
    #[test]
    fn a_bound_is_never_exceeded(
        worst in worst(), input in 0..=1_000_i64, output in 0..=1_000_i64,
    ) {
        let tokens = (worst.body_bytes + worst.extra_tokens) * input / 1_000;
        let bill = [
            (tokens, worst.dearest_input_rate),
            (worst.output_cap * output / 1_000, worst.output_rate),
        ];

        prop_assert!(cost(&bill).unwrap() <= bound(&worst).unwrap());
    }
}
