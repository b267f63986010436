//! What may be loaded as a policy, and what the shipped policies say.

use chenu_engine::policy::{PolicyError, PolicySet, Query, Sources, Verdict};

const SCHEMA: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/schema.cedarschema");
const BASE: &str = include_str!("../../../server/chenu_server/governance/policy/cedar/base.cedar");
const SENSITIVE: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/sensitive.cedar");

fn file(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

fn load(operator: &[&str]) -> Result<PolicySet, PolicyError> {
    let shipped = [file("base.cedar", BASE), file("sensitive.cedar", SENSITIVE)];
    let operator: Vec<_> = operator.iter().map(|text| file("operator.cedar", text)).collect();
    PolicySet::load(Sources { schema: SCHEMA, shipped: &shipped, operator: &operator, tools: &[] })
}

#[expect(clippy::expect_used, reason = "without its policies nothing can be shown")]
fn refusal(operator: &[&str]) -> String {
    load(operator).expect_err("the operator's file must be refused").to_string()
}

fn question() -> Query {
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

fn with_intents(intents: &[&str]) -> Query {
    Query { intents: intents.iter().map(|&name| name.to_owned()).collect(), ..question() }
}

fn demanded(verdict: &Verdict) -> Vec<(&str, &str)> {
    let pairs = verdict.checkpoints.iter();
    pairs.map(|(kind, id)| (kind.as_str(), id.as_str())).collect()
}

#[test]
fn a_member_may_ask() {
    let verdict = load(&[]).expect("the shipped policies load").evaluate(&question());

    assert_eq!(Verdict { allowed: true, ..Verdict::default() }, verdict);
}

#[test]
fn nobody_else_may_ask() {
    let policies = load(&[]).expect("the shipped policies load");
    for roles in [vec![], vec!["auditor".to_owned()], vec!["operator".to_owned()]] {
        let verdict = policies.evaluate(&Query { roles, ..question() });

        assert!(!verdict.allowed);
        assert_eq!(vec!["default_deny"], verdict.denied_by);
    }
}

#[test]
fn a_member_may_reserve_and_nobody_else() {
    let policies = load(&[]).expect("the shipped policies load");
    let reserving = Query { amount_nanousd: Some(1), ..question() };
    let outsider = Query { roles: vec!["auditor".to_owned()], ..reserving.clone() };

    assert!(policies.evaluate(&reserving).allowed);
    assert_eq!(vec!["default_deny"], policies.evaluate(&outsider).denied_by);
}

#[test]
fn what_is_declared_of_a_reservation_has_its_checkpoint_too() {
    let policies = load(&[]).expect("the shipped policies load");
    for (intent, id) in [
        ("delete", "rule_3_delete"),
        ("send", "rule_4_send"),
        ("transfer", "rule_5_transfer"),
        ("payment", "rule_6_payment"),
    ] {
        let reserving = Query { amount_nanousd: Some(1), ..with_intents(&[intent]) };
        let verdict = policies.evaluate(&reserving);

        assert_eq!(vec![id], demanded(&verdict).iter().map(|each| each.1).collect::<Vec<_>>());
    }
}

#[test]
fn a_policy_goes_by_the_amount_that_is_reserved() {
    let dear = r#"@id("dear") @checkpoint("budget_approval")
        forbid (principal, action == Action::"reserve", resource)
        when { context.amount_nanousd > 5000000000 };"#;
    let policies = load(&[dear]).expect("the amount is a reservation's");
    let reserving = |amount| Query { amount_nanousd: Some(amount), ..question() };

    assert!(policies.evaluate(&reserving(5_000_000_000)).checkpoints.is_empty());
    let verdict = policies.evaluate(&reserving(5_000_000_001));
    assert_eq!(vec![("budget_approval", "dear")], demanded(&verdict));
    assert!(policies.evaluate(&question()).checkpoints.is_empty());
}

#[test]
fn a_policy_over_any_action_holds_for_both_and_knows_no_amount() {
    let closed = r#"@id("closed") forbid (principal, action, resource)
        when { context.providers.contains("groq") || context.operation == "sms.send" };"#;
    let policies = load(&[closed]).expect("both have all that it asks about");
    let operation = "sms.send".to_owned();
    let asked = Query { operation, ..question() };

    assert_eq!(vec!["closed"], policies.evaluate(&asked).denied_by);
    let reserving = Query { amount_nanousd: Some(1), ..asked };
    assert_eq!(vec!["closed"], policies.evaluate(&reserving).denied_by);
    let reason = refusal(&[
        r#"@id("off") forbid (principal, action, resource) when { context.amount_nanousd > 1 };"#,
    ]);
    assert!(reason.starts_with("operator.cedar: off: "), "{reason}");
}

#[test]
fn each_sensitive_intent_has_its_checkpoint() {
    let policies = load(&[]).expect("the shipped policies load");
    for (intent, expected) in [
        ("delete", ("destructive_action", "rule_3_delete")),
        ("send", ("execution_approval", "rule_4_send")),
        ("transfer", ("data_access", "rule_5_transfer")),
        ("payment", ("execution_approval", "rule_6_payment")),
    ] {
        let verdict = policies.evaluate(&with_intents(&["query", intent]));

        assert!(verdict.allowed);
        assert_eq!(vec![expected], demanded(&verdict));
    }
}

#[test]
fn ordinary_intents_need_nobody() {
    let policies = load(&[]).expect("the shipped policies load");
    let verdict = policies.evaluate(&with_intents(&["query", "create", "update", "analyze"]));

    assert!(verdict.allowed);
    assert_eq!(Vec::<(&str, &str)>::new(), demanded(&verdict));
}

#[test]
fn all_checkpoints_are_listed_together() {
    let policies = load(&[]).expect("the shipped policies load");
    let intents = with_intents(&["payment", "delete", "send"]);
    let verdict = policies.evaluate(&Query { cross_sphere: true, ..intents });

    let expected = vec![
        ("cross_sphere", "rule_2_cross_sphere"),
        ("destructive_action", "rule_3_delete"),
        ("execution_approval", "rule_4_send"),
        ("execution_approval", "rule_6_payment"),
    ];
    assert_eq!(expected, demanded(&verdict));
}

#[test]
fn a_checkpoint_does_not_lift_a_denial() {
    let policies = load(&[]).expect("the shipped policies load");
    let verdict = policies.evaluate(&Query { roles: vec![], ..with_intents(&["delete"]) });

    assert!(!verdict.allowed);
    assert_eq!(Vec::<(&str, &str)>::new(), demanded(&verdict));
}

#[test]
fn an_operator_can_forbid() {
    let policies = load(&[r#"@id("no_agents") forbid (principal is Agent, action, resource);"#])
        .expect("a forbid is welcome");
    let agent = Query { principal_type: "agent".to_owned(), ..question() };

    assert!(policies.evaluate(&question()).allowed);
    assert_eq!(vec!["no_agents"], policies.evaluate(&agent).denied_by);
}

#[test]
fn an_operator_can_demand_a_checkpoint() {
    let policies = load(&[r#"@id("acme.restricted")
        @checkpoint("data_access")
        @description("People look at restricted data first.")
        forbid (principal, action, resource)
        when { context.sensitivity == Sensitivity::"restricted" };"#])
    .expect("a checkpoint is welcome");
    let restricted = Query { sensitivity: "restricted".to_owned(), ..question() };
    let verdict = policies.evaluate(&restricted);

    assert!(verdict.allowed);
    assert_eq!(vec![("data_access", "acme.restricted")], demanded(&verdict));
}

#[test]
fn every_attribute_reaches_the_policies() {
    let query = Query {
        acting_for: vec!["user:bob".to_owned()],
        target_kind: "thread".to_owned(),
        target_id: "42".to_owned(),
        target_sphere: "team".to_owned(),
        spheres: vec!["team".to_owned(), "scholar".to_owned()],
        agent_role: "nova".to_owned(),
        ..question()
    };
    for condition in [
        r#"principal == User::"alice""#,
        r#"principal.identity == "acme""#,
        r#"principal.roles.contains(Role::"member")"#,
        r#"principal.acting_for.contains("user:bob")"#,
        r#"resource == Target::"thread/42""#,
        r#"resource.kind == "thread" && resource.id == "42""#,
        r#"resource has sphere && resource.sphere == Sphere::"team""#,
        r#"action == Action::"submit" && context.operation == "nova.query""#,
        r#"context.intents.contains(Intent::"query")"#,
        r#"context.sphere == Sphere::"personal""#,
        r#"context.spheres.contains(Sphere::"scholar")"#,
        r"!context.cross_sphere",
        r#"context.sensitivity == Sensitivity::"internal""#,
        r#"context.agent_role == "nova""#,
        r#"context.providers.contains("anthropic")"#,
    ] {
        let text =
            format!("@id(\"seen\") forbid (principal, action, resource) when {{ {condition} }};");
        let policies = load(&[&text]).expect(condition);

        assert_eq!(vec!["seen"], policies.evaluate(&query).denied_by, "{condition}");
        assert!(!policies.evaluate(&Query::default()).allowed);
    }
}

#[test]
fn a_target_without_a_sphere_has_none() {
    let policies = load(&[
        r#"@id("sphered") forbid (principal, action, resource) when { resource has sphere };"#,
    ])
    .expect("valid");

    assert!(policies.evaluate(&question()).allowed);
}

#[test]
fn an_erring_hard_policy_denies() {
    let policies = load(&[r#"@id("broken") forbid (principal, action, resource)
        when { 9223372036854775807 + 1 == 0 };"#])
    .expect("overflow is only seen when evaluated");
    let verdict = policies.evaluate(&question());

    assert!(!verdict.allowed);
    assert_eq!(vec!["broken"], verdict.denied_by);
    assert_eq!(1, verdict.errors.len());
}

#[test]
fn an_erring_checkpoint_denies() {
    let policies = load(&[r#"@id("broken") @checkpoint("data_access")
        forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };"#])
    .expect("overflow is only seen when evaluated");
    let verdict = policies.evaluate(&with_intents(&["delete"]));

    assert!(!verdict.allowed);
    assert_eq!(vec!["broken"], verdict.denied_by);
    assert_eq!(Vec::<(&str, &str)>::new(), demanded(&verdict));
}

#[test]
fn an_unknown_name_in_the_query_denies() {
    let policies = load(&[]).expect("the shipped policies load");
    for query in [
        Query { principal_type: "root".to_owned(), ..question() },
        Query { sphere: String::new(), ..question() },
        Query { sensitivity: "secret".to_owned(), ..question() },
        Query { target_sphere: "moon".to_owned(), ..question() },
        Query { roles: vec!["member".to_owned(), "admin".to_owned()], ..question() },
        Query { spheres: vec!["moon".to_owned()], ..question() },
        with_intents(&["destroy"]),
    ] {
        let verdict = policies.evaluate(&query);

        assert!(!verdict.allowed);
        assert_eq!(vec!["invalid_query"], verdict.denied_by);
        assert_eq!(1, verdict.errors.len());
    }
}

#[test]
fn an_operators_mistakes_are_named() {
    for (text, expected) in [
        (
            r#"@id("open") permit (principal, action, resource);"#,
            "operator.cedar: open: an operator's policy can only forbid",
        ),
        (
            "forbid (principal, action, resource);",
            "operator.cedar: policy 1: every policy needs an @id",
        ),
        (
            r#"@id("") forbid (principal, action, resource);"#,
            "operator.cedar: policy 1: an @id is 1 to 64 letters, digits, '_', '-' or '.'",
        ),
        (
            r#"@id("permit_all") forbid (principal, action, resource);"#,
            "operator.cedar: permit_all: this @id is reserved for verdicts",
        ),
        (
            r#"@id("rule_3_delete") forbid (principal, action, resource);"#,
            "operator.cedar: rule_3_delete: the @id is taken by a policy in sensitive.cedar",
        ),
        (
            r#"@id("typo") @checkpont("data_access") forbid (principal, action, resource);"#,
            "operator.cedar: typo: @checkpont is unknown: use @id, @checkpoint, @description",
        ),
        (
            r#"@id("slot") forbid (principal == ?principal, action, resource);"#,
            "operator.cedar: slot: a template never applies: write a policy",
        ),
    ] {
        assert_eq!(expected, refusal(&[text]));
    }
}

#[test]
fn an_unknown_checkpoint_type_is_refused() {
    let reason = refusal(&[
        r#"@id("typo") @checkpoint("dataaccess") forbid (principal, action, resource);"#,
    ]);

    assert!(reason.starts_with(r#"operator.cedar: typo: checkpoint "dataaccess" is unknown"#));
}

#[test]
fn a_condition_that_the_schema_does_not_know_is_refused() {
    for condition in [
        "context.intent == \"delete\"",
        "context.sphere == \"personal\"",
        r#"context.intents.contains(Intent::"delte")"#,
        r#"context.sphere == Sphere::"persnal""#,
        r#"principal.roles.contains(Role::"admin")"#,
        "resource.sphere == context.sphere",
        "context.cross_sphere && false",
        "[].contains(1)",
    ] {
        let text =
            format!("@id(\"off\") forbid (principal, action, resource) when {{ {condition} }};");
        let reason = refusal(&[&text]);

        assert!(reason.starts_with("operator.cedar: off: "), "{condition}: {reason}");
    }
}

#[test]
fn a_syntax_error_names_its_line() {
    let reason = refusal(&["// A comment.\n@id(\"half\")\nforbid (principal, action resource);"]);

    assert!(reason.starts_with("operator.cedar: line 3: "), "{reason}");

    let first_column = refusal(&["// A comment.\n@id(\"half\")\n!"]);
    assert!(first_column.starts_with("operator.cedar: line 3: "), "{first_column}");
}

#[test]
fn a_permit_with_a_checkpoint_is_refused_even_when_shipped() {
    let text = r#"@id("odd") @checkpoint("data_access") permit (principal, action, resource);"#;
    let sources =
        Sources { schema: SCHEMA, shipped: &[file("base.cedar", text)], operator: &[], tools: &[] };
    let error = PolicySet::load(sources).expect_err("a permit cannot block");

    assert_eq!("base.cedar: odd: a permit cannot ask for a checkpoint", error.to_string());
}

#[test]
fn a_schema_that_requests_do_not_fit_is_refused() {
    for schema in [
        SCHEMA.replace("operation: String", "operation: Long"),
        SCHEMA.replace("\"scholar\"", "\"sea\""),
        SCHEMA.replace("type Asked = {", "type Asked = { amount: Long,"),
        SCHEMA.replace("amount_nanousd: Long", "amount_nanousd: String"),
        SCHEMA.replace("sphere?: Sphere", ""),
        "nonsense".to_owned(),
    ] {
        let sources = Sources { schema: &schema, shipped: &[], operator: &[], tools: &[] };
        let error = PolicySet::load(sources).expect_err("the schema must be refused");

        assert_eq!("the schema", error.file);
    }
}

#[test]
fn the_revision_follows_meaning_and_nothing_else() {
    let a = r#"@id("a") forbid (principal is Agent, action, resource);"#;
    let b = r#"@id("b") forbid (principal is Service, action, resource);"#;
    let revision = |texts: &[&str]| load(texts).expect("valid").revision().to_owned();
    let spaced = format!("// A comment.\n{}", a.replace(", ", ",\n  "));

    assert_eq!(revision(&[a, b]), revision(&[b, a]));
    assert_eq!(revision(&[a, b]), revision(&[&format!("{b}\n{a}")]));
    assert_eq!(revision(&[a, b]), revision(&[&spaced, b]));
    assert_ne!(revision(&[a, b]), revision(&[a]));
    assert_ne!(revision(&[a]), revision(&[&a.replace("Agent", "User")]));
    assert_ne!(
        revision(&[a]),
        revision(&[&a.replace("forbid", "@checkpoint(\"data_access\") forbid")])
    );
    assert_eq!(64, revision(&[]).len());
}

#[test]
fn policy_ids_are_sorted() {
    let policies = load(&[r#"@id("acme") forbid (principal is Agent, action, resource);"#]);
    let expected = [
        "acme",
        "base_member",
        "rule_2_cross_sphere",
        "rule_3_delete",
        "rule_4_send",
        "rule_5_transfer",
        "rule_6_payment",
    ];

    assert_eq!(expected, policies.expect("valid").policy_ids());
}
