//! What an admission costs: one busy identity, and many; a bucket; a slot; a turn in the queue.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use chenu_engine::limit::{
    BucketSettings, CallBuckets, FairQueue, IdentityWindows, Slot, WindowSettings, choose_slot,
};
use criterion::{Criterion, criterion_group, criterion_main};

const IDENTITIES: usize = 10_000;
const SETTINGS: WindowSettings = WindowSettings {
    limit: 100,
    window_us: 60_000_000,
    burst: 20,
    burst_window_us: 1_000_000,
    block_us: 120_000_000,
    keys_max: IDENTITIES,
};

fn windows(criterion: &mut Criterion) {
    let names: Vec<String> = (0..IDENTITIES).map(|number| format!("identity-{number}")).collect();
    let mut group = criterion.benchmark_group("limit_windows");
    let mut one = IdentityWindows::new(SETTINGS);
    let mut now_us = 0;
    group.bench_function("one_identity_at_its_limit", |bencher| {
        bencher.iter(|| {
            now_us += 600_000;
            one.arrive(black_box("identity"), now_us)
        });
    });
    let mut many = IdentityWindows::new(SETTINGS);
    let mut calls = names.iter().cycle();
    group.bench_function("10000_identities", |bencher| {
        bencher.iter(|| {
            now_us += 100;
            calls.next().map(|name| many.arrive(black_box(name), now_us))
        });
    });
    group.finish();
}

fn buckets(criterion: &mut Criterion) {
    let burst = NonZeroU32::MIN.saturating_add(99);
    let mut buckets = CallBuckets::new(BucketSettings { rate_per_s: 50, burst, keys_max: 1_000 });
    let mut now_us = 0;
    criterion.bench_function("limit_bucket", |bencher| {
        bencher.iter(|| {
            now_us += 20_000;
            buckets.take(black_box("identity"), now_us)
        });
    });
}

fn slots(criterion: &mut Criterion) {
    let slots: Vec<Slot> =
        (0..100).map(|number| Slot { number, free_at_us: i64::from(number) * 7 }).collect();
    criterion.bench_function("limit_slot_of_100", |bencher| {
        bencher.iter(|| choose_slot(black_box(&slots), 100, 100, 5));
    });
}

fn queue(criterion: &mut Criterion) {
    let mut queue = FairQueue::new(2_000);
    let names: Vec<String> = (0..100).map(|number| format!("identity-{number}")).collect();
    let mut calls = (0..).zip(names.iter().cycle());
    for (ticket, name) in calls.by_ref().take(1_000) {
        queue.join(name, ticket);
    }
    criterion.bench_function("limit_queue_join_and_take_of_1000", |bencher| {
        bencher.iter(|| {
            let joined = calls.next().map(|(ticket, name)| queue.join(black_box(name), ticket));
            (joined, queue.take())
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20);
    targets = windows, buckets, slots, queue
}
criterion_main!(benches);
