//! Any schema, any arguments: what conforms is told whole, and nothing else ever passes.

use std::sync::LazyLock;

use chenu_engine::policy::{PolicySet, ProposedCall};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scene::{REFUND, loaded, passed, question, said};

static REFUNDS: LazyLock<PolicySet> = LazyLock::new(|| loaded(&[REFUND], &[]));

/// What a schema can describe of a value.
#[derive(Debug, Clone)]
enum Kind {
    Text,
    Flag,
    Whole,
    Decimal,
    List(Box<Kind>),
    Object(Vec<Member>),
}

#[derive(Debug, Clone)]
struct Member {
    name: String,
    kind: Kind,
    is_required: bool,
    is_nullable: bool,
}

/// A number: how it is written, whether it is whole, whether a decimal, whether below zero.
type Number = (&'static str, bool, bool, bool);

const NUMBERS: [Number; 10] = [
    ("0", true, true, false),
    ("-7", true, true, true),
    ("12e1", true, true, false),
    ("2.50", false, true, false),
    ("-0.0001", false, true, true),
    ("0.12345", false, false, false),
    ("922337203685478", true, false, false),
    ("-9223372036854775808", true, false, true),
    ("9223372036854775808", false, false, false),
    ("1e30", false, false, false),
];

#[derive(Debug, Clone)]
enum Json {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Kind {
    fn schema(&self) -> Value {
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Whole => json!({"type": "integer"}),
            Self::Decimal => json!({"type": "number"}),
            Self::List(item) => json!({"type": "array", "items": item.schema()}),
            Self::Object(members) => {
                let required: Vec<_> =
                    members.iter().filter(|one| one.is_required).map(|one| &one.name).collect();
                let properties: serde_json::Map<_, _> =
                    members.iter().map(|one| (one.name.clone(), one.schema())).collect();
                json!({"type": "object", "properties": properties, "required": required})
            }
        }
    }

    /// Whether policies can be told this value: a plain reading of the rules.
    fn takes(&self, value: &Json) -> bool {
        match (self, value) {
            (Self::Text, Json::Text(_)) | (Self::Flag, Json::Flag(_)) => true,
            (Self::Whole, Json::Number((_, is_whole, _, _))) => *is_whole,
            (Self::Decimal, Json::Number((_, _, is_decimal, _))) => *is_decimal,
            (Self::List(item), Json::List(items)) => items.iter().all(|each| item.takes(each)),
            (Self::Object(members), Json::Object(fields)) => members.iter().all(|member| {
                let found = fields.iter().find(|(name, _)| *name == member.name);
                match found {
                    None | Some((_, Json::Null)) => member.is_nullable || !member.is_required,
                    Some((_, value)) => member.kind.takes(value),
                }
            }),
            _ => false,
        }
    }
}

impl Member {
    fn schema(&self) -> Value {
        let mut schema = self.kind.schema();
        if self.is_nullable {
            let kind = schema["type"].take();
            schema["type"] = json!([kind, "null"]);
        }
        schema
    }
}

impl Json {
    fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Number((text, ..)) => (*text).to_owned(),
            Self::Text(text) => Value::from(text.as_str()).to_string(),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::text).collect::<Vec<_>>().join(" , "))
            }
            Self::Object(fields) => {
                let field = |(name, value): &(String, Self)| {
                    format!("{}:{}", Value::from(name.as_str()), value.text())
                };
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Where a value stands in the arguments, what a policy asks about it, and the answer.
struct Question {
    condition: String,
    answer: bool,
}

/// A question about each value that a policy can reach, in a form that fails for one of another
/// type.
fn questions(kind: &Kind, at: &str, guard: &str, value: Option<&Json>) -> Vec<Question> {
    let ask =
        |leaf: String, answer: bool| vec![Question { condition: format!("{guard}{leaf}"), answer }];
    match (kind, value) {
        (Kind::Text, value) => ask(
            format!("{at} like \"a*\""),
            matches!(value, Some(Json::Text(text)) if text.starts_with('a')),
        ),
        (Kind::Flag, value) => ask(at.to_owned(), matches!(value, Some(Json::Flag(true)))),
        (Kind::Whole, value) => {
            ask(format!("{at} < 0"), matches!(value, Some(Json::Number((.., true)))))
        }
        (Kind::Decimal, value) => ask(
            format!("{at}.lessThan(decimal(\"0.0\"))"),
            matches!(value, Some(Json::Number((.., true)))),
        ),
        (Kind::List(_), value) => ask(
            format!("{at}.isEmpty()"),
            matches!(value, Some(Json::List(items)) if items.is_empty()),
        ),
        (Kind::Object(members), value) => {
            let of = |member: &Member| {
                let name = format!("\"{}\"", member.name.escape_default());
                let asked = if member.is_required && !member.is_nullable {
                    guard.to_owned()
                } else {
                    format!("{guard}{at} has {name} && ")
                };
                let found = match value {
                    Some(Json::Object(fields)) => fields.iter().find(|each| each.0 == member.name),
                    _ => None,
                };
                let found = found.map(|each| &each.1);
                questions(&member.kind, &format!("{at}[{name}]"), &asked, found)
            };
            members.iter().flat_map(of).collect()
        }
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    let leaf = prop::sample::select(vec![Kind::Text, Kind::Flag, Kind::Whole, Kind::Decimal]);
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| Kind::List(Box::new(item))),
            objects_of(inner).prop_map(Kind::Object),
        ]
    })
}

fn objects_of(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Vec<Member>> {
    // Each in one script and printable: a policy that names another is refused.
    let name = prop_oneof!["[a-d]", "[ -~]{0,6}", "[а-я]{1,3}"];
    let member = (name, kind, any::<bool>(), any::<bool>());
    vec(member, 0..4).prop_map(|members| {
        let mut members: Vec<_> = members
            .into_iter()
            .map(|(name, kind, is_required, is_nullable)| Member {
                name,
                kind,
                is_required,
                is_nullable,
            })
            .collect();
        members.sort_by(|one, other| one.name.cmp(&other.name));
        members.dedup_by(|one, other| one.name == other.name);
        members
    })
}

fn anything() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Flag),
        prop::sample::select(&NUMBERS[..]).prop_map(Json::Number),
        "[a-c]{0,2}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let field = ("[a-c]", inner.clone());
        prop_oneof![
            vec(inner, 0..3).prop_map(Json::List),
            prop::collection::btree_map(field.0, field.1, 0..3)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// A value that a kind takes; now and then, where `astray`, another one in its place or a part's.
fn values(kind: &Kind, astray: bool) -> BoxedStrategy<Json> {
    let numbers = |wanted: fn(&Number) -> bool| {
        let found: Vec<_> = NUMBERS.into_iter().filter(wanted).collect();
        prop::sample::select(found).prop_map(Json::Number).boxed()
    };
    let right = match kind {
        Kind::Text => prop_oneof!["a?[ -~]{0,4}", any::<String>()].prop_map(Json::Text).boxed(),
        Kind::Flag => any::<bool>().prop_map(Json::Flag).boxed(),
        Kind::Whole => numbers(|number| number.1),
        Kind::Decimal => numbers(|number| number.2),
        Kind::List(item) => vec(values(item, astray), 0..3).prop_map(Json::List).boxed(),
        Kind::Object(members) => {
            let fields: Vec<_> = members.iter().map(|one| fields(one, astray)).collect();
            fields.prop_map(|fields| Json::Object(fields.into_iter().flatten().collect())).boxed()
        }
    };
    if astray { prop_oneof![9 => right, 1 => anything()].boxed() } else { right }
}

/// A member's field, or none where there need be none.
fn fields(member: &Member, astray: bool) -> BoxedStrategy<Option<(String, Json)>> {
    let name = member.name.clone();
    let there = values(&member.kind, astray).prop_map(move |value| Some((name.clone(), value)));
    let name = member.name.clone();
    let null = Just(Some((name, Json::Null)));
    let must = member.is_required && !member.is_nullable && !astray;
    if must { there.boxed() } else { prop_oneof![8 => there, 1 => null, 1 => Just(None)].boxed() }
}

fn calls(astray: bool) -> impl Strategy<Value = (Kind, Json)> {
    objects_of(kinds()).prop_map(Kind::Object).prop_flat_map(move |kind| {
        let values = values(&kind, astray);
        (Just(kind), values)
    })
}

/// Few, for each loads policies; more in an exploring run, which asks for some thousands.
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
    fn arguments_that_conform_are_told_whole((kind, value) in calls(false)) {
        let asked = questions(&kind, "context.arguments", "", Some(&value));
        let policy = |(at, one): (usize, &Question)| format!(
            "@id(\"q{at}\") @checkpoint(\"data_access\") \
             forbid (principal, action == Action::\"call_tool.t\", resource) \
             when {{ {} }};\n", one.condition,
        );
        let operator: String = asked.iter().enumerate().map(policy).collect();
        let policies = loaded(&[("t", &kind.schema().to_string())], &[&operator]);
        let verdict = said(&policies, "t", &value.text());

        prop_assert_eq!(None, verdict.unrepresentable);
        prop_assert_eq!(Vec::<String>::new(), verdict.errors);
        let mut expected: Vec<_> = asked.iter().enumerate()
            .filter(|(_, one)| one.answer).map(|(at, _)| format!("q{at}")).collect();
        expected.sort();
        let found: Vec<_> = verdict.checkpoints.into_iter().map(|(_, id)| id).collect();
        prop_assert_eq!(expected, found);
    }

    #[test]
    fn arguments_pass_when_they_conform_and_never_else((kind, value) in calls(true)) {
        let policies = loaded(&[("t", &kind.schema().to_string())], &[]);
        let verdict = said(&policies, "t", &value.text());

        prop_assert_eq!(kind.takes(&value), verdict == passed(), "{:?}", verdict);
        prop_assert!(verdict.allowed && verdict.errors.is_empty());
    }

    #[test]
    fn bytes_of_no_meaning_never_pass(bytes in vec(any::<u8>(), 0..64)) {
        let call = ProposedCall { name: "refund", effect: "read", arguments: &bytes };
        let verdict = REFUNDS.evaluate_call(&question(), &call);

        prop_assert!(verdict.unrepresentable.is_some());
    }
}
