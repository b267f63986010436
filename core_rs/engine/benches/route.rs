//! What a route costs over a catalogue of the product's size.

use std::hint::black_box;
use std::time::Duration;

use chenu_engine::route::{Catalogue, ModelRecord, RouteQuery, Rules, Signal, Signals, Strategy};
use criterion::{Criterion, criterion_group, criterion_main};

const MODELS: u32 = 200;

fn record(number: u32) -> ModelRecord {
    ModelRecord {
        provider: format!("provider-{}", number % 18),
        model: format!("model-{number}"),
        wire: if number.is_multiple_of(18) { "anthropic_messages" } else { "openai_chat" }
            .to_owned(),
        name_bytes: 12,
        quality: number * 37 % 100,
        speed: number * 53 % 200,
        output_rate: i64::from(number) * 250_000_000,
        dearest_input_rate: Some(i64::from(number) * 50_000_000),
        rate_steps: vec![],
        context_tokens: 128_000,
        output_tokens_max: 8_192,
        capabilities: vec!["tools".to_owned(), "vision".to_owned()],
        regions: vec!["us".to_owned()],
        ..ModelRecord::default()
    }
}

fn query() -> RouteQuery {
    RouteQuery {
        task_type: "code".to_owned(),
        agent_role: "analyst".to_owned(),
        strategy: Strategy::Balanced,
        preferred_provider: Some("provider-3".to_owned()),
        preferred_model: None,
        capabilities: vec!["tools".to_owned()],
        cost_ceiling: Some(100_000_000),
        allowed_providers: Vec::new(),
        forbidden_providers: vec!["provider-5".to_owned()],
        regions: Vec::new(),
        body_bytes: vec![6_000; 2],
        extra_tokens: vec![0; 2],
        media_tokens: Vec::new(),
        output_cap: 1_024,
        overrides: vec![7, 42],
    }
}

fn route(criterion: &mut Criterion) {
    let records: Vec<ModelRecord> = (0..MODELS).map(record).collect();
    let rules = Rules {
        task_defaults: vec![("code".to_owned(), "provider-1".to_owned())],
        role_defaults: vec![("analyst".to_owned(), "provider-2".to_owned())],
        ..Rules::default()
    };
    let Ok(catalogue) = Catalogue::new(&records, rules) else { return };
    let measured = Signal { latency_ms: 400, error_per_mille: 100, ..Signal::default() };
    let known: Vec<(String, Signal)> =
        (0..18).map(|number| (format!("provider-{number}"), measured)).collect();
    let signals = catalogue.signals(&known);
    let query = query();
    criterion.bench_function("route_over_200_models_of_18_providers", |bencher| {
        bencher.iter(|| catalogue.route(black_box(&query), &Signals::default()));
    });
    criterion.bench_function("route_over_200_models_with_signals", |bencher| {
        bencher.iter(|| catalogue.route(black_box(&query), &signals));
    });
    let plain = RouteQuery {
        forbidden_providers: Vec::new(),
        cost_ceiling: None,
        overrides: Vec::new(),
        ..query
    };
    criterion.bench_function("route_where_all_200_models_are_candidates", |bencher| {
        bencher.iter(|| catalogue.route(black_box(&plain), &Signals::default()));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20);
    targets = route
}
criterion_main!(benches);
