//! What a tool's JSON schema says of its arguments that Cedar has a type for.
//!
//! | JSON schema | Cedar |
//! |---|---|
//! | an object and its `properties` | a record; those in `required` are there, the others may be |
//! | a string, or an `enum` of strings | `String` |
//! | a boolean | `Bool` |
//! | an integer | `Long` |
//! | a number | `decimal` |
//! | an array of `items` | a set of them |
//! | `[T, "null"]` | what T is, which may be absent |
//!
//! All else is open: it has no type, and no policy can name it. Each keyword only narrows what a
//! `type` says, so nothing else in the schema needs to be understood; but for a `$ref`, beside
//! which older drafts read nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The Cedar type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Flag,
    Whole,
    Decimal,
    Set(Box<Shape>),
    Record(BTreeMap<String, Member>),
}

/// An attribute of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) shape: Shape,
    pub(super) is_required: bool,
}

/// A type, and whether null may stand in its place.
struct Typed {
    shape: Shape,
    is_nullable: bool,
}

impl Shape {
    /// The record of a tool's arguments; none where the schema is of no object.
    pub(super) fn of_arguments(schema: &Value) -> Option<Self> {
        let typed = typed(schema)?;
        let is_record = matches!(typed.shape, Self::Record(_)) && !typed.is_nullable;
        is_record.then_some(typed.shape)
    }

    /// As Cedar's schemas in JSON spell it.
    pub(super) fn cedar(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "String" }),
            Self::Flag => json!({ "type": "Boolean" }),
            Self::Whole => json!({ "type": "Long" }),
            Self::Decimal => json!({ "type": "Extension", "name": "decimal" }),
            Self::Set(item) => json!({ "type": "Set", "element": item.cedar() }),
            Self::Record(members) => {
                let attributes = members.iter().map(|(name, member)| {
                    let mut kind = member.shape.cedar();
                    if let Some(kind) = kind.as_object_mut() {
                        kind.insert("required".to_owned(), member.is_required.into());
                    }
                    (name.clone(), kind)
                });
                json!({ "type": "Record", "attributes": attributes.collect::<BTreeMap<_, _>>() })
            }
        }
    }
}

fn typed(schema: &Value) -> Option<Typed> {
    let schema = schema.as_object()?;
    if schema.contains_key("$ref") {
        return None;
    }
    let mut words = words(schema.get("type"), schema.get("enum"))?;
    let before = words.len();
    words.retain(|word| *word != "null");
    let is_nullable = words.len() < before;
    let [word] = words.as_slice() else { return None };
    let shape = match *word {
        "string" => Shape::Text,
        "boolean" => Shape::Flag,
        "integer" => Shape::Whole,
        "number" => Shape::Decimal,
        "array" if !schema.contains_key("prefixItems") => set(schema.get("items")?)?,
        "object" => record(schema.get("properties"), schema.get("required")),
        _ => return None,
    };
    Some(Typed { shape, is_nullable })
}

/// The types that a schema names, each once; those of its `enum` where it names none.
fn words<'a>(kind: Option<&'a Value>, listed: Option<&'a Value>) -> Option<Vec<&'a str>> {
    let mut words: Vec<&str> = match kind {
        Some(Value::String(word)) => vec![word],
        Some(kind) => kind.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?,
        None => listed?.as_array()?.iter().map(word_of).collect::<Option<_>>()?,
    };
    words.sort_unstable();
    words.dedup();
    Some(words)
}

/// The type of one of the values of an `enum`.
fn word_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::String(_) => Some("string"),
        Value::Null => Some("null"),
        _ => None,
    }
}

fn set(items: &Value) -> Option<Shape> {
    let item = typed(items)?;
    // A set has no place for null: left out of it, a policy would take the rest for the whole.
    (!item.is_nullable).then(|| Shape::Set(Box::new(item.shape)))
}

fn record(properties: Option<&Value>, required: Option<&Value>) -> Shape {
    let required = required.and_then(Value::as_array);
    let is_listed = |name: &String| required.is_some_and(|all| all.iter().any(|one| one == name));
    let member = |(name, schema): (&String, &Value)| {
        let Typed { shape, is_nullable } = typed(schema)?;
        let is_required = is_listed(name) && !is_nullable;
        Some((name.clone(), Member { shape, is_required }))
    };
    let properties = properties.and_then(Value::as_object);
    Shape::Record(properties.into_iter().flatten().filter_map(member).collect())
}
