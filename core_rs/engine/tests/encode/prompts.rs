//! Prompts that several tests encode, and their bodies.

use std::collections::BTreeMap;

use chenu_engine::wire::{
    CapField, Effort, Format, Message, Part, Prompt, Role, Sampling, Target, Thinking, Tool, Wire,
};
use serde_json::value::RawValue;

/// A model that asks for usage and caps by the older field.
pub(crate) fn target(output_cap: u64) -> Target<'static> {
    Target { model: "m1", output_cap, cap_field: CapField::MaxTokens, stream_options: true }
}

/// The body for a cap of 64 tokens.
pub(crate) fn body(wire: Wire, prompt: &Prompt) -> String {
    String::from_utf8(prompt.encode(wire, &target(64))).expect("a body is UTF-8")
}

/// The members of the body whose names are given, as the body has them.
pub(crate) fn members(wire: Wire, prompt: &Prompt, names: &[&str]) -> String {
    let body = body(wire, prompt);
    let body: BTreeMap<&str, &RawValue> = serde_json::from_str(&body).expect("JSON");
    let member = |name: &&str| body.get(name).map(|value| format!("{name}={value}"));
    names.iter().filter_map(member).collect::<Vec<_>>().join(" ")
}

pub(crate) fn text(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cached: false }
}

pub(crate) fn cached(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cached: true }
}

pub(crate) fn call(id: &str, arguments: &str) -> Part {
    let arguments = arguments.to_owned();
    Part::ToolCall { id: id.to_owned(), name: "get_weather".to_owned(), arguments }
}

pub(crate) fn result(id: &str, text: &str, is_error: bool) -> Part {
    Part::ToolResult { id: id.to_owned(), text: text.to_owned(), is_error, cached: false }
}

pub(crate) fn reasoning(text: &str, signature: &str, redacted: &str) -> Part {
    Part::Reasoning {
        text: text.to_owned(),
        signature: signature.to_owned(),
        redacted: redacted.to_owned(),
    }
}

pub(crate) fn message<const N: usize>(role: Role, parts: [Part; N]) -> Message {
    Message { role, parts: parts.into() }
}

pub(crate) fn prompt<const N: usize>(messages: [Message; N]) -> Prompt {
    Prompt { messages: messages.into(), ..Prompt::default() }
}

pub(crate) fn hello() -> Prompt {
    prompt([message(Role::User, [text("Hello")])])
}

pub(crate) fn conversation() -> Prompt {
    prompt([
        message(Role::System, [text("Be brief."), text("")]),
        message(Role::System, [text("Be kind.")]),
        message(Role::User, [text("Hi"), text(""), text("there")]),
        message(Role::Assistant, [text("Hello"), text("!")]),
        message(Role::User, [text("Bye")]),
    ])
}

/// One tool with parameters, whose whitespace is its author's, and one without.
pub(crate) fn tools() -> Vec<Tool> {
    vec![
        Tool {
            name: "get_weather".to_owned(),
            description: "Weather of a \"city\"".to_owned(),
            parameters: r#"{ "type":"object", "properties":{"city":{"type":"string"}} }"#
                .to_owned(),
        },
        Tool { name: "now".to_owned(), description: String::new(), parameters: String::new() },
    ]
}

/// Two calls at once, and what they brought.
pub(crate) fn called() -> Prompt {
    let messages = [
        message(Role::User, [text("Weather?")]),
        message(Role::Assistant, [call("c1", r#"{"b":1.0, "a":"é"}"#), call("c2", "")]),
        message(Role::Tool, [result("c1", "sun", false)]),
        message(Role::Tool, [result("c2", "no city", true)]),
        message(Role::User, [text("And?")]),
    ];
    Prompt { tools: tools(), ..prompt(messages) }
}

pub(crate) fn sampled() -> Prompt {
    let sampling = Sampling {
        temperature: Some(0.1),
        top_p: Some(1.0),
        presence_penalty: Some(-0.5),
        frequency_penalty: Some(1e-7),
        seed: Some(-9_223_372_036_854_775_808),
        stop: vec!["\n\n".to_owned(), "\"END\"".to_owned()],
    };
    let thinking = Thinking { effort: Some(Effort::High), budget_tokens: None };
    Prompt { sampling, thinking, ..hello() }
}

pub(crate) fn json_schema() -> Format {
    Format::JsonSchema { name: "city".to_owned(), schema: r#"{"z":1, "a":2}"#.to_owned() }
}
