//! What an analysis costs: a sentence, a page, and the longest text there is.

use std::hint::black_box;

use chenu_engine::intent::analyze;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SENTENCE: &str =
    "Could you please summarise the thread of last week and then send it to Bob?";
const TEXT_MAX: usize = 50_000;

fn texts(criterion: &mut Criterion) {
    let long =
        |length: usize| SENTENCE.chars().chain([' ']).cycle().take(length).collect::<String>();
    let mut group = criterion.benchmark_group("intent_analyze");
    for text in [SENTENCE.to_owned(), long(2_000), long(TEXT_MAX)] {
        group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap_or(u64::MAX)));
        group.bench_with_input(BenchmarkId::new("prose", text.len()), &text, |bencher, text| {
            bencher.iter(|| analyze(black_box(text)));
        });
    }
    group.finish();
}

/// Texts made to be slow: each would be, if anything searched ahead without a bound.
fn hostile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("intent_analyze_hostile");
    for (name, unit) in [
        ("marks", "\""),
        ("ticks", "`"),
        ("politeness", "please "),
        ("denials", "ne "),
        ("numbers", "1%"),
    ] {
        let text = unit.repeat(TEXT_MAX / unit.len());
        group.bench_function(name, |bencher| bencher.iter(|| analyze(black_box(&text))));
    }
    group.finish();
}

criterion_group!(benches, texts, hostile);
criterion_main!(benches);
