//! Rates that rise with the prompt's length: a bound is made of the dearest that it can meet.

use chenu_engine::budget::{Worst, bound};
use chenu_engine::route::{Catalogue, Exclusion, ModelRecord, RateStep, RouteQuery, Scored};
use proptest::prelude::*;

use crate::route::{decided, query, record, rules};

const CAP: i64 = 1_000;

fn step(above: i64, dearest_input_rate: i64, output_rate: i64) -> RateStep {
    RateStep { above, dearest_input_rate, output_rate }
}

/// One model with these steps, at 2 and 10 million nano-dollars before them.
fn stepped(rate_steps: Vec<RateStep>) -> ModelRecord {
    ModelRecord {
        dearest_input_rate: Some(2_000_000),
        output_rate: 10_000_000,
        rate_steps,
        context_tokens: 1_000_000,
        ..record("openai", "sol", 90, 90, 0)
    }
}

/// It as a candidate for a prompt of so many bytes and so many tokens of files.
fn measured(record: ModelRecord, bytes: i64, files: i64) -> Scored {
    let catalogue = Catalogue::new(&[record], rules()).unwrap();
    let asked = RouteQuery {
        body_bytes: vec![bytes],
        media_tokens: vec![Some(files)],
        output_cap: CAP,
        ..query()
    };
    decided(&catalogue, &asked).candidates[0]
}

/// A prompt of exactly a step's length is before it; files count as bytes do.
#[test]
fn a_step_begins_one_token_above_its_length() {
    let model = || stepped(vec![step(272_000, 4_000_000, 15_000_000)]);
    let rates = |bytes, files| {
        let found = measured(model(), bytes, files);
        (found.dearest_input_rate, found.output_rate)
    };

    assert_eq!((2_000_000, 10_000_000), rates(1_000, 271_000));
    assert_eq!((4_000_000, 15_000_000), rates(1_000, 271_001));
    assert_eq!((4_000_000, 15_000_000), rates(272_001, 0));
    assert_eq!(272_000 * 2 + CAP * 10, measured(model(), 1_000, 271_000).bound);
    assert_eq!(272_001 * 4 + CAP * 15, measured(model(), 1_000, 271_001).bound);
}

/// A model without a price has none at any length.
#[test]
fn steps_make_no_price_known() {
    let unknown = ModelRecord { dearest_input_rate: None, ..stepped(vec![step(0, 1, 1)]) };
    let catalogue = Catalogue::new(&[unknown], rules()).unwrap();

    let excluded = decided(&catalogue, &query()).exclusions;

    assert_eq!(vec![(0, Exclusion::PriceUnknown)], excluded);
}

prop_compose! {
    fn any_step()(above in 0..300_000_i64, input in 0..9_000_000_i64, output in 0..9_000_000_i64)
        -> RateStep { step(above, input, output) }
}

proptest! {
    /// No shorter prompt of the same request, at whichever step's rates, costs more than its bound.
    #[test]
    fn no_prompt_within_a_bound_costs_more(
        mut steps in prop::collection::vec(any_step(), 0..4),
        bytes in 1..150_000_i64, files in 0..200_000_i64, shorter in 0..350_000_i64,
    ) {
        steps.sort_by_key(|step| step.above);
        let found = measured(stepped(steps.clone()), bytes, files);
        let tokens = (bytes + files - shorter).max(0);
        let reached = steps.iter().rev().find(|step| tokens > step.above);
        let (input, output) =
            reached.map_or((2_000_000, 10_000_000), |it| (it.dearest_input_rate, it.output_rate));
        let worst = |input_rate, output_rate| Worst {
            body_bytes: tokens,
            extra_tokens: 0,
            dearest_input_rate: input_rate,
            output_cap: CAP,
            output_rate,
        };

        prop_assert!(bound(&worst(input, output)).unwrap() <= found.bound);
        let again = Worst {
            body_bytes: bytes + files,
            ..worst(found.dearest_input_rate, found.output_rate)
        };
        prop_assert_eq!(found.bound, bound(&again).unwrap());
    }
}
