//! Prompts as the bodies of requests, and the size of these without making them.
//!
//! Both run the same code, once into text and once into a count, so they cannot drift apart.

mod chat;
mod messages;
mod writer;

use self::writer::{Count, Json, Sink};
use super::Wire;
use super::prompt::{CapField, Part, Prompt, Target};

/// What a model is told where JSON is asked for and the wire's field is none, or not enough.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else.";

/// The body of the target that makes it largest.
const LARGEST: Target<'static> = Target {
    model: "",
    output_cap: u64::MAX,
    cap_field: CapField::MaxCompletionTokens,
    stream_options: true,
};

impl Prompt {
    /// The body of a request that streams its answer: UTF-8, not escaped to ASCII.
    ///
    /// What the wire has no room for (see [`Wire::offers`]) is left out. Thinking in tokens is
    /// part of the output cap on Messages: a budget that is not below the cap is sent as one token
    /// less than it, and one that then has less than the 1,024 tokens which the provider wants is
    /// not sent, so the model does not think.
    #[must_use]
    pub fn encode(&self, wire: Wire, target: &Target<'_>) -> Vec<u8> {
        self.written(wire, target, String::new()).into_bytes()
    }

    /// A bound of the body's bytes for any target, less those of the model's name.
    ///
    /// What the caller adds is the name as a JSON string with its quotes. At most 200 bytes above
    /// the truth; takes time linear in the prompt, and no memory.
    #[must_use]
    pub fn size(&self, wire: Wire) -> usize {
        let Count(bytes) = self.written(wire, &LARGEST, Count::default());
        // The empty name has put its quotes, which come again with the true one's.
        bytes - "\"\"".len()
    }

    fn written<S: Sink>(&self, wire: Wire, target: &Target<'_>, out: S) -> S {
        let mut json = Json::new(out);
        json.object(|json| match wire {
            Wire::Chat => chat::members(self, target, json),
            Wire::Messages => messages::members(self, target, json),
        });
        json.into_inner()
    }
}

/// A part's text, if it is one and says something.
fn said(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A JSON object, of which nothing may have been written.
fn object_of(json: &str) -> &str {
    if json.is_empty() { "{}" } else { json }
}

/// What a tool takes.
fn schema_of(parameters: &str) -> &str {
    if parameters.is_empty() { r#"{"type":"object","properties":{}}"# } else { parameters }
}

/// A tool's name and, if it has one, its description.
fn name_and_description<S: Sink>(name: &str, description: &str, json: &mut Json<S>) {
    json.field("name", name);
    if !description.is_empty() {
        json.field("description", description);
    }
}

/// A number, if there is one.
fn optional<S: Sink>(name: &str, number: Option<f64>, json: &mut Json<S>) {
    if let Some(number) = number {
        json.key(name).number(number);
    }
}

/// A list of texts, if there are any.
fn texts<S: Sink>(name: &str, texts: &[String], json: &mut Json<S>) {
    if !texts.is_empty() {
        json.key(name).list(|json| texts.iter().for_each(|text| json.string([text.as_str()])));
    }
}
