//! Routes: hard constraints hold whatever is preferred, and one snapshot gives one decision.

use chenu_engine::budget::{Worst, bound};
use chenu_engine::route::{
    Catalogue, Decision, Exclusion, ModelRecord, RouteError, RouteQuery, Strategy as Goal,
};
use proptest::prelude::*;

fn record(provider: &str, model: &str, quality: u32, speed: u32, rate: i64) -> ModelRecord {
    ModelRecord {
        provider: provider.into(),
        model: model.into(),
        wire: "openai".into(),
        quality,
        speed,
        input_rate: rate,
        output_rate: rate,
        dearest_input_rate: Some(rate),
        context_tokens: 10_000,
        output_tokens_max: 4_000,
        capabilities: vec!["tools".into()],
        regions: vec!["eu".into()],
        tier: "standard".into(),
        ..ModelRecord::default()
    }
}

fn catalogue() -> Catalogue {
    let records = vec![
        record("anthropic", "opus", 100, 50, 8_000_000),
        record("openai", "large", 90, 100, 4_000_000),
        record("google", "flash", 60, 200, 1_000_000),
        record("mistral", "small", 50, 100, 1_000_000),
    ];
    let pair = |name: &str, provider: &str| (name.to_owned(), provider.to_owned());
    Catalogue {
        records,
        task_defaults: vec![pair("code", "anthropic"), pair("search", "google")],
        role_defaults: vec![pair("analyst", "openai")],
    }
}

fn query() -> RouteQuery {
    RouteQuery {
        task_type: "chat".into(),
        agent_role: "none".into(),
        priority: "normal".into(),
        strategy: Goal::Balanced,
        preferred_provider: None,
        preferred_model: None,
        capabilities: vec![],
        cost_ceiling: None,
        allowed_providers: vec![],
        forbidden_providers: vec![],
        regions: vec![],
        body_bytes: vec![1_000; 4],
        extra_tokens: vec![0; 4],
        media_tokens: Vec::new(),
        output_cap: 1_000,
        nova_provider: Some("anthropic".into()),
        nova_model: Some("opus".into()),
    }
}

fn route(query: &RouteQuery) -> Decision {
    catalogue().route(query, &[]).unwrap()
}

fn chain(query: &RouteQuery) -> Vec<usize> {
    route(query).chain()
}

/// The weights that the product promises, in whole per mille.
#[test]
fn scores_are_weighted_sums_of_whole_per_mille() {
    let decision = route(&query());
    let scores: Vec<[u32; 4]> =
        decision.candidates.iter().map(|it| [it.score, it.quality, it.speed, it.cost]).collect();

    assert_eq!(vec![2, 3, 1, 0], decision.chain());
    let flash = [840, 600, 1_000, 1_000];
    let expected =
        vec![flash, [650, 500, 500, 1_000], [585, 900, 500, 250], [512, 1_000, 250, 125]];
    assert_eq!(expected, scores);
    assert_eq!(16_000, decision.dearest_bound());
}

/// Each strategy puts its own factor first.
#[test]
fn strategies_put_their_factor_first() {
    assert_eq!(0, chain(&RouteQuery { strategy: Goal::Quality, ..query() })[0]);
    assert_eq!(2, chain(&RouteQuery { strategy: Goal::Speed, ..query() })[0]);
    assert_eq!(vec![2, 3, 1, 0], chain(&RouteQuery { strategy: Goal::Cost, ..query() }));
}

/// A free model is cheapest of all, and the others still differ in cost beside it.
#[test]
fn a_free_model_does_not_hide_the_prices_of_the_others() {
    let mut catalogue = catalogue();
    catalogue.records[3].dearest_input_rate = Some(0);
    catalogue.records[3].output_rate = 0;
    let decision = catalogue.route(&query(), &[]).unwrap();
    let cost = |index| decision.candidates.iter().find(|it| it.index == index).map(|it| it.cost);

    assert_eq!([Some(62), Some(125), Some(500), Some(1_000)], [0, 1, 2, 3].map(cost));
}

/// What is preferred comes first, then the role's default, the task's, and the rest by score.
#[test]
fn preferences_and_defaults_come_before_the_score() {
    let base = RouteQuery { task_type: "code".into(), agent_role: "analyst".into(), ..query() };
    assert_eq!(vec![1, 0, 2, 3], chain(&base));
    let search = RouteQuery { task_type: "search".into(), ..base.clone() };
    assert_eq!(vec![1, 2, 3, 0], chain(&search));
    let preferred = RouteQuery { preferred_provider: Some("mistral".to_owned()), ..base.clone() };
    assert_eq!(vec![3, 1, 0, 2], chain(&preferred));
    let preferred = RouteQuery { preferred_model: Some("flash".to_owned()), ..base };
    assert_eq!(vec![2, 1, 0, 3], chain(&preferred));
}

/// A name that nobody knows is told, never quietly replaced.
#[test]
fn an_unknown_preference_is_told() {
    let unknown = route(&RouteQuery { preferred_model: Some("gpt-99".to_owned()), ..query() });
    assert_eq!(
        (Some("gpt-99".to_owned()), vec![]),
        (unknown.unknown_preferred.clone(), unknown.chain())
    );

    let elsewhere = RouteQuery { preferred_provider: Some("google".to_owned()), ..query() };
    let elsewhere = RouteQuery { preferred_model: Some("opus".to_owned()), ..elsewhere };
    assert_eq!(Some("opus".to_owned()), route(&elsewhere).unknown_preferred);
    let provider = RouteQuery { preferred_provider: Some("nobody".to_owned()), ..query() };
    assert_eq!(Some("nobody".to_owned()), route(&provider).unknown_preferred);
}

/// Equal candidates are tried in the order of their names, not of the catalogue.
#[test]
fn ties_are_broken_by_provider_and_model() {
    let names = [("b", "x"), ("a", "z"), ("a", "y"), ("b", "w")];
    let records = names.map(|(provider, model)| record(provider, model, 50, 50, 1_000)).to_vec();
    let decision = Catalogue { records, ..catalogue() }.route(&query(), &[]).unwrap();

    assert_eq!(vec![2, 1, 3, 0], decision.chain());
}

/// The lock of Nova holds under every strategy, and her own model may be preferred.
#[test]
fn nova_is_served_by_its_model_alone() {
    let nova = RouteQuery { agent_role: "nova".into(), ..query() };
    let locked = [1, 2, 3].map(|index| (index, Exclusion::NovaLocked)).to_vec();
    let own = [(None, None), (Some("anthropic"), None), (None, Some("opus"))];
    for (provider, model) in own {
        for strategy in GOALS {
            let decision = route(&preferring(provider, model, strategy, &nova));
            assert_eq!((vec![0], locked.clone()), (decision.chain(), decision.exclusions));
        }
    }
    assert_eq!(Vec::<usize>::new(), chain(&RouteQuery { nova_model: None, ..nova }));
}

/// Asked for another model or provider she is not replaced and does not answer: there is no route.
#[test]
fn nova_is_not_there_for_whoever_asks_for_another() {
    let nova = RouteQuery { agent_role: "nova".into(), ..query() };
    let another = [
        (Some("openai"), None),
        (None, Some("flash")),
        (Some("google"), Some("flash")),
        (Some("openai"), Some("large")),
    ];
    for (provider, model) in another {
        for strategy in GOALS {
            let decision = route(&preferring(provider, model, strategy, &nova));
            let told: Vec<_> = decision.exclusions.iter().map(|it| it.1).collect();
            let mut expected = vec![Exclusion::NovaLocked; 4];
            expected[0] = Exclusion::NotPreferredModel;
            assert_eq!((None, expected), (decision.unknown_preferred.clone(), told));
            assert_eq!(Vec::<usize>::new(), decision.chain());
        }
    }
}

const GOALS: [Goal; 5] = [Goal::Balanced, Goal::Cost, Goal::Quality, Goal::Speed, Goal::Specific];

fn preferring(
    provider: Option<&str>,
    model: Option<&str>,
    strategy: Goal,
    query: &RouteQuery,
) -> RouteQuery {
    RouteQuery {
        preferred_provider: provider.map(Into::into),
        preferred_model: model.map(Into::into),
        strategy,
        ..query.clone()
    }
}

/// A role that a record locks is served by such records alone; others may still use it.
#[test]
fn a_locked_role_stays_with_its_records() {
    let mut catalogue = catalogue();
    catalogue.records[1].locked_role = Some("judge".to_owned());
    let chain = |agent_role: &str| {
        let query = RouteQuery { agent_role: agent_role.into(), ..query() };
        catalogue.route(&query, &[]).unwrap().chain()
    };

    assert_eq!(vec![1], chain("judge"));
    assert_eq!(vec![2, 3, 1, 0], chain("none"));
}

fn exclusion(query: &RouteQuery, change: impl FnOnce(&mut ModelRecord)) -> Option<Exclusion> {
    let mut catalogue = catalogue();
    change(&mut catalogue.records[0]);
    let decision = catalogue.route(query, &[]).unwrap();
    decision.exclusions.iter().find(|(index, _)| *index == 0).map(|(_, exclusion)| *exclusion)
}

/// An instance is named by itself or by its provider, whose place in defaults and locks it has.
#[test]
fn an_instance_stands_for_its_provider() {
    let of = |name: &str, maker: &str| ModelRecord {
        instance_of: maker.into(),
        ..record(name, "sonnet", 90, 80, 1_000)
    };
    let records = vec![of("claude-eu", "anthropic"), of("resold", "openrouter")];
    let catalogue = Catalogue { records, ..catalogue() };
    let sizes = || vec![1_000; 2];
    let ask = RouteQuery { body_bytes: sizes(), extra_tokens: vec![0; 2], ..query() };
    let named = |query: RouteQuery| {
        catalogue.route(&query, &[]).unwrap().chain().iter().map(|index| index + 1).sum::<usize>()
    };
    let list = |name: &str| vec![name.to_owned()];

    let nova = RouteQuery { agent_role: "nova".into(), ..ask.clone() };
    assert_eq!(1, named(RouteQuery { nova_model: Some("sonnet".into()), ..nova }));
    assert_eq!(1, named(RouteQuery { allowed_providers: list("anthropic"), ..ask.clone() }));
    assert_eq!(1, named(RouteQuery { allowed_providers: list("claude-eu"), ..ask.clone() }));
    assert_eq!(2, named(RouteQuery { forbidden_providers: list("anthropic"), ..ask.clone() }));
    assert_eq!(1, named(RouteQuery { forbidden_providers: list("resold"), ..ask.clone() }));
    let resold = RouteQuery { preferred_provider: Some("openrouter".into()), ..ask };
    assert_eq!(Some(&1), catalogue.route(&resold, &[]).unwrap().chain().first());
}

/// Every hard constraint has its own reason, and each is enough alone.
#[test]
fn every_constraint_excludes_with_its_reason() {
    let google = || vec!["google".to_owned()];
    let specific = RouteQuery { strategy: Goal::Specific, ..query() };
    let cases = [
        (specific.clone(), Exclusion::NotPreferredModel),
        (
            RouteQuery { preferred_model: Some("flash".to_owned()), ..specific },
            Exclusion::NotPreferredModel,
        ),
        (RouteQuery { allowed_providers: google(), ..query() }, Exclusion::ProviderNotAllowed),
        (
            RouteQuery { forbidden_providers: vec!["anthropic".into()], ..query() },
            Exclusion::ProviderForbidden,
        ),
        (
            RouteQuery { capabilities: vec!["tools".into(), "vision".into()], ..query() },
            Exclusion::CapabilityMissing,
        ),
        (RouteQuery { regions: vec!["us".into()], ..query() }, Exclusion::RegionNotAllowed),
        (RouteQuery { body_bytes: vec![18_002; 4], ..query() }, Exclusion::ContextTooSmall),
        (RouteQuery { extra_tokens: vec![8_501; 4], ..query() }, Exclusion::ContextTooSmall),
        (RouteQuery { output_cap: 4_001, ..query() }, Exclusion::OutputCapTooLarge),
        (RouteQuery { cost_ceiling: Some(15_999), ..query() }, Exclusion::OverCostCeiling),
    ];
    for (query, reason) in cases {
        assert_eq!(Some(reason), exclusion(&query, |_| ()), "{reason:?}");
    }
    assert_eq!(None, exclusion(&RouteQuery { cost_ceiling: Some(16_000), ..query() }, |_| ()));
    assert_eq!(None, exclusion(&RouteQuery { body_bytes: vec![18_001; 4], ..query() }, |_| ()));
}

/// Residency is hard: a model that may also run elsewhere does not satisfy it.
#[test]
fn a_model_that_may_run_elsewhere_is_not_resident() {
    let eu = RouteQuery { regions: vec!["eu".into()], ..query() };
    let regions = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();

    assert_eq!(None, exclusion(&eu, |record| record.regions = regions(&["eu"])));
    let both = exclusion(&eu, |record| record.regions = regions(&["eu", "us"]));
    assert_eq!(Some(Exclusion::RegionNotAllowed), both);
    let unknown = exclusion(&eu, |record| record.regions = regions(&[]));
    assert_eq!(Some(Exclusion::RegionNotAllowed), unknown);
}

/// An unknown price is told apart from no route, because an operator can mend it.
#[test]
fn an_unknown_price_is_told_only_where_it_alone_stands_in_the_way() {
    let mut catalogue = catalogue();
    catalogue.records.iter_mut().for_each(|record| record.dearest_input_rate = None);
    let all = catalogue.route(&query(), &[]).unwrap();
    assert!(all.price_unknown_only());
    assert_eq!(
        vec![Exclusion::PriceUnknown; 4],
        all.exclusions.iter().map(|it| it.1).collect::<Vec<_>>()
    );

    let none = RouteQuery { allowed_providers: vec!["xai".into()], ..query() };
    assert!(!catalogue.route(&none, &[]).unwrap().price_unknown_only());
    catalogue.records[2].dearest_input_rate = Some(1);
    assert!(!catalogue.route(&query(), &[]).unwrap().price_unknown_only());
}

/// A provider that is down is tried last, even where it is preferred.
#[test]
fn standings_scale_scores_and_zero_comes_last() {
    let standings = [("google".to_owned(), 500), ("openai".to_owned(), 0)];
    let preferred = RouteQuery { preferred_provider: Some("openai".to_owned()), ..query() };
    let decision = catalogue().route(&preferred, &standings).unwrap();

    assert_eq!(vec![3, 0, 2, 1], decision.chain());
    assert_eq!(
        vec![650, 512, 420, 0],
        decision.candidates.iter().map(|it| it.score).collect::<Vec<_>>()
    );
}

/// Sizes are per record; a list of another length is a mistake, not a guess.
#[test]
fn sizes_must_match_the_catalogue() {
    let short = RouteQuery { body_bytes: vec![1; 3], ..query() };

    assert_eq!(Err(RouteError::Sizes), catalogue().route(&short, &[]));
}

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
            body_bytes: vec![body; count],
            extra_tokens: vec![0; count],
            media_tokens: Vec::new(),
            nova_provider: Some("a".to_owned()),
            nova_model: Some("m".to_owned()),
            ..query()
        }
    }
}

fn snapshot() -> impl Strategy<Value = (Catalogue, RouteQuery)> {
    prop::collection::vec(any_record(), 0..9).prop_flat_map(|records| {
        let count = records.len();
        (Just(Catalogue { records, ..catalogue() }), any_query(count))
    })
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
    /// The chain is exactly what the constraints leave; the rest is excluded with a reason.
    #[test]
    fn constraints_are_hard((catalogue, query) in snapshot()) {
        let decision = catalogue.route(&query, &[]).unwrap();
        let mut chain = decision.chain();
        chain.sort_unstable();
        let left = (0..).zip(&catalogue.records).filter(|(_, record)| may_answer(&query, record));
        let left: Vec<usize> = left.map(|(index, _)| index).collect();

        prop_assert_eq!(&left, &chain);
        prop_assert_eq!(catalogue.records.len(), chain.len() + decision.exclusions.len());
        prop_assert!(decision.candidates.iter().all(|it| it.bound <= decision.dearest_bound()));
        prop_assert!(decision.candidates.iter().all(|it| it.score <= 1_000));
    }

    /// One snapshot gives one decision, also where the catalogue lists its records otherwise.
    #[test]
    fn a_decision_does_not_depend_on_the_order_of_the_catalogue((catalogue, query) in snapshot()) {
        let records = &catalogue.records;
        let mut names: Vec<_> = records.iter().map(|it| (&it.provider, &it.model)).collect();
        names.sort();
        names.dedup();
        prop_assume!(names.len() == records.len());
        let reversed = Catalogue {
            records: records.iter().rev().cloned().collect(),
            ..catalogue.clone()
        };
        let one = catalogue.route(&query, &[]).unwrap().chain();
        let other = reversed.route(&query, &[]).unwrap().chain();
        let mirrored: Vec<usize> = other.iter().map(|index| records.len() - 1 - index).collect();

        prop_assert_eq!(one, mirrored);
    }
}
