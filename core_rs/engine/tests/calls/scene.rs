//! The shipped policies, a tool that refunds, and a member's question.

use chenu_engine::policy::{
    CallVerdict, PolicyError, PolicySet, ProposedCall, Query, Sources, ToolDeclaration,
};

pub(crate) const SCHEMA: &str =
    include_str!("../../../../server/chenu_server/governance/policy/cedar/schema.cedarschema");
const BASE: &str =
    include_str!("../../../../server/chenu_server/governance/policy/cedar/base.cedar");
const SENSITIVE: &str =
    include_str!("../../../../server/chenu_server/governance/policy/cedar/sensitive.cedar");
const TOOLS: &str =
    include_str!("../../../../server/chenu_server/governance/policy/cedar/tools.cedar");

/// A tool whose amount is always told, and whose note may be.
pub(crate) const REFUND: (&str, &str) = (
    "refund",
    r#"{ "type": "object", "required": ["amount"],
        "properties": { "amount": { "type": "number" }, "note": { "type": "string" } } }"#,
);
pub(crate) const OVER_100: &str = r#"@id("refunds-over-100") @checkpoint("execution_approval")
    forbid (principal, action == Action::"call_tool.refund", resource)
    when { context.arguments.amount.greaterThan(decimal("100.0")) };"#;

pub(crate) fn load(tools: &[(&str, &str)], operator: &[&str]) -> Result<PolicySet, PolicyError> {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let shipped =
        [file("base.cedar", BASE), file("sensitive.cedar", SENSITIVE), file("tools.cedar", TOOLS)];
    let operator: Vec<_> = operator.iter().map(|text| file("operator.cedar", text)).collect();
    let declared = |&(name, schema): &(&str, &str)| ToolDeclaration {
        name: name.to_owned(),
        schema_json: schema.to_owned(),
    };
    let tools: Vec<_> = tools.iter().map(declared).collect();
    PolicySet::load(Sources {
        schema: SCHEMA,
        shipped: &shipped,
        operator: &operator,
        tools: &tools,
    })
}

pub(crate) fn loaded(tools: &[(&str, &str)], operator: &[&str]) -> PolicySet {
    load(tools, operator).expect("the policies and tools are valid")
}

pub(crate) fn refusal(tools: &[(&str, &str)], operator: &[&str]) -> String {
    load(tools, operator).expect_err("it must be refused").to_string()
}

pub(crate) fn question() -> Query {
    Query {
        principal_type: "user".to_owned(),
        principal_id: "alice".to_owned(),
        identity_id: "acme".to_owned(),
        roles: vec!["member".to_owned()],
        operation: "nova.query".to_owned(),
        intents: vec!["query".to_owned()],
        sphere: "personal".to_owned(),
        mode: "command".to_owned(),
        sensitivity: "internal".to_owned(),
        providers: vec!["anthropic".to_owned()],
        ..Query::default()
    }
}

/// What is said of a call that only reads.
pub(crate) fn said(policies: &PolicySet, name: &str, arguments: &str) -> CallVerdict {
    let arguments = arguments.as_bytes();
    policies.evaluate_call(&question(), &ProposedCall { name, effect: "read", arguments })
}

pub(crate) fn passed() -> CallVerdict {
    CallVerdict { allowed: true, ..CallVerdict::default() }
}

pub(crate) fn held(checkpoints: &[(&str, &str)]) -> CallVerdict {
    let owned = checkpoints.iter().map(|&(kind, id)| (kind.to_owned(), id.to_owned()));
    CallVerdict { checkpoints: owned.collect(), ..passed() }
}

/// Held for want of an argument, and for what else is asked.
pub(crate) fn held_untold(why: &str, also: &[(&str, &str)]) -> CallVerdict {
    let mut all = also.to_vec();
    all.push(("execution_approval", "unrepresentable_arguments"));
    all.sort_unstable();
    CallVerdict { unrepresentable: Some(why.to_owned()), ..held(&all) }
}
