//! What cannot be told to the policies is held for a person, and never passes.

use chenu_engine::policy::{CallVerdict, ProposedCall};

use crate::scene::{OVER_100, REFUND, held_untold, loaded, passed, question, said};

const TOO_FINE: &str = r#"{"amount": 0.12345}"#;
const WHY: &str =
    "arguments.amount is no number of at most 4 decimal places within 922337203685477.5807";

#[test]
fn an_argument_that_cannot_be_told_is_named_and_nothing_that_the_model_wrote() {
    let every = r#"{ "type": "object", "properties": {
        "text": { "type": "string" }, "flag": { "type": "boolean" },
        "whole": { "type": "integer" }, "decimal": { "type": "number" },
        "list": { "type": "array", "items": { "type": "integer" } },
        "deep": { "type": "object", "required": ["in"], "properties": {
            "in": { "type": "array", "items": { "type": "object", "required": ["x"],
                "properties": { "x": { "type": "string" } } } } } } } }"#;
    let policies = loaded(&[("every", every)], &[]);
    for (arguments, why) in [
        (r#"{"text": 1}"#, "arguments.text is no string"),
        (r#"{"text": "\ud800"}"#, "arguments is no JSON object in which each name stands once"),
        (r#"{"flag": "true"}"#, "arguments.flag is no boolean"),
        (r#"{"whole": 0.5}"#, "arguments.whole is no whole number of 64 bits"),
        (r#"{"whole": 9223372036854775808}"#, "arguments.whole is no whole number of 64 bits"),
        (r#"{"whole": "1"}"#, "arguments.whole is no whole number of 64 bits"),
        (r#"{"list": 1}"#, "arguments.list is no array"),
        (r#"{"list": [1, null]}"#, "arguments.list[1] is no whole number of 64 bits"),
        (r#"{"deep": []}"#, "arguments.deep is no object"),
        (r#"{"deep": {}}"#, "arguments.deep.in is missing"),
        (r#"{"deep": {"in": null}}"#, "arguments.deep.in is missing"),
        (r#"{"deep": {"in": [{"x": ""}, {"y": ""}]}}"#, "arguments.deep.in[1].x is missing"),
        ("[]", "arguments is no JSON object in which each name stands once"),
        ("", "arguments is no JSON object in which each name stands once"),
        ("{} {}", "arguments is no JSON object in which each name stands once"),
        (
            r#"{"flag": true, "fl\u0061g": true}"#,
            "arguments is no JSON object in which each name stands once",
        ),
    ] {
        assert_eq!(held_untold(why, &[]), said(&policies, "every", arguments), "{arguments}");
    }
}

#[test]
fn what_the_schema_does_not_describe_is_not_told_and_stops_nothing() {
    let policies = loaded(&[REFUND], &[OVER_100]);
    let arguments = r#"{"amount": 5, "note": null, "more": {"amount": 0.12345}, "x": [null]}"#;

    assert_eq!(passed(), said(&policies, "refund", arguments));
}

#[test]
fn arguments_that_nobody_could_read_alike_are_held_for_any_tool() {
    let policies = loaded(&[], &[]);
    let why = "arguments is no JSON object in which each name stands once";
    for arguments in ["", "null", "{},", r#"{"a": 1, "a": 2}"#, r#"{"a": {"b": 1, "b": 1}}"#] {
        assert_eq!(held_untold(why, &[]), said(&policies, "unlisted", arguments), "{arguments}");
    }
    let call = ProposedCall { name: "unlisted", effect: "read", arguments: b"{\"a\": \"\xff\"}" };
    assert_eq!(held_untold(why, &[]), policies.evaluate_call(&question(), &call));
}

#[test]
fn a_hard_forbid_that_reads_the_argument_holds_and_any_other_refuses() {
    let reads = OVER_100.replace(r#"@checkpoint("execution_approval")"#, "");
    let own = r#"@id("own") forbid (principal, action == Action::"call_tool.refund", resource)
        when { context.operation == "nova.query" };"#;
    let first = r#"@id("first") forbid (principal, action == Action::"call_tool.refund", resource)
        when { context.operation == "nova.query" || context.arguments has note };"#;
    let held = said(&loaded(&[REFUND], &[&reads]), "refund", TOO_FINE);

    assert_eq!(held_untold(WHY, &[]), held);
    for (text, id) in [(own, "own"), (first, "first")] {
        let refused = said(&loaded(&[REFUND], &[&reads, text]), "refund", TOO_FINE);

        let denied_by = vec![id.to_owned()];
        let unrepresentable = Some(WHY.to_owned());
        assert_eq!(CallVerdict { denied_by, unrepresentable, ..CallVerdict::default() }, refused);
    }
}

#[test]
fn no_argument_is_told_where_one_cannot_be() {
    let noted = r#"@id("noted") forbid (principal, action == Action::"call_tool.refund", resource)
        when { context.arguments has note && context.arguments.note == "stop" };"#;
    let policies = loaded(&[REFUND], &[noted]);

    let refused = said(&policies, "refund", r#"{"amount": 1, "note": "stop"}"#);
    assert_eq!(vec!["noted"], refused.denied_by);
    let held = said(&policies, "refund", r#"{"amount": 0.12345, "note": "stop"}"#);
    assert_eq!(held_untold(WHY, &[]), held);
}

#[test]
fn whom_a_policy_would_ask_is_asked_though_it_cannot_be_evaluated() {
    let dear = OVER_100.replace("execution_approval", "budget_approval");
    let always = r#"@id("always") @checkpoint("data_access")
        forbid (principal, action in Action::"call_tool", resource);"#;
    let policies = loaded(&[REFUND], &[&dear, always]);
    let also = [("budget_approval", "refunds-over-100"), ("data_access", "always")];

    assert_eq!(held_untold(WHY, &also), said(&policies, "refund", TOO_FINE));
}

#[test]
fn the_effect_asks_as_well() {
    let policies = loaded(&[REFUND], &[]);
    let arguments = TOO_FINE.as_bytes();
    let call = ProposedCall { name: "refund", effect: "delete", arguments };

    let also = [("destructive_action", "rule_3_tool_delete")];
    assert_eq!(held_untold(WHY, &also), policies.evaluate_call(&question(), &call));
}
