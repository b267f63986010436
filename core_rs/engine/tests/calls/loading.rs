//! Which tools are taken, and which policies about them.

use chenu_engine::policy::{PolicySet, Sources};

use crate::scene::{OVER_100, REFUND, SCHEMA, load, loaded, refusal};

#[test]
fn a_tool_that_cannot_be_used_is_named() {
    for (name, schema, expected) in [
        ("refund", "", "tools: refund: its schema: it is not JSON"),
        ("refund", "nothing", "tools: refund: its schema: it is not JSON"),
        ("refund", "[]", "tools: refund: its schema: it is no JSON object"),
        (
            "refund",
            r#"{"type": "object", "properties": 1}"#,
            "tools: refund: its schema: its properties is not usable",
        ),
        ("re.fund", "{}", "tools: re.fund: a tool's name is 1 to 64 letters, digits, '_' or '-'"),
        ("", "{}", "tools: : a tool's name is 1 to 64 letters, digits, '_' or '-'"),
    ] {
        assert_eq!(expected, refusal(&[(name, schema)], &[]));
    }
    for schema in [
        "{}",
        r#"{"type": "array"}"#,
        r#"{"type": ["object", "null"]}"#,
        r##"{"$ref": "#/$defs/a", "type": "object", "$defs": {"a": {}}}"##,
        r#"{"properties": {"a": {"type": "string"}}}"#,
    ] {
        let reason = refusal(&[("refund", schema)], &[]);

        assert!(reason.starts_with("tools: refund: its schema: arguments are"), "{reason}");
    }
}

#[test]
fn a_name_stands_for_one_tool() {
    assert_eq!("tools: refund: the name is taken by another tool", refusal(&[REFUND, REFUND], &[]));
}

#[test]
fn a_name_that_a_tool_may_have_is_taken() {
    for name in ["call_unlisted_tool", "unlisted", "submit", "-", "_9", &"a".repeat(64)] {
        let forbid = format!(
            r#"@id("one") forbid (principal, action == Action::"call_tool.{name}", resource);"#
        );

        assert!(load(&[(name, r#"{"type": "object"}"#)], &[&forbid]).is_ok(), "{name}");
    }
}

#[test]
fn a_policy_about_a_tool_or_an_argument_that_is_not_there_is_refused() {
    for (action, condition) in [
        (r#"== Action::"call_tool.refunds""#, "true"),
        (r#"== Action::"refund""#, "true"),
        (r#"== Action::"call_tool.refund""#, "context.arguments.amout == decimal(\"1.0\")"),
        (r#"== Action::"call_tool.refund""#, "context.arguments has amout"),
        (r#"== Action::"call_tool.refund""#, "context.arguments.note == \"a\""),
        (r#"== Action::"call_tool.refund""#, "context.arguments.amount > 100"),
        (r#"== Action::"call_tool.refund""#, "context.arguments.amount == 100"),
        (r#"in Action::"call_tool""#, "context.arguments.amount == decimal(\"1.0\")"),
        (r#"== Action::"call_unlisted_tool""#, "context has arguments"),
        (r#"in Action::"call_tool""#, "context.tool.effect == ToolEffect::\"destroy\""),
        (r#"in Action::"call_tool""#, "context.tool.effect == \"delete\""),
        ("in Action::\"submit\"", "context has tool"),
        ("", "context.tool.name == \"refund\""),
    ] {
        let text = format!(
            "@id(\"off\") forbid (principal, action {action}, resource) when {{ {condition} }};"
        );
        let reason = refusal(&[REFUND], &[&text]);

        assert!(reason.starts_with("operator.cedar: off: "), "{action} {condition}: {reason}");
    }
    assert!(load(&[REFUND], &[OVER_100]).is_ok());
    assert!(refusal(&[], &[OVER_100]).starts_with("operator.cedar: refunds-over-100: "));
}

#[test]
fn the_name_of_what_holds_untold_arguments_is_no_policys() {
    let taken =
        r#"@id("unrepresentable_arguments") forbid (principal is Agent, action, resource);"#;

    assert_eq!(
        "operator.cedar: unrepresentable_arguments: this @id is reserved for verdicts",
        refusal(&[], &[taken])
    );
}

#[test]
fn the_revision_follows_tools_and_neither_their_order_nor_layout() {
    let (name, schema) = REFUND;
    let other = ("other", r#"{"type": "object"}"#);
    let revision = |tools: &[(&str, &str)]| loaded(tools, &[]).revision().to_owned();
    let spaced = schema.replace(' ', "\n  ");

    assert_eq!(revision(&[REFUND, other]), revision(&[other, REFUND]));
    assert_eq!(revision(&[REFUND]), revision(&[(name, &spaced)]));
    assert_ne!(revision(&[REFUND]), revision(&[]));
    assert_ne!(revision(&[REFUND]), revision(&[("refunds", schema)]));
    assert_ne!(revision(&[REFUND]), revision(&[(name, &schema.replace("number", "integer"))]));
    assert_ne!(revision(&[REFUND]), revision(&[(name, &schema.replace("[\"amount\"]", "[]"))]));
    let described = schema.replacen('{', "{ \"description\": \"pays back\",", 1);
    assert_ne!(revision(&[REFUND]), revision(&[(name, &described)]));
}

#[test]
fn a_schema_that_calls_do_not_fit_is_refused() {
    for schema in [
        SCHEMA.replace("effect: ToolEffect", "effect: String"),
        SCHEMA.replace("tool: {", "tool: { id: String,"),
        SCHEMA.replace("type Called = {", "type Called = { amount: Long,"),
        SCHEMA.replace("\"payment\"", "\"pay\""),
        SCHEMA.replace("context: Called", "context: Asked"),
        SCHEMA.replace("action call_unlisted_tool", "action call_other_tool"),
        SCHEMA.replace("Called", "Proposed"),
    ] {
        assert_ne!(SCHEMA, schema);
        let sources = Sources { schema: &schema, shipped: &[], operator: &[], tools: &[] };
        let error = PolicySet::load(sources).expect_err("the schema must be refused");

        assert_eq!("the schema", error.file);
    }
}
