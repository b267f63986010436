//! Default deny, forbid wins, order does not matter, an error denies: held against a plain model.

use chenu_engine::policy::{PolicySet, Query, Sources, Verdict};
use proptest::prelude::*;

const SCHEMA: &str =
    include_str!("../../../server/chenu_server/governance/policy/cedar/schema.cedarschema");

/// A condition whose meaning is plain.
#[derive(Debug, Clone, Copy)]
enum Condition {
    Always,
    Never,
    Crosses,
    Deletes,
    InTeam,
    IsAgent,
    Errs,
}

const CONDITIONS: [Condition; 7] = [
    Condition::Always,
    Condition::Never,
    Condition::Crosses,
    Condition::Deletes,
    Condition::InTeam,
    Condition::IsAgent,
    Condition::Errs,
];

impl Condition {
    fn cedar(self) -> &'static str {
        match self {
            Self::Always => "context.operation == \"run\"",
            Self::Never => "context.operation == \"other\"",
            Self::Crosses => "context.cross_sphere",
            Self::Deletes => "context.intents.contains(Intent::\"delete\")",
            Self::InTeam => "context.sphere == Sphere::\"team\"",
            Self::IsAgent => "principal is Agent",
            Self::Errs => "9223372036854775807 + 1 == 0",
        }
    }

    /// None: the evaluation fails.
    fn holds(self, query: &Query) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::Never => Some(false),
            Self::Crosses => Some(query.cross_sphere),
            Self::Deletes => Some(query.intents.iter().any(|intent| intent == "delete")),
            Self::InTeam => Some(query.sphere == "team"),
            Self::IsAgent => Some(query.principal_type == "agent"),
            Self::Errs => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Permit,
    Forbid,
    Checkpoint,
}

type Rule = (String, Effect, Condition);

fn text((id, effect, condition): &Rule) -> String {
    let effect = match effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
        Effect::Checkpoint => "@checkpoint(\"data_access\") forbid",
    };
    let condition = condition.cedar();
    format!("@id(\"{id}\") {effect} (principal, action, resource) when {{ {condition} }};\n")
}

#[expect(clippy::expect_used, reason = "without its policies nothing can be shown")]
fn load(rules: &[Rule]) -> PolicySet {
    let (permits, forbids): (Vec<_>, Vec<_>) =
        rules.iter().partition(|(_, effect, _)| *effect == Effect::Permit);
    let file = |rules: Vec<&Rule>| rules.into_iter().map(text).collect::<String>();
    let shipped = [("shipped.cedar".to_owned(), file(permits))];
    let operator = [("operator.cedar".to_owned(), file(forbids))];
    PolicySet::load(Sources { schema: SCHEMA, shipped: &shipped, operator: &operator, tools: &[] })
        .expect("generated policies are valid")
}

/// The ids of the rules of these effects for which `condition` answers `wanted`.
fn ids(rules: &[Rule], query: &Query, effects: &[Effect], wanted: Option<bool>) -> Vec<String> {
    let of = rules.iter().filter(|(_, effect, _)| effects.contains(effect));
    let of = of.filter(|(_, _, condition)| condition.holds(query) == wanted);
    let mut ids: Vec<_> = of.map(|(id, _, _)| id.clone()).collect();
    ids.sort();
    ids
}

fn reference(rules: &[Rule], query: &Query) -> (bool, Vec<String>, Vec<String>) {
    let denied = |ids: Vec<String>| (false, ids, vec![]);
    let hard = [Effect::Permit, Effect::Forbid];
    let erring = ids(rules, query, &hard, None);
    if !erring.is_empty() {
        return denied(erring);
    }
    let forbids = ids(rules, query, &[Effect::Forbid], Some(true));
    if !forbids.is_empty() {
        return denied(forbids);
    }
    if ids(rules, query, &[Effect::Permit], Some(true)).is_empty() {
        return denied(vec!["default_deny".to_owned()]);
    }
    let erring = ids(rules, query, &[Effect::Checkpoint], None);
    if !erring.is_empty() {
        return denied(erring);
    }
    (true, vec![], ids(rules, query, &[Effect::Checkpoint], Some(true)))
}

fn observed(verdict: Verdict) -> (bool, Vec<String>, Vec<String>) {
    let checkpoints = verdict.checkpoints.into_iter().map(|(_, id)| id).collect();
    (verdict.allowed, verdict.denied_by, checkpoints)
}

prop_compose! {
    fn queries()(
        agent in any::<bool>(),
        deletes in any::<bool>(),
        team in any::<bool>(),
        cross_sphere in any::<bool>(),
    ) -> Query {
        Query {
            principal_type: if agent { "agent" } else { "user" }.to_owned(),
            operation: "run".to_owned(),
            intents: vec![if deletes { "delete" } else { "query" }.to_owned()],
            sphere: if team { "team" } else { "personal" }.to_owned(),
            cross_sphere,
            mode: "command".to_owned(),
            sensitivity: "internal".to_owned(),
            ..Query::default()
        }
    }
}

fn rules_of(effects: &'static [Effect]) -> impl Strategy<Value = Vec<Rule>> {
    let one = (prop::sample::select(effects), prop::sample::select(&CONDITIONS[..]));
    prop::collection::vec(one, 0..7).prop_map(|rules| {
        let named = rules.into_iter().enumerate();
        named
            .map(|(index, (effect, condition))| (format!("rule{index}"), effect, condition))
            .collect()
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    rules_of(&[Effect::Permit, Effect::Permit, Effect::Forbid, Effect::Checkpoint])
}

fn with(mut rules: Vec<Rule>, effect: Effect, condition: Condition) -> Vec<Rule> {
    rules.push(("added".to_owned(), effect, condition));
    rules
}

/// Few, for each loads sets of policies; more in an exploring run, which asks for some thousands.
fn cases() -> u32 {
    std::env::var_os("PROPTEST_CASES").map_or(48, |_| ProptestConfig::default().cases / 8)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: cases(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_verdict_is_what_the_plain_model_says(rules in rules(), query in queries()) {
        let verdict = load(&rules).evaluate(&query);

        prop_assert_eq!(reference(&rules, &query), observed(verdict));
    }

    #[test]
    fn without_a_permit_nothing_is_allowed(
        rules in rules_of(&[Effect::Forbid, Effect::Checkpoint]),
        query in queries(),
    ) {
        prop_assert!(!load(&rules).evaluate(&query).allowed);
    }

    #[test]
    fn a_forbid_overrides_every_permit(rules in rules(), query in queries()) {
        let forbidden = with(rules, Effect::Forbid, Condition::Always);

        prop_assert!(!load(&forbidden).evaluate(&query).allowed);
    }

    #[test]
    fn an_erring_policy_denies(
        rules in rules(),
        query in queries(),
        effect in prop::sample::select(&[Effect::Permit, Effect::Forbid, Effect::Checkpoint][..]),
    ) {
        let erring = with(rules, effect, Condition::Errs);

        prop_assert!(!load(&erring).evaluate(&query).allowed);
    }

    #[test]
    fn a_checkpoint_is_added_and_never_lifts_one(rules in rules(), query in queries()) {
        let before = load(&rules).evaluate(&query);
        let after = load(&with(rules, Effect::Checkpoint, Condition::Always)).evaluate(&query);

        prop_assert_eq!(before.allowed, after.allowed);
        prop_assert!(before.checkpoints.iter().all(|one| after.checkpoints.contains(one)));
    }

    #[test]
    fn the_order_of_policies_does_not_matter(
        (rules, shuffled) in rules().prop_flat_map(|rules| {
            (Just(rules.clone()), Just(rules).prop_shuffle())
        }),
        query in queries(),
    ) {
        let (one, other) = (load(&rules), load(&shuffled));

        prop_assert_eq!(one.revision(), other.revision());
        prop_assert_eq!(one.evaluate(&query), other.evaluate(&query));
    }
}
