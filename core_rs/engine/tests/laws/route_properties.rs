//! Routes over any catalogue and query: constraints hold, order does not matter, better is never
//! later.

use chenu_engine::budget::{Worst, bound};
use chenu_engine::route::{Catalogue, ModelRecord, RouteQuery, Rules, Strategy as Goal};
use proptest::prelude::*;

use crate::route::{decided, query, record, rules};

prop_compose! {
    fn any_record()(
        provider in "[a-d]", model in "[a-z]{1,2}", quality in 0..=100_u32, speed in 0..300_u32,
        rate in prop_oneof![Just(0), 0..9_000_000_i64], known: bool, region in "eu|us",
    ) -> ModelRecord {
        ModelRecord {
            dearest_input_rate: known.then_some(rate),
            regions: vec![region],
            ..record(&provider, &model, quality, speed, rate)
        }
    }
}

prop_compose! {
    fn any_query(count: usize)(
        overrides in prop::collection::vec(0..=count, 0..4),
        role in "nova|analyst|none", task in "code|search|chat",
        regions in prop::collection::vec("eu|us", 0..2),
        allowed in prop::collection::vec("[a-d]", 0..3),
        forbidden in prop::collection::vec("[a-d]", 0..2),
        ceiling in prop::option::of(0..20_000_i64), cap in 0..5_000_i64, body in 0..20_000_i64,
        goal in prop::sample::select(vec![Goal::Balanced, Goal::Cost, Goal::Quality, Goal::Speed]),
    ) -> RouteQuery {
        RouteQuery {
            agent_role: role,
            task_type: task,
            strategy: goal,
            regions,
            allowed_providers: allowed,
            forbidden_providers: forbidden,
            cost_ceiling: ceiling,
            output_cap: cap,
            body_bytes: vec![body; count.min(1)],
            extra_tokens: vec![0; count.min(1)],
            media_tokens: Vec::new(),
            overrides,
            ..query()
        }
    }
}

fn snapshot() -> impl Strategy<Value = (Vec<ModelRecord>, RouteQuery)> {
    prop::collection::vec(any_record(), 0..9).prop_flat_map(|records| {
        let count = records.len();
        (Just(records), any_query(count))
    })
}

fn catalogue_with_nova(records: &[ModelRecord]) -> Catalogue {
    let nova = Some(("a".to_owned(), "m".to_owned()));
    Catalogue::new(records, Rules { nova, ..rules() }).unwrap()
}

/// The constraints again, said plainly.
fn may_answer(query: &RouteQuery, record: &ModelRecord) -> bool {
    let nova = query.agent_role != "nova" || (record.provider == "a" && record.model == "m");
    let allowed =
        query.allowed_providers.is_empty() || query.allowed_providers.contains(&record.provider);
    let resident = query.regions.is_empty() || query.regions.contains(&record.regions[0]);
    let fits = query.output_cap <= 4_000 && query.body_bytes[0] / 2 + query.output_cap <= 10_000;
    let affordable = record.dearest_input_rate.is_some_and(|rate| {
        let bound = bound(&worst(query, record, rate)).unwrap();
        query.cost_ceiling.is_none_or(|ceiling| bound <= ceiling)
    });
    nova && allowed
        && !query.forbidden_providers.contains(&record.provider)
        && resident
        && fits
        && affordable
}

fn worst(query: &RouteQuery, record: &ModelRecord, dearest_input_rate: i64) -> Worst {
    Worst {
        body_bytes: query.body_bytes[0],
        extra_tokens: 0,
        dearest_input_rate,
        output_cap: query.output_cap,
        output_rate: record.output_rate,
    }
}

proptest! {
    /// The chain is exactly what the constraints leave; the rest is excluded with a reason. No
    /// override widens it.
    #[test]
    fn constraints_are_hard((records, query) in snapshot()) {
        let decision = decided(&catalogue_with_nova(&records), &query);
        let mut chain = decision.chain();
        chain.sort_unstable();
        let left = (0..).zip(&records).filter(|(_, record)| may_answer(&query, record));
        let left: Vec<usize> = left.map(|(index, _)| index).collect();

        prop_assert_eq!(&left, &chain);
        prop_assert_eq!(records.len(), chain.len() + decision.exclusions.len());
        prop_assert!(decision.exclusions.is_sorted_by_key(|(index, _)| *index));
        prop_assert!(decision.candidates.iter().all(|it| it.bound <= decision.dearest_bound()));
        prop_assert!(decision.candidates.iter().all(|it| it.score <= 1_000));
    }

    /// One snapshot gives one decision, also where the catalogue lists its records otherwise.
    #[test]
    fn a_decision_does_not_depend_on_the_order_of_the_catalogue((records, query) in snapshot()) {
        let mut names: Vec<_> = records.iter().map(|it| (&it.provider, &it.model)).collect();
        names.sort();
        names.dedup();
        prop_assume!(names.len() == records.len());
        let reversed: Vec<ModelRecord> = records.iter().rev().cloned().collect();
        let count = records.len();
        let mirror = |index: usize| count.checked_sub(index + 1).unwrap_or(count);
        let overrides = query.overrides.iter().map(|index| mirror(*index)).collect();
        let one = decided(&catalogue_with_nova(&records), &query).chain();
        let there = RouteQuery { overrides, ..query };
        let other = decided(&catalogue_with_nova(&reversed), &there).chain();
        let mirrored: Vec<usize> = other.into_iter().map(mirror).collect();

        prop_assert_eq!(one, mirrored);
    }

    /// Who becomes better, faster or cheaper is never tried later for it.
    #[test]
    fn a_better_factor_never_lowers_a_rank(
        (records, query) in snapshot(), at in any::<prop::sample::Index>(),
        quality in 0..50_u32, speed in 0..100_u32, percent in 0..=100_i64,
    ) {
        prop_assume!(!records.is_empty());
        let at = at.index(records.len());
        let mut improved = records.clone();
        let record = &mut improved[at];
        record.quality += quality;
        record.speed += speed;
        record.dearest_input_rate = record.dearest_input_rate.map(|rate| rate * percent / 100);
        record.output_rate = record.output_rate * percent / 100;
        let rank = |records: &[ModelRecord]| {
            decided(&catalogue_with_nova(records), &query).chain().iter().position(|it| *it == at)
        };
        let (before, after) = (rank(&records), rank(&improved));

        prop_assert!(before.is_none_or(|before| after.is_some_and(|after| after <= before)));
    }

    /// The same question has the same answer, whatever was asked between.
    #[test]
    fn one_snapshot_gives_one_decision((records, query) in snapshot()) {
        let catalogue = catalogue_with_nova(&records);
        let first = decided(&catalogue, &query);
        let other = RouteQuery { agent_role: "nova".into(), ..query.clone() };
        decided(&catalogue, &other);

        prop_assert_eq!(&first, &decided(&catalogue, &query));
        prop_assert_eq!(first, decided(&catalogue_with_nova(&records), &query));
    }
}
