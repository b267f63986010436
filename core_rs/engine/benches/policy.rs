//! What a policy verdict costs: the shipped set, an ordinary and a sensitive query.

use std::hint::black_box;

use chenu_engine::policy::{PolicySet, Query, Sources};
use criterion::{Criterion, criterion_group, criterion_main};

const SCHEMA: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/schema.cedarschema");
const BASE: &str = include_str!("../../../server/chenu_server/governance/policy/cedar/base.cedar");
const SENSITIVE: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/sensitive.cedar");

#[expect(clippy::expect_used, reason = "without its policies nothing can be shown")]
fn shipped() -> PolicySet {
    let shipped = [
        ("base.cedar".to_owned(), BASE.to_owned()),
        ("sensitive.cedar".to_owned(), SENSITIVE.to_owned()),
    ];
    PolicySet::load(Sources { schema: SCHEMA, shipped: &shipped, operator: &[], tools: &[] })
        .expect("the shipped policies load")
}

fn query(intents: &[&str], roles: &[&str]) -> Query {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Query {
        principal_type: "user".to_owned(),
        principal_id: "alice".to_owned(),
        identity_id: "acme".to_owned(),
        roles: owned(roles),
        operation: "nova.query".to_owned(),
        intents: owned(intents),
        sphere: "business".to_owned(),
        spheres: vec!["business".to_owned()],
        mode: "command".to_owned(),
        sensitivity: "internal".to_owned(),
        agent_role: "nova".to_owned(),
        providers: vec!["anthropic".to_owned()],
        ..Query::default()
    }
}

fn evaluate(criterion: &mut Criterion) {
    let policies = shipped();
    let mut group = criterion.benchmark_group("policy_evaluate");
    for (name, query) in [
        ("allowed", query(&["query"], &["member"])),
        ("two_checkpoints", query(&["delete", "send"], &["member", "approver"])),
        ("default_deny", query(&["query"], &["auditor"])),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| policies.evaluate(black_box(&query))));
    }
    group.finish();
}

fn load(criterion: &mut Criterion) {
    criterion.bench_function("policy_load", |bencher| bencher.iter(shipped));
}

criterion_group!(benches, evaluate, load);
criterion_main!(benches);
