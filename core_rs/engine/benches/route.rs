//! What a route costs over a catalogue of the product's size.

use std::hint::black_box;
use std::time::Duration;

use chenu_engine::route::{Catalogue, ModelRecord, RouteQuery, Strategy};
use criterion::{Criterion, criterion_group, criterion_main};

const MODELS: u32 = 200;

fn record(number: u32) -> ModelRecord {
    ModelRecord {
        provider: format!("provider-{}", number % 18),
        model: format!("model-{number}"),
        quality: number * 37 % 100,
        speed: number * 53 % 200,
        output_rate: i64::from(number) * 250_000_000,
        dearest_input_rate: Some(i64::from(number) * 50_000_000),
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
        priority: "normal".to_owned(),
        strategy: Strategy::Balanced,
        preferred_provider: Some("provider-3".to_owned()),
        preferred_model: None,
        capabilities: vec!["tools".to_owned()],
        cost_ceiling: Some(100_000_000),
        allowed_providers: Vec::new(),
        forbidden_providers: vec!["provider-5".to_owned()],
        regions: Vec::new(),
        body_bytes: (0..MODELS).map(|_| 6_000).collect(),
        extra_tokens: (0..MODELS).map(|_| 0).collect(),
        media_tokens: Vec::new(),
        output_cap: 1_024,
        nova_provider: None,
        nova_model: None,
    }
}

fn route(criterion: &mut Criterion) {
    let catalogue = Catalogue {
        records: (0..MODELS).map(record).collect(),
        task_defaults: vec![("code".to_owned(), "provider-1".to_owned())],
        role_defaults: vec![("analyst".to_owned(), "provider-2".to_owned())],
    };
    let standings: Vec<(String, u32)> =
        (0..18).map(|number| (format!("provider-{number}"), 900)).collect();
    let query = query();
    criterion.bench_function("route_over_200_models_of_18_providers", |bencher| {
        bencher.iter(|| catalogue.route(black_box(&query), &standings));
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
