//! Routes: hard constraints hold whatever is preferred, and one snapshot gives one decision.

use chenu_engine::route::{
    Breaker, Catalogue, Decision, Exclusion, Health, ModelRecord, Preference, RouteError,
    RouteQuery, Rules, Signal, Signals, Strategy as Goal, WeightTable, Weights,
};

pub(crate) fn record(
    provider: &str,
    model: &str,
    quality: u32,
    speed: u32,
    rate: i64,
) -> ModelRecord {
    ModelRecord {
        provider: provider.into(),
        instance_of: String::new(),
        model: model.into(),
        wire: "openai".into(),
        quality,
        speed,
        name_bytes: 0,
        aliases: vec![],
        output_rate: rate,
        dearest_input_rate: Some(rate),
        rate_steps: vec![],
        context_tokens: 10_000,
        output_tokens_max: 4_000,
        capabilities: vec!["tools".into()],
        regions: vec!["eu".into()],
        locked_role: None,
    }
}

fn records() -> Vec<ModelRecord> {
    vec![
        record("anthropic", "opus", 100, 50, 8_000_000),
        record("openai", "large", 90, 100, 4_000_000),
        record("google", "flash", 60, 200, 1_000_000),
        record("mistral", "small", 50, 100, 1_000_000),
    ]
}

pub(crate) fn rules() -> Rules {
    let pair = |name: &str, provider: &str| (name.to_owned(), provider.to_owned());
    Rules {
        task_defaults: vec![pair("code", "anthropic"), pair("search", "google")],
        role_defaults: vec![pair("analyst", "openai")],
        nova: Some(pair("anthropic", "opus")),
        ..Rules::default()
    }
}

fn catalogue_of(records: &[ModelRecord]) -> Catalogue {
    Catalogue::new(records, rules()).unwrap()
}

/// The records with one of them changed.
fn changed(at: usize, change: impl FnOnce(&mut ModelRecord)) -> Catalogue {
    let mut records = records();
    change(&mut records[at]);
    catalogue_of(&records)
}

pub(crate) fn decided(catalogue: &Catalogue, query: &RouteQuery) -> Decision {
    catalogue.route(query, &Signals::default()).unwrap()
}

pub(crate) fn query() -> RouteQuery {
    RouteQuery {
        task_type: "chat".into(),
        agent_role: "none".into(),
        strategy: Goal::Balanced,
        preferred_provider: None,
        preferred_model: None,
        capabilities: vec![],
        cost_ceiling: None,
        allowed_providers: vec![],
        forbidden_providers: vec![],
        regions: vec![],
        body_bytes: vec![1_000],
        extra_tokens: vec![0],
        media_tokens: Vec::new(),
        output_cap: 1_000,
        overrides: vec![],
    }
}

fn route(query: &RouteQuery) -> Decision {
    decided(&catalogue_of(&records()), query)
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
    let catalogue = changed(3, |record| {
        record.dearest_input_rate = Some(0);
        record.output_rate = 0;
    });
    let decision = decided(&catalogue, &query());
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
    // Of two names that of the unknown one: the other is spelt well.
    let both = RouteQuery { preferred_model: Some("opus".to_owned()), ..provider };
    assert_eq!(Some("nobody".to_owned()), route(&both).unknown_preferred);
}

/// Equal candidates are tried in the order of their names, not of the catalogue.
#[test]
fn ties_are_broken_by_provider_and_model() {
    let names = [("b", "x"), ("a", "z"), ("a", "y"), ("b", "w")];
    let records = names.map(|(provider, model)| record(provider, model, 50, 50, 1_000)).to_vec();
    let decision = decided(&catalogue_of(&records), &query());

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
    let nobody = Catalogue::new(&records(), Rules { nova: None, ..rules() }).unwrap();
    assert_eq!(Vec::<usize>::new(), decided(&nobody, &nova).chain());
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
    let catalogue = changed(1, |record| record.locked_role = Some("judge".to_owned()));
    let chain = |agent_role: &str| {
        let query = RouteQuery { agent_role: agent_role.into(), ..query() };
        decided(&catalogue, &query).chain()
    };

    assert_eq!(vec![1], chain("judge"));
    assert_eq!(vec![2, 3, 1, 0], chain("none"));
}

fn exclusion(query: &RouteQuery, change: impl FnOnce(&mut ModelRecord)) -> Option<Exclusion> {
    let decision = decided(&changed(0, change), query);
    decision.exclusions.iter().find(|(index, _)| *index == 0).map(|(_, exclusion)| *exclusion)
}

/// An instance is named by itself or by its provider, whose place in defaults and locks it has.
#[test]
fn an_instance_stands_for_its_provider() {
    let of = |name: &str, maker: &str, model: &str| ModelRecord {
        instance_of: maker.into(),
        ..record(name, model, 90, 80, 1_000)
    };
    let catalogue = catalogue_of(&[
        of("claude-eu", "anthropic", "opus"),
        of("resold", "openrouter", "opus"),
        record("anthropic", "haiku", 95, 80, 1_000),
    ]);
    let named = |query: RouteQuery| {
        let mut left = decided(&catalogue, &query).chain();
        left.sort_unstable();
        left
    };
    let list = |name: &str| vec![name.to_owned()];

    assert_eq!(vec![0], named(RouteQuery { agent_role: "nova".into(), ..query() }));
    assert_eq!(vec![0, 2], named(RouteQuery { allowed_providers: list("anthropic"), ..query() }));
    assert_eq!(vec![0], named(RouteQuery { allowed_providers: list("claude-eu"), ..query() }));
    assert_eq!(vec![1], named(RouteQuery { forbidden_providers: list("anthropic"), ..query() }));
    assert_eq!(vec![0, 2], named(RouteQuery { forbidden_providers: list("resold"), ..query() }));
    let resold = RouteQuery { preferred_provider: Some("openrouter".into()), ..query() };
    assert_eq!(Some(&1), decided(&catalogue, &resold).chain().first());
    let coded = RouteQuery { task_type: "code".into(), ..query() };
    assert_eq!(Some(&1), decided(&catalogue, &coded).chain().last());
}

/// Files bound the cost beside what else is sent, up to the context; they exclude by size alone.
#[test]
fn files_count_in_the_bound_and_never_beyond_the_context() {
    let catalogue = catalogue_of(&records());
    let plain = decided(&catalogue, &query());
    let media = vec![Some(100), None, Some(0), Some(i64::MAX)];
    let asked = RouteQuery { media_tokens: media, ..query() };
    let extra_of = |decision: &Decision, index: usize| {
        let found = decision.candidates.iter().find(|it| it.index == index);
        found.map(|it| (it.extra_tokens, it.body_bytes))
    };
    let decision = decided(&catalogue, &asked);

    assert_eq!(vec![(1, Exclusion::MediaTooLarge)], decision.exclusions);
    assert_eq!(Some((100, 1_000)), extra_of(&decision, 0));
    assert_eq!(extra_of(&plain, 2), extra_of(&decision, 2));
    let context = records()[3].context_tokens;
    assert_eq!(Some((context - 1_000, 1_000)), extra_of(&decision, 3));
    let short = RouteQuery { media_tokens: vec![Some(1)], ..query() };
    assert_eq!(Err(RouteError::Sizes), catalogue.route(&short, &Signals::default()));
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
        (RouteQuery { body_bytes: vec![18_002], ..query() }, Exclusion::ContextTooSmall),
        (RouteQuery { extra_tokens: vec![8_501], ..query() }, Exclusion::ContextTooSmall),
        (RouteQuery { output_cap: 4_001, ..query() }, Exclusion::OutputCapTooLarge),
        (RouteQuery { cost_ceiling: Some(15_999), ..query() }, Exclusion::OverCostCeiling),
    ];
    for (query, reason) in cases {
        assert_eq!(Some(reason), exclusion(&query, |_| ()), "{reason:?}");
    }
    assert_eq!(None, exclusion(&RouteQuery { cost_ceiling: Some(16_000), ..query() }, |_| ()));
    assert_eq!(None, exclusion(&RouteQuery { body_bytes: vec![18_001], ..query() }, |_| ()));
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
    let mut records = records();
    for record in &mut records {
        record.dearest_input_rate = None;
    }
    let all = decided(&catalogue_of(&records), &query());
    assert!(all.price_unknown_only());
    assert_eq!(
        vec![Exclusion::PriceUnknown; 4],
        all.exclusions.iter().map(|it| it.1).collect::<Vec<_>>()
    );

    let none = RouteQuery { allowed_providers: vec!["xai".into()], ..query() };
    assert!(!decided(&catalogue_of(&records), &none).price_unknown_only());
    records[2].dearest_input_rate = Some(1);
    assert!(!decided(&catalogue_of(&records), &query()).price_unknown_only());
}

/// What monitoring tells scales scores, and who is down is tried last, even where it is preferred.
#[test]
fn signals_scale_scores_and_who_is_down_comes_last() {
    let catalogue = catalogue_of(&records());
    let signals = catalogue.signals(&[
        ("google".to_owned(), Signal { health: Health::Degraded, ..Signal::default() }),
        ("openai".to_owned(), Signal { breaker: Breaker::Open, ..Signal::default() }),
    ]);
    let preferred = RouteQuery { preferred_provider: Some("openai".to_owned()), ..query() };
    let decision = catalogue.route(&preferred, &signals).unwrap();
    let scores: Vec<u32> = decision.candidates.iter().map(|it| it.score).collect();

    assert_eq!(vec![3, 0, 2, 1], decision.chain());
    assert_eq!(vec![650, 512, 420, 0], scores);
}

/// Each seat of a signal has its effect; neutral ones, and none at all, have none.
#[test]
fn every_signal_counts_and_neutral_ones_change_nothing() {
    let neutral = Signal::default();
    let standing = |signal: Signal| signal.standing();

    assert_eq!(1_000, standing(neutral));
    assert_eq!(1_000, standing(Signal { health: Health::Healthy, ..neutral }));
    assert_eq!(0, standing(Signal { health: Health::Unhealthy, ..neutral }));
    assert_eq!(500, standing(Signal { breaker: Breaker::HalfOpen, ..neutral }));
    assert_eq!(750, standing(Signal { error_per_mille: 250, ..neutral }));
    assert_eq!(0, standing(Signal { error_per_mille: 2_000, ..neutral }));
    assert_eq!(1_000, standing(Signal { room_per_mille: 100, ..neutral }));
    assert_eq!(
        [300, 0],
        [30, 0].map(|room_per_mille| standing(Signal { room_per_mille, ..neutral }))
    );

    let catalogue = catalogue_of(&records());
    let known = catalogue.signals(&[("google".to_owned(), neutral)]);
    assert_eq!(catalogue.route(&query(), &known).unwrap(), route(&query()));
    let slow = Signal { latency_ms: 3_000, ..neutral };
    let slow =
        catalogue.route(&query(), &catalogue.signals(&[("google".to_owned(), slow)])).unwrap();
    let speed = |index| slow.candidates.iter().find(|it| it.index == index).map(|it| it.speed);
    assert_eq!([Some(1_000), Some(590)], [1, 2].map(speed));
}

/// An operator's weights are parts of their sum; a strategy without any is a mistake.
#[test]
fn weights_are_the_operators() {
    let cost_alone = Weights { quality: 0, speed: 0, cost: 7 };
    let weights = WeightTable { balanced: cost_alone, ..WeightTable::default() };
    let catalogue = Catalogue::new(&records(), Rules { weights, ..rules() }).unwrap();
    let scores: Vec<u32> =
        decided(&catalogue, &query()).candidates.iter().map(|it| it.score).collect();
    assert_eq!(vec![1_000, 1_000, 250, 125], scores);
    assert_eq!(cost_alone, catalogue.basis(&query()).weights);

    let none = Weights { quality: 0, speed: 0, cost: 0 };
    let weights = WeightTable { speed: none, ..WeightTable::default() };
    let refused = Catalogue::new(&records(), Rules { weights, ..rules() });
    assert_eq!(Err(RouteError::Weights), refused);
}

/// An override stands in its own order behind what the query prefers and before every default.
#[test]
fn overrides_come_behind_the_querys_wishes_and_before_defaults() {
    let base = RouteQuery { agent_role: "analyst".into(), overrides: vec![3, 0], ..query() };
    assert_eq!(vec![3, 0, 1, 2], chain(&base));
    let preferred = RouteQuery { preferred_model: Some("flash".to_owned()), ..base.clone() };
    assert_eq!(vec![2, 3, 0, 1], chain(&preferred));
    let told: Vec<Preference> =
        route(&preferred).candidates.iter().map(|it| it.preference).collect();
    let expected =
        [Preference::Model, Preference::Override, Preference::Override, Preference::Role];
    assert_eq!(expected.to_vec(), told);

    let forbidden = RouteQuery { forbidden_providers: vec!["mistral".to_owned()], ..base.clone() };
    assert_eq!(vec![0, 1, 2], chain(&forbidden));
    let nova = RouteQuery { agent_role: "nova".into(), ..base.clone() };
    assert_eq!(vec![0], chain(&nova));
    assert_eq!(route(&query()).chain(), chain(&RouteQuery { overrides: vec![99], ..query() }));
}

/// A model may be asked for by its alias; its own body counts its own name.
#[test]
fn aliases_and_names_are_the_records_own() {
    let catalogue = changed(1, |record| {
        record.aliases = vec!["best".to_owned()];
        record.name_bytes = 1_000;
    });
    let query = RouteQuery { preferred_model: Some("best".to_owned()), ..query() };
    let first = decided(&catalogue, &query).candidates[0];

    assert_eq!((1, 2_000), (first.index, first.body_bytes));
    assert_eq!(4_000 * 3, first.bound);
}

/// Sizes are per wire, in the order of the catalogue's; a list of another length is a mistake.
#[test]
fn sizes_must_match_the_wires() {
    let catalogue = changed(3, |record| record.wire = "anthropic".to_owned());
    let query = RouteQuery { body_bytes: vec![10, 1_000], extra_tokens: vec![5, 0], ..query() };
    let sizes: Vec<_> = decided(&catalogue, &query)
        .candidates
        .iter()
        .map(|it| (it.body_bytes, it.extra_tokens))
        .collect();

    assert_eq!(["anthropic", "openai"], catalogue.wires());
    assert_eq!(vec![(1_000, 0), (10, 5), (1_000, 0), (1_000, 0)], sizes);
    let short = RouteQuery { body_bytes: vec![1], ..query };
    assert_eq!(Err(RouteError::Sizes), catalogue.route(&short, &Signals::default()));
}

/// No price and no prompt is too large for exact numbers: what cannot be told is a mistake.
#[test]
fn the_largest_amounts_are_exact_or_refused() {
    let dear = |rate| {
        changed(0, |record| {
            record.output_rate = 0;
            record.dearest_input_rate = Some(rate);
        })
    };
    let long = RouteQuery { preferred_model: Some("opus".to_owned()), ..query() };
    let bound =
        |rate| dear(rate).route(&long, &Signals::default()).map(|it| it.candidates[0].bound);

    assert_eq!(Ok(9_223_372_036_854_776), bound(i64::MAX));
    let long = RouteQuery { body_bytes: vec![i64::MAX], ..long };
    let far = changed(0, |record| record.name_bytes = 1);
    assert!(matches!(far.route(&long, &Signals::default()), Err(RouteError::Amount(_))));
}
