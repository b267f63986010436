//! Bodies of `OpenAI` Chat Completions.

use super::writer::{Json, Sink};
use super::{JSON_ONLY, name_and_description, object_of, optional, said, schema_of, texts};
use crate::wire::media::Source;
use crate::wire::prompt::{Format, Message, Part, Prompt, Role, Target, ToolChoice};

pub(super) fn members<S: Sink>(prompt: &Prompt, target: &Target<'_>, json: &mut Json<S>) {
    json.field("model", target.model);
    json.key("messages").list(|json| {
        system(prompt, json);
        prompt.messages.iter().for_each(|each| message(each, json));
    });
    json.key(target.cap_field.wire_name()).number(target.output_cap);
    json.key("stream").raw("true");
    // Unasked most streams tell nothing of their tokens, and some servers refuse the field.
    if target.stream_options {
        json.key("stream_options").raw(r#"{"include_usage":true}"#);
    }
    // A choice among no tools is refused, so it goes with them.
    if !prompt.tools.is_empty() {
        tools(prompt, json);
    }
    format(&prompt.format, json);
    sampling(prompt, json);
}

/// All system texts in one message: many models' templates know no second one.
///
/// Where JSON is asked for they say so: providers refuse its field where no message does.
fn system<S: Sink>(prompt: &Prompt, json: &mut Json<S>) {
    let system = prompt.messages.iter().filter(|message| message.role == Role::System);
    let json_only = (prompt.format == Format::Json).then_some(JSON_ONLY);
    let texts = system.flat_map(|message| message.parts.iter().filter_map(said)).chain(json_only);
    if texts.clone().next().is_some() {
        json.object(|json| {
            json.field("role", "system");
            json.key("content").string(joined(texts));
        });
    }
}

/// The texts with a blank line between one and the next.
fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    texts.enumerate().flat_map(|(at, text)| [if at > 0 { "\n\n" } else { "" }, text])
}

fn message<S: Sink>(message: &Message, json: &mut Json<S>) {
    match message.role {
        // All of them stand in one message at the front.
        Role::System => {}
        Role::User => json.object(|json| user(&message.parts, json)),
        Role::Assistant => json.object(|json| assistant(&message.parts, json)),
        Role::Tool => message.parts.iter().for_each(|part| result(part, json)),
    }
}

fn user<S: Sink>(parts: &[Part], json: &mut Json<S>) {
    json.field("role", "user");
    json.key("content");
    let mut sent = parts.iter().filter(|part| said(part).is_some() || is_file(part));
    match (sent.next(), sent.next()) {
        (first, None) if first.is_none_or(|part| !is_file(part)) => {
            // One text is sent in the older form, which every server of this wire reads; a list
            // only where it takes one.
            json.string(first.and_then(said));
        }
        _ => json.list(|json| parts.iter().for_each(|part| block(part, json))),
    }
}

fn is_file(part: &Part) -> bool {
    matches!(part, Part::Image { .. } | Part::Document { .. })
}

fn block<S: Sink>(part: &Part, json: &mut Json<S>) {
    match part {
        Part::Text { text, .. } if !text.is_empty() => json.object(|json| {
            json.field("type", "text");
            json.field("text", text);
        }),
        Part::Image { source, .. } => json.object(|json| {
            json.field("type", "image_url");
            json.key("image_url").object(|json| {
                json.key("url");
                address(source, json);
            });
        }),
        Part::Document { source, name, .. } => json.object(|json| {
            json.field("type", "file");
            json.key("file").object(|json| {
                // The provider wants a name with a file that it is given.
                json.field("filename", if name.is_empty() { "document.pdf" } else { name });
                json.key("file_data");
                address(source, json);
            });
        }),
        _ => {}
    }
}

/// The address of a file: its own, or one that holds its bytes (RFC 2397).
fn address<S: Sink>(source: &Source, json: &mut Json<S>) {
    match source {
        Source::Data { media_type, bytes, .. } => {
            json.file(["data:", media_type, ";base64,"], bytes.as_slice());
        }
        Source::Url(url) => json.string([url.as_str()]),
    }
}

fn assistant<S: Sink>(parts: &[Part], json: &mut Json<S>) {
    // Thoughts are left out: this wire has no field in which they could be given back.
    let texts = parts.iter().filter_map(said);
    let calls = || parts.iter().filter(|part| matches!(part, Part::ToolCall { .. }));
    let only_calls = texts.clone().next().is_none() && calls().next().is_some();
    json.field("role", "assistant");
    if only_calls {
        json.key("content").raw("null");
    } else {
        // Few providers read a list here.
        json.key("content").string(texts);
    }
    if calls().next().is_some() {
        json.key("tool_calls").list(|json| calls().for_each(|part| call(part, json)));
    }
}

fn call<S: Sink>(part: &Part, json: &mut Json<S>) {
    let Part::ToolCall { id, name, arguments } = part else { return };
    json.object(|json| {
        json.field("id", id);
        json.field("type", "function");
        json.key("function").object(|json| {
            json.field("name", name);
            json.field("arguments", object_of(arguments));
        });
    });
}

fn result<S: Sink>(part: &Part, json: &mut Json<S>) {
    let Part::ToolResult { id, text, is_error, .. } = part else { return };
    json.object(|json| {
        json.field("role", "tool");
        json.field("tool_call_id", id);
        // The wire has no field for a failure, and a model must not take it for a result.
        let prefix = if *is_error { "Error: " } else { "" };
        json.key("content").string([prefix, text]);
    });
}

fn tools<S: Sink>(prompt: &Prompt, json: &mut Json<S>) {
    json.key("tools").list(|json| {
        for tool in &prompt.tools {
            json.object(|json| {
                json.field("type", "function");
                json.key("function").object(|json| {
                    name_and_description(&tool.name, &tool.description, json);
                    json.key("parameters").raw(schema_of(&tool.parameters));
                });
            });
        }
    });
    tool_choice(&prompt.tool_choice, json);
    if let Some(parallel) = prompt.parallel_calls {
        json.key("parallel_tool_calls").raw(if parallel { "true" } else { "false" });
    }
}

fn tool_choice<S: Sink>(choice: &ToolChoice, json: &mut Json<S>) {
    match choice {
        ToolChoice::Auto => {}
        ToolChoice::None => json.field("tool_choice", "none"),
        ToolChoice::Required => json.field("tool_choice", "required"),
        ToolChoice::Named(name) => json.key("tool_choice").object(|json| {
            json.field("type", "function");
            json.key("function").object(|json| json.field("name", name));
        }),
    }
}

fn format<S: Sink>(format: &Format, json: &mut Json<S>) {
    match format {
        Format::Text => {}
        Format::Json => json.key("response_format").raw(r#"{"type":"json_object"}"#),
        Format::JsonSchema { name, schema } => json.key("response_format").object(|json| {
            json.field("type", "json_schema");
            json.key("json_schema").object(|json| {
                json.field("name", name);
                json.key("schema").raw(object_of(schema));
                // Many valid schemas are refused in strict mode, and the answer is checked here.
                json.key("strict").raw("false");
            });
        }),
    }
}

fn sampling<S: Sink>(prompt: &Prompt, json: &mut Json<S>) {
    let sampling = &prompt.sampling;
    optional("temperature", sampling.temperature, json);
    optional("top_p", sampling.top_p, json);
    texts("stop", &sampling.stop, json);
    if let Some(seed) = sampling.seed {
        json.key("seed").number(seed);
    }
    optional("presence_penalty", sampling.presence_penalty, json);
    optional("frequency_penalty", sampling.frequency_penalty, json);
    if let Some(effort) = prompt.thinking.effort {
        json.field("reasoning_effort", effort.wire_name());
    }
}
