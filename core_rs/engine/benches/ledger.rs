//! What canonical bytes, sealing and verifying cost: a digest, a batch, an exported line.

use std::hint::black_box;
use std::time::Duration;

use chenu_engine::canonical::digest;
use chenu_engine::ledger::{
    Batch, ChainVerifier, Disclosed, EntryDraft, ExportVerifier, NO_HEAD, SealedEntry, Stored,
    export_line, seal,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const BATCH: usize = 128;
const START: Batch<'_> = Batch {
    origin: "chenu/7d4f",
    ledger_number: 0,
    batch_id: "0190c8a0-0000-7000-8000-0000000000ff",
    time_us: 1_795_000_000_000_000,
    size: 0,
    head: NO_HEAD,
};

fn draft() -> EntryDraft {
    EntryDraft {
        entry_id: "0190c8a0-0000-7000-8000-000000000001".to_owned(),
        decision: "allow".to_owned(),
        action: "execute".to_owned(),
        identity_id: "acme".to_owned(),
        principal_type: "service".to_owned(),
        principal_id: "0190c8a0-0000-7000-8000-000000000002".to_owned(),
        acting_for: vec!["0190c8a0-0000-7000-8000-000000000003".to_owned()],
        resource_kind: "query".to_owned(),
        resource_id: "0190c8a0-0000-7000-8000-000000000004".to_owned(),
        reason: String::new(),
        salt: [7; 32],
        payload: br#"{"model":"claude","bound_nanousd":19110000}"#.to_vec(),
    }
}

fn verify(entries: &[SealedEntry], draft: &EntryDraft) -> ChainVerifier {
    let mut verifier = ChainVerifier::new(None, 0);
    for entry in entries {
        let disclosed = Disclosed { salt: &draft.salt, payload: &draft.payload };
        _ = verifier.entry(&entry.canonical, &entry.entry_hash, Some(disclosed));
    }
    verifier
}

fn chain(criterion: &mut Criterion) {
    let draft = draft();
    let drafts = vec![draft.clone(); BATCH];
    let sealed = seal(&START, &drafts).unwrap_or_default();
    let mut group = criterion.benchmark_group("ledger_batch_of_128");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("seal", |bencher| bencher.iter(|| seal(&START, black_box(&drafts))));
    group.bench_function("verify", |bencher| bencher.iter(|| verify(black_box(&sealed), &draft)));
    group.finish();
}

fn export(criterion: &mut Criterion) {
    let draft = draft();
    let sealed = seal(&START, [&draft]).unwrap_or_default();
    let Some(entry) = sealed.first() else { return };
    let stored = Stored {
        sequence: entry.sequence,
        canonical: &entry.canonical,
        entry_hash: &entry.entry_hash,
        salt: Some(&draft.salt),
        payload: Some(&draft.payload),
    };
    let write = || export_line(black_box(&stored));
    let line = write() + "\n";
    let read = |mut verifier: ExportVerifier| verifier.line(black_box(line.as_bytes()));
    let mut group = criterion.benchmark_group("ledger_export_line");
    group.bench_function("write", |bencher| bencher.iter(write));
    group.bench_function("verify", |bencher| {
        bencher.iter_batched(ExportVerifier::default, read, BatchSize::SmallInput);
    });
    group.finish();
}

fn action_digest(criterion: &mut Criterion) {
    let fields = [[b'x'; 40]; 12];
    criterion.bench_function("canonical_digest_of_12_fields", |bencher| {
        bencher.iter(|| digest("chenu.action.v1", black_box(&fields)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(20);
    targets = chain, export, action_digest
}
criterion_main!(benches);
