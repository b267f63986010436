//! What is refused, held and passed.

use chenu_engine::policy::{CallVerdict, ProposedCall, Query};

use crate::scene::{OVER_100, REFUND, held, loaded, passed, question, said};

const FIFTY: &str = r#"{"amount": 50}"#;

#[test]
fn an_effect_decides_what_a_person_approves_first() {
    let policies = loaded(&[REFUND], &[]);
    for (effect, expected) in [
        ("read", passed()),
        ("write", passed()),
        ("delete", held(&[("destructive_action", "rule_3_tool_delete")])),
        ("send", held(&[("execution_approval", "rule_4_tool_send")])),
        ("transfer", held(&[("data_access", "rule_5_tool_transfer")])),
        ("payment", held(&[("execution_approval", "rule_6_tool_payment")])),
    ] {
        for name in ["refund", "anything_else"] {
            let call = ProposedCall { name, effect, arguments: FIFTY.as_bytes() };

            assert_eq!(expected, policies.evaluate_call(&question(), &call), "{name} {effect}");
        }
    }
}

#[test]
fn what_a_query_was_approved_for_is_not_asked_again_at_its_calls() {
    let policies = loaded(&[REFUND], &[]);
    let intents = ["delete", "send", "transfer", "payment"].map(str::to_owned).to_vec();
    let approved = Query { intents, cross_sphere: true, ..question() };
    let call = ProposedCall { name: "refund", effect: "read", arguments: FIFTY.as_bytes() };

    assert_eq!(5, policies.evaluate(&approved).checkpoints.len());
    assert_eq!(passed(), policies.evaluate_call(&approved, &call));
}

#[test]
fn only_a_member_has_tools_called() {
    let policies = loaded(&[REFUND], &[]);
    let outsider = Query { roles: vec!["auditor".to_owned()], ..question() };
    for name in ["refund", "anything_else"] {
        let call = ProposedCall { name, effect: "payment", arguments: FIFTY.as_bytes() };
        let denied_by = vec!["default_deny".to_owned()];

        let expected = CallVerdict { denied_by, ..CallVerdict::default() };
        assert_eq!(expected, policies.evaluate_call(&outsider, &call));
    }
}

#[test]
fn refunds_over_100_need_a_person() {
    let policies = loaded(&[REFUND], &[OVER_100]);
    let expected = held(&[("execution_approval", "refunds-over-100")]);
    for amount in ["100.01", "100.0001", "1000.1e-1", "101", "1e3", "922337203685477.5807"] {
        let arguments = format!(r#"{{"amount": {amount}}}"#);

        assert_eq!(expected, said(&policies, "refund", &arguments), "{amount}");
    }
    for amount in ["100", "100.00", "1e2", "100.0000000", "99.99", "0", "-0.0", "-101"] {
        let arguments = format!(r#"{{"amount": {amount}}}"#);

        assert_eq!(passed(), said(&policies, "refund", &arguments), "{amount}");
    }
}

#[test]
fn an_argument_that_is_null_is_not_there() {
    let nullable = r#"{ "type": "object", "required": ["amount"],
        "properties": { "amount": { "type": ["number", "null"] } } }"#;
    let asked = "context.arguments has amount && context.arguments.amount.";
    let over = OVER_100.replace("context.arguments.amount.", asked);
    let unsaid = r#"@id("unsaid") @checkpoint("data_access")
        forbid (principal, action == Action::"call_tool.refund", resource)
        unless { context.arguments has amount };"#;
    let policies = loaded(&[("refund", nullable)], &[&over, unsaid]);

    let expected = held(&[("data_access", "unsaid")]);
    assert_eq!(expected, said(&policies, "refund", r#"{"amount": null}"#));
    assert_eq!(expected, said(&policies, "refund", "{}"));
    assert_eq!(passed(), said(&policies, "refund", r#"{"amount": 100}"#));
    let expected = held(&[("execution_approval", "refunds-over-100")]);
    assert_eq!(expected, said(&policies, "refund", r#"{"amount": 100.01}"#));
}

#[test]
fn every_fact_of_the_query_and_the_tool_reaches_the_policies() {
    let query = Query {
        acting_for: vec!["user:bob".to_owned()],
        detected_intents: vec!["create".to_owned()],
        target_kind: "thread".to_owned(),
        target_id: "42".to_owned(),
        spheres: vec!["scholar".to_owned()],
        agent_role: "nova".to_owned(),
        ..question()
    };
    for condition in [
        r#"principal == User::"alice" && principal.identity == "acme""#,
        r#"principal.acting_for.contains("user:bob")"#,
        r#"resource == Target::"thread/42""#,
        r#"context.operation == "nova.query""#,
        r#"context.mode == Mode::"command""#,
        r#"context.intents.contains(Intent::"query")"#,
        r#"context.detected_intents.contains(Intent::"create")"#,
        r#"context.sphere == Sphere::"personal""#,
        r#"context.spheres.contains(Sphere::"scholar")"#,
        r"!context.cross_sphere",
        r#"context.sensitivity == Sensitivity::"internal""#,
        r#"context.agent_role == "nova""#,
        r#"context.providers.contains("anthropic")"#,
        r#"context has tool && context.tool.name == "refund""#,
        r#"context has tool && context.tool.effect == ToolEffect::"read""#,
        r#"context has arguments && context.arguments.amount == decimal("50.0")"#,
        r#"action in Action::"call_tool""#,
        r#"action == Action::"call_tool.refund""#,
    ] {
        let text =
            format!("@id(\"seen\") forbid (principal, action, resource) when {{ {condition} }};");
        let policies = loaded(&[REFUND], &[&text]);
        let call = ProposedCall { name: "refund", effect: "read", arguments: FIFTY.as_bytes() };

        let verdict = policies.evaluate_call(&query, &call);
        assert_eq!(vec!["seen"], verdict.denied_by, "{condition}");
    }
}

#[test]
fn a_tool_that_nobody_configured_has_a_name_and_an_effect_and_no_arguments() {
    let unlisted = r#"@id("unlisted") @checkpoint("scope_elevation")
        forbid (principal, action == Action::"call_unlisted_tool", resource)
        when { context.tool.name like "ref*" && context.tool.effect == ToolEffect::"read" };"#;
    let policies = loaded(&[REFUND], &[unlisted, OVER_100]);
    let expected = held(&[("scope_elevation", "unlisted")]);
    for name in ["refunds", "refund.x", "ref", "refund "] {
        assert_eq!(expected, said(&policies, name, r#"{"amount": 1000}"#), "{name}");
    }

    assert_eq!(passed(), said(&policies, "refund", FIFTY));
    assert_eq!(passed(), said(&policies, "", "{}"));
}

#[test]
fn a_group_of_calls_can_be_forbidden_and_one_tool_alone() {
    let all = r#"@id("all") forbid (principal, action in Action::"call_tool", resource);"#;
    let one = r#"@id("one") forbid (principal, action == Action::"call_tool.refund", resource);"#;
    let policies = loaded(&[REFUND, ("other", r#"{"type": "object"}"#)], &[one]);

    assert_eq!(vec!["one"], said(&policies, "refund", FIFTY).denied_by);
    assert_eq!(passed(), said(&policies, "other", "{}"));
    for name in ["refund", "unlisted"] {
        let verdict = said(&loaded(&[REFUND], &[all]), name, FIFTY);

        assert_eq!((false, vec!["all".to_owned()]), (verdict.allowed, verdict.denied_by));
    }
    assert!(loaded(&[REFUND], &[all, one]).evaluate(&question()).allowed);
}

#[test]
fn a_word_that_no_list_has_denies() {
    let policies = loaded(&[REFUND], &[]);
    let call = |effect| ProposedCall { name: "refund", effect, arguments: FIFTY.as_bytes() };
    let unknown = policies.evaluate_call(&question(), &call("destroy"));
    let astray = Query { sphere: "moon".to_owned(), ..question() };
    let elsewhere = policies.evaluate_call(&astray, &call("read"));

    assert_eq!(vec!["invalid_query"], unknown.denied_by);
    assert_eq!(vec!["effect: \"destroy\" is unknown"], unknown.errors);
    assert_eq!(vec!["invalid_query"], elsewhere.denied_by);
}

#[test]
fn a_policy_that_fails_denies_whichever_it_is() {
    for checkpoint in ["", r#"@checkpoint("data_access")"#] {
        let broken = format!(
            r#"@id("broken") {checkpoint}
            forbid (principal, action in Action::"call_tool", resource)
            when {{ 9223372036854775807 + 1 == 0 }};"#
        );
        let policies = loaded(&[REFUND], &[&broken]);
        // Also where arguments cannot be told, which excuses only who reads them.
        for arguments in [FIFTY, r#"{"amount": 0.12345}"#, "{}"] {
            let verdict = said(&policies, "refund", arguments);

            assert_eq!((false, vec!["broken".to_owned()]), (verdict.allowed, verdict.denied_by));
            assert_eq!(1, verdict.errors.len());
        }
    }
}

#[test]
fn an_amount_of_the_query_makes_no_reservation_of_its_calls() {
    let policies = loaded(&[REFUND], &[OVER_100]);
    let reserving = Query { amount_nanousd: Some(1), ..question() };
    let call = ProposedCall { name: "refund", effect: "read", arguments: FIFTY.as_bytes() };

    assert_eq!(passed(), policies.evaluate_call(&reserving, &call));
}
