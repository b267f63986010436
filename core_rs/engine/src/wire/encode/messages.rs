//! Bodies of Anthropic Messages.

use super::writer::{Json, Sink};
use super::{JSON_ONLY, name_and_description, object_of, optional, said, schema_of, texts};
use crate::wire::media::Source;
use crate::wire::prompt::{Format, Part, Prompt, Role, Target, Thinking, ToolChoice};

/// The least that the provider takes.
const BUDGET_TOKENS_MIN: u64 = 1_024;

pub(super) fn members<S: Sink>(prompt: &Prompt, target: &Target<'_>, json: &mut Json<S>) {
    json.field("model", target.model);
    json.key("max_tokens").number(target.output_cap);
    system(prompt, json);
    json.key("messages").list(|json| turns(prompt, json));
    json.key("stream").raw("true");
    if !prompt.tools.is_empty() {
        tools(prompt, json);
    }
    thinking(prompt.thinking, target.output_cap, json);
    output_config(prompt, json);
    texts("stop_sequences", &prompt.sampling.stop, json);
    optional("temperature", prompt.sampling.temperature, json);
    optional("top_p", prompt.sampling.top_p, json);
}

fn system<S: Sink>(prompt: &Prompt, json: &mut Json<S>) {
    // This wire has a field for a schema and none for any JSON at all.
    let json_only = Part::Text { text: JSON_ONLY.to_owned(), cached: false };
    let system = prompt.messages.iter().filter(|message| message.role == Role::System);
    let mut parts: Vec<&Part> = system.flat_map(|message| &message.parts).collect();
    if prompt.format == Format::Json {
        parts.push(&json_only);
    }
    parts.retain(|part| said(part).is_some());
    if !parts.is_empty() {
        json.key("system");
        content(&parts, json);
    }
}

/// Who speaks on this wire, on which the sides take turns; nobody for the system.
fn side(role: Role) -> Option<&'static str> {
    match role {
        Role::System => None,
        Role::User | Role::Tool => Some("user"),
        Role::Assistant => Some("assistant"),
    }
}

/// What each side says until the other one does, as one message.
fn turns<S: Sink>(prompt: &Prompt, json: &mut Json<S>) {
    let said = prompt.messages.iter().flat_map(|message| {
        let sent = message.parts.iter().filter(|part| can_be_sent(part));
        sent.filter_map(|part| side(message.role).map(|side| (side, part)))
    });
    // Over all messages, for a tool's results and what the user says behind them are one turn here.
    let said: Vec<(&str, &Part)> = said.collect();
    for turn in said.chunk_by(|(one, _), (next, _)| one == next) {
        let Some((side, _)) = turn.first() else { continue };
        let mut parts: Vec<&Part> = turn.iter().map(|(_, part)| *part).collect();
        // The provider wants results before anything else that is said to them.
        parts.sort_by_key(|part| !matches!(part, Part::ToolResult { .. }));
        json.object(|json| {
            json.field("role", side);
            json.key("content");
            content(&parts, json);
        });
    }
}

fn can_be_sent(part: &Part) -> bool {
    match part {
        Part::Text { text, .. } => !text.is_empty(),
        Part::Reasoning { signature, redacted, .. } => {
            !signature.is_empty() || !redacted.is_empty()
        }
        Part::Image { .. }
        | Part::Document { .. }
        | Part::ToolCall { .. }
        | Part::ToolResult { .. } => true,
    }
}

fn content<S: Sink>(parts: &[&Part], json: &mut Json<S>) {
    match parts {
        // One that is to be cached needs a block, which alone can say so.
        [Part::Text { text, cached: false }] => json.string([text.as_str()]),
        _ => json.list(|json| parts.iter().for_each(|part| json.object(|json| block(part, json)))),
    }
}

fn block<S: Sink>(part: &Part, json: &mut Json<S>) {
    match part {
        Part::Text { text, cached } => {
            json.field("type", "text");
            json.field("text", text);
            cache_control(*cached, json);
        }
        Part::Image { source: file, cached } => {
            json.field("type", "image");
            source(file, json);
            cache_control(*cached, json);
        }
        Part::Document { source: file, name, cached } => {
            json.field("type", "document");
            source(file, json);
            if !name.is_empty() {
                json.field("title", name);
            }
            cache_control(*cached, json);
        }
        Part::ToolCall { id, name, arguments } => {
            json.field("type", "tool_use");
            json.field("id", id);
            json.field("name", name);
            json.key("input").raw(object_of(arguments));
        }
        Part::ToolResult { id, text, is_error, cached } => {
            json.field("type", "tool_result");
            json.field("tool_use_id", id);
            json.field("content", text);
            if *is_error {
                json.key("is_error").raw("true");
            }
            cache_control(*cached, json);
        }
        Part::Reasoning { text, signature, redacted } => thought(text, signature, redacted, json),
    }
}

fn source<S: Sink>(source: &Source, json: &mut Json<S>) {
    json.key("source").object(|json| match source {
        Source::Data { media_type, bytes, .. } => {
            json.field("type", "base64");
            json.field("media_type", media_type);
            json.key("data").file([], bytes.as_slice());
        }
        Source::Url(url) => {
            json.field("type", "url");
            json.field("url", url);
        }
    });
}

fn thought<S: Sink>(text: &str, signature: &str, redacted: &str, json: &mut Json<S>) {
    if redacted.is_empty() {
        json.field("type", "thinking");
        json.field("thinking", text);
        // Unchanged and whole: the provider refuses a thought that it has not signed.
        json.field("signature", signature);
    } else {
        json.field("type", "redacted_thinking");
        json.field("data", redacted);
    }
}

fn cache_control<S: Sink>(cached: bool, json: &mut Json<S>) {
    if cached {
        json.key("cache_control").raw(r#"{"type":"ephemeral"}"#);
    }
}

fn tools<S: Sink>(prompt: &Prompt, json: &mut Json<S>) {
    json.key("tools").list(|json| {
        for tool in &prompt.tools {
            json.object(|json| {
                name_and_description(&tool.name, &tool.description, json);
                json.key("input_schema").raw(schema_of(&tool.parameters));
            });
        }
    });
    let one_at_a_time = prompt.parallel_calls == Some(false);
    if one_at_a_time || prompt.tool_choice != ToolChoice::Auto {
        json.key("tool_choice").object(|json| {
            tool_choice(&prompt.tool_choice, one_at_a_time, json);
        });
    }
}

fn tool_choice<S: Sink>(choice: &ToolChoice, one_at_a_time: bool, json: &mut Json<S>) {
    match choice {
        ToolChoice::Auto => json.field("type", "auto"),
        ToolChoice::None => json.field("type", "none"),
        ToolChoice::Required => json.field("type", "any"),
        ToolChoice::Named(name) => {
            json.field("type", "tool");
            json.field("name", name);
        }
    }
    // Where no tool may be called the provider knows no such field.
    if one_at_a_time && *choice != ToolChoice::None {
        json.key("disable_parallel_tool_use").raw("true");
    }
}

fn thinking<S: Sink>(thinking: Thinking, output_cap: u64, json: &mut Json<S>) {
    let Some(wanted) = thinking.budget_tokens else { return };
    // The answer needs at least a token of the cap.
    let budget = u64::from(wanted).min(output_cap.saturating_sub(1));
    if budget >= BUDGET_TOKENS_MIN {
        json.key("thinking").object(|json| {
            json.field("type", "enabled");
            json.key("budget_tokens").number(budget);
        });
    }
}

fn output_config<S: Sink>(prompt: &Prompt, json: &mut Json<S>) {
    let schema = match &prompt.format {
        Format::JsonSchema { schema, .. } => Some(schema),
        Format::Text | Format::Json => None,
    };
    let effort = prompt.thinking.effort;
    if schema.is_none() && effort.is_none() {
        return;
    }
    json.key("output_config").object(|json| {
        if let Some(schema) = schema {
            json.key("format").object(|json| {
                json.field("type", "json_schema");
                json.key("schema").raw(object_of(schema));
            });
        }
        if let Some(effort) = effort {
            json.field("effort", effort.wire_name());
        }
    });
}
