//! The JSON that a caller asked for: looked for in the text once the answer has ended.

use serde_json::Value;

use super::json::is_whole;
use super::schema::Schema;
use super::{Fault, Stop};

/// The most bytes of text in which JSON is looked for.
pub const OUTPUT_BYTES_MAX: usize = 4 << 20;

const FENCE: &str = "```";

/// What the text of an answer must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever the model writes.
    #[default]
    Text,
    /// A JSON object or list.
    Json,
    /// JSON that satisfies this schema.
    JsonSchema(String),
}

/// The text of one answer, kept only where it must be JSON.
#[derive(Debug, Default)]
pub(super) struct Output {
    expected: Expected,
    text: String,
    is_too_large: bool,
    json: Option<String>,
}

impl Output {
    pub(super) fn new(expected: Expected) -> Self {
        Self { expected, ..Self::default() }
    }

    /// More of the text.
    pub(super) fn add(&mut self, text: &str) {
        if self.expected == Expected::Text || self.is_too_large {
            return;
        }
        self.is_too_large = self.text.len() + text.len() > OUTPUT_BYTES_MAX;
        if self.is_too_large {
            // It cannot become right any more, so nothing of it is kept.
            self.text = String::new();
        } else {
            self.text.push_str(text);
        }
    }

    /// The JSON that was asked for, once it was found.
    pub(super) fn json(&self) -> Option<&str> {
        self.json.as_deref()
    }

    /// The answer has ended, and called no tool.
    pub(super) fn end(&mut self, stop: Stop, steps: &mut u64) -> Result<(), Fault> {
        // A refusal is told in words, whatever form was asked for.
        if self.expected == Expected::Text || stop == Stop::Refusal {
            return Ok(());
        }
        if self.is_too_large {
            return Err(Fault::output_invalid("too_large"));
        }
        let json = unfenced(&self.text);
        // Looked at before the cap is blamed: an output that was just finished when the cap was met
        // is whole.
        self.check(json, steps).map_err(|problem| {
            Fault::output_invalid(if stop == Stop::Length { "cut" } else { problem })
        })?;
        self.json = Some(json.to_owned());
        Ok(())
    }

    fn check(&self, json: &str, steps: &mut u64) -> Result<(), &'static str> {
        let Expected::JsonSchema(schema) = &self.expected else {
            // A bare number or text is JSON as well, and not what was asked for.
            let is_container = json.starts_with(['{', '[']) && is_whole(json);
            return if is_container { Ok(()) } else { Err("not_json") };
        };
        // Any JSON here, for the schema says which.
        let value: Value = serde_json::from_str(json).map_err(|_| "not_json")?;
        let schema = Schema::new(schema).map_err(|_| "schema")?;
        if schema.accepts(&value, steps) { Ok(()) } else { Err("schema") }
    }
}

/// The text without white space around it, and without the fence that many models put there:
/// alone, or with the name `json`.
#[must_use]
pub fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix(FENCE).and_then(|rest| rest.strip_suffix(FENCE)) else {
        return text;
    };
    let named = inner.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("json"));
    if named { inner.get(4..).unwrap_or_default().trim() } else { inner.trim() }
}
