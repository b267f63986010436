//! The tools that an operator configured: an action for each, with its arguments typed.

use std::collections::BTreeMap;

use cedar_policy::{EntityUid, Schema, SchemaFragment};
use serde_json::{Value, json};

use super::load::{PolicyError, in_tool};
use super::shape::Shape;
use super::vocabulary::{UNLISTED, Vocabulary};
use crate::wire::check_schemas;

const NAME_CHARACTERS_MAX: usize = 64;

/// A tool that an operator configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDeclaration {
    /// As models call it: 1 to 64 letters, digits, `_` or `-`.
    pub name: String,
    /// The JSON schema of its arguments, which are an object.
    pub schema_json: String,
}

/// A configured tool, as calls of it are judged.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    pub(super) action: EntityUid,
    pub(super) arguments: Shape,
    schema: Value,
}

/// Tools by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Tools(BTreeMap<String, Tool>);

impl Tools {
    /// Reads declarations; refuses a name that stands twice and a schema of no object.
    pub(super) fn read(
        declared: &[ToolDeclaration],
        known: &Vocabulary,
    ) -> Result<Self, PolicyError> {
        let mut tools = BTreeMap::new();
        for ToolDeclaration { name, schema_json } in declared {
            let tool = tool(name, schema_json, known).map_err(|reason| in_tool(name, &reason))?;
            if tools.insert(name.clone(), tool).is_some() {
                return Err(in_tool(name, "the name is taken by another tool"));
            }
        }
        Ok(Self(tools))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Tool> {
        self.0.get(name)
    }

    /// The schemas as one text, in the order of their tools' names.
    pub(super) fn text(&self) -> String {
        let schemas: serde_json::Map<_, _> =
            self.0.iter().map(|(name, tool)| (name.clone(), tool.schema.clone())).collect();
        Value::Object(schemas).to_string()
    }

    /// The Cedar schema `base` and an action for each tool.
    ///
    /// Made from that of an unlisted tool, so that a tool's own action applies to whatever that
    /// one does, and its context has whatever that one's has.
    pub(super) fn schema(&self, base: &str) -> Result<Schema, String> {
        let (fragment, _) = SchemaFragment::from_cedarschema_str(base).map_err(said)?;
        let mut schema = fragment.to_json_value().map_err(said)?;
        let lacks = |what: &str| format!("it has no {what}");
        // The schema's namespace has no name, which is what the two slashes say.
        let model = schema.pointer(&format!("//actions/{UNLISTED}")).cloned();
        let model = model.ok_or_else(|| lacks(UNLISTED))?;
        let called = schema.pointer("//commonTypes/Called/attributes").cloned();
        let called = called.ok_or_else(|| lacks("type Called, a record"))?;
        let actions = schema.pointer_mut("//actions").and_then(Value::as_object_mut);
        let actions = actions.ok_or_else(|| lacks("actions"))?;
        for tool in self.0.values() {
            let action = action(&model, &called, &tool.arguments);
            let action = action.ok_or_else(|| lacks("context for calls"))?;
            actions.insert(tool.action.id().unescaped().to_owned(), action);
        }
        Schema::from_json_value(schema).map_err(said)
    }
}

fn action(model: &Value, called: &Value, arguments: &Shape) -> Option<Value> {
    let (mut action, mut attributes) = (model.clone(), called.clone());
    attributes.as_object_mut()?.insert("arguments".to_owned(), arguments.cedar());
    let context = json!({ "type": "Record", "attributes": attributes });
    action.pointer_mut("/appliesTo")?.as_object_mut()?.insert("context".to_owned(), context);
    Some(action)
}

fn tool(name: &str, schema_json: &str, known: &Vocabulary) -> Result<Tool, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !name.chars().all(plain) {
        return Err("a tool's name is 1 to 64 letters, digits, '_' or '-'".to_owned());
    }
    check_schemas(&[schema_json]).map_err(|(_, problem)| format!("its schema: {problem}"))?;
    let schema: Value = serde_json::from_str(schema_json).map_err(said)?;
    let arguments = Shape::of_arguments(&schema).ok_or_else(|| {
        r#"its schema: arguments are an object, so its "type" is "object", without a $ref"#
            .to_owned()
    })?;
    Ok(Tool { action: known.call_of(name), arguments, schema })
}

fn said(error: impl std::error::Error) -> String {
    error.to_string()
}
