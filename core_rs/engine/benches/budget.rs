//! What a reservation costs, and the checks around it: bound, cap, identity, role.

use std::hint::black_box;
use std::time::Duration;

use chenu_engine::boundary::{choose_identity, role_allowed};
use chenu_engine::budget::{Account, CapQuery, Worst, bound, cap_that_fits, post, reserve};
use criterion::{Criterion, criterion_group, criterion_main};

const ACCOUNT: Account = Account {
    limit: 1_000_000_000_000,
    granted: 0,
    posted: 400_000_000_000,
    reserved: 20_000_000_000,
    overrun: 0,
};
const WORST: Worst = Worst {
    body_bytes: 6_000,
    extra_tokens: 300,
    dearest_input_rate: 3_750_000_000,
    output_cap: 1_024,
    output_rate: 15_000_000_000,
};

fn spending(criterion: &mut Criterion) {
    let accounts = [ACCOUNT; 6];
    let query = CapQuery { wanted: WORST, least: 256, available: 30_000_000 };
    let mut group = criterion.benchmark_group("budget");
    group.bench_function("reserve_in_6", |bencher| {
        bencher.iter(|| reserve(black_box(&accounts), 19_110_000));
    });
    group.bench_function("post", |bencher| {
        bencher.iter(|| post(black_box(&ACCOUNT), 19_110_000, 4_000_000));
    });
    group.bench_function("bound", |bencher| bencher.iter(|| bound(black_box(&WORST))));
    group.bench_function("cap", |bencher| bencher.iter(|| cap_that_fits(black_box(&query))));
    group.finish();
}

fn boundary(criterion: &mut Criterion) {
    let held = ["acme", "acme.research", "home", "home.garden"];
    let mut group = criterion.benchmark_group("boundary");
    group.bench_function("choose_identity", |bencher| {
        bencher.iter(|| choose_identity(black_box(&held), Some("home.garden")).ok());
    });
    group.bench_function("role_allowed", |bencher| {
        bencher.iter(|| role_allowed(black_box("approver"), &["member", "auditor", "approver"]));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20);
    targets = spending, boundary
}
criterion_main!(benches);
