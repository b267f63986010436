//! What a policy verdict costs: the shipped set, an ordinary and a sensitive query, and calls of
//! tools.

use std::hint::black_box;

use chenu_engine::policy::{PolicySet, ProposedCall, Query, Sources, ToolDeclaration};
use criterion::{Criterion, criterion_group, criterion_main};

const SCHEMA: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/schema.cedarschema");
const BASE: &str = include_str!("../../../server/chenu_server/governance/policy/cedar/base.cedar");
const SENSITIVE: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/sensitive.cedar");
const TOOLS: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/tools.cedar");
const REFUND: &str = r#"{"type": "object", "required": ["amount", "order"], "properties": {
    "amount": {"type": "number"}, "order": {"type": "string"}, "note": {"type": "string"},
    "items": {"type": "array", "items": {"type": "object", "required": ["sku"], "properties": {
        "sku": {"type": "string"}, "count": {"type": "integer"}}}}}}"#;
const OVER_100: &str = r#"@id("refunds-over-100") @checkpoint("execution_approval")
    forbid (principal, action == Action::"call_tool.refund", resource)
    when { context.arguments.amount.greaterThan(decimal("100.0")) };"#;

fn shipped() -> PolicySet {
    loaded(&[], &[])
}

/// So many tools, of which the first refunds, and a policy about it.
fn with_tools(count: usize) -> PolicySet {
    let name = |at| if at == 0 { "refund".to_owned() } else { format!("refund{at}") };
    let declared = |at| ToolDeclaration { name: name(at), schema_json: REFUND.to_owned() };
    let tools: Vec<_> = (0..count).map(declared).collect();
    loaded(&[("operator.cedar".to_owned(), OVER_100.to_owned())], &tools)
}

#[expect(clippy::expect_used, reason = "without its policies nothing can be shown")]
fn loaded(operator: &[(String, String)], tools: &[ToolDeclaration]) -> PolicySet {
    let shipped = [
        ("base.cedar".to_owned(), BASE.to_owned()),
        ("sensitive.cedar".to_owned(), SENSITIVE.to_owned()),
        ("tools.cedar".to_owned(), TOOLS.to_owned()),
    ];
    PolicySet::load(Sources { schema: SCHEMA, shipped: &shipped, operator, tools })
        .expect("the policies load")
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

fn evaluate_call(criterion: &mut Criterion) {
    let policies = with_tools(20);
    let query = query(&["query"], &["member"]);
    let mut group = criterion.benchmark_group("policy_evaluate_call");
    let items = r#"{"amount": 19.99, "order": "A-1", "items": [{"sku": "a", "count": 2}]}"#;
    let long = format!(r#"{{"amount": 5, "order": "A-1", "note": "{}"}}"#, "x".repeat(4 << 10));
    for (case, name, arguments) in [
        ("passed", "refund", items),
        ("held", "refund", r#"{"amount": 100.01, "order": "A-1"}"#),
        ("untold", "refund", r#"{"amount": 0.12345, "order": "A-1"}"#),
        ("a_note_of_4_kib", "refund", &long),
        ("unlisted", "other", items),
    ] {
        let call = ProposedCall { name, effect: "write", arguments: arguments.as_bytes() };
        group.bench_function(case, |bencher| {
            bencher.iter(|| policies.evaluate_call(black_box(&query), black_box(&call)));
        });
    }
    group.finish();
}

fn load(criterion: &mut Criterion) {
    criterion.bench_function("policy_load", |bencher| bencher.iter(shipped));
    let mut group = criterion.benchmark_group("policy_load_tools");
    for count in [1, 20, 200] {
        group.bench_function(count.to_string(), |bencher| bencher.iter(|| with_tools(count)));
    }
    group.finish();
}

criterion_group!(benches, evaluate, evaluate_call, load);
criterion_main!(benches);
