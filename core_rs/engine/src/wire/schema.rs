//! JSON schemas that callers write: taken only where checking against one is bounded.
//!
//! A schema stands by itself: nothing is fetched. Its patterns run in an engine that cannot
//! backtrack, and `format` is a note to the model, not a rule.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::effort::{Effort, PATTERNS_MAX};

/// The most bytes of a schema's text.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// The most that one pattern may take compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 64 << 10;

/// A schema, ready to check values against.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
    text: Value,
    patterns: usize,
}

impl Schema {
    /// Compile; on failure a short English text of what is wrong.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(format!("it is longer than {SCHEMA_BYTES_MAX} bytes"));
        }
        let text: Value = serde_json::from_str(text).map_err(|error| match error.to_string() {
            deep if deep.starts_with("recursion") => "it is nested too deep".to_owned(),
            _ => "it is not JSON".to_owned(),
        })?;
        if !text.is_object() {
            return Err("it is no JSON object".to_owned());
        }
        let patterns = Effort::can_be_told(&text)?;
        let validator = jsonschema::options()
            // A reference to another host would have the server fetch what a caller names.
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .build(&text)
            .map_err(|error| {
                let path = format!("{}/{}", error.schema_path(), error.instance_path());
                format!("its {} is not usable", last_word(&path))
            })?;
        Ok(Self { validator, text, patterns })
    }

    /// Whether a value satisfies it; one that would take more than `steps` to check does not.
    pub(super) fn accepts(&self, value: &Value, steps: &mut u64) -> bool {
        // In this order: the validator cannot be stopped, so its work is counted before it begins.
        Effort::of(&self.text, value, steps) && self.validator.is_valid(value)
    }
}

/// What is wrong with the JSON schemas of one request, so that no answer can be checked.
///
/// Their patterns are counted together: each takes a while to compile, here and at the answer.
///
/// # Errors
/// Which of them it is, and a short English text that follows the words "the schema:".
pub fn check_schemas(schemas: &[&str]) -> Result<(), (usize, String)> {
    let mut patterns = 0;
    for (at, schema) in schemas.iter().enumerate() {
        patterns += Schema::new(schema).map_err(|problem| (at, problem))?.patterns;
        if patterns > PATTERNS_MAX {
            return Err((at, format!("there are more than {PATTERNS_MAX} patterns in all")));
        }
    }
    Ok(())
}

/// The last word of a place in a schema: the keyword that is wrong.
fn last_word(path: &str) -> String {
    let word = path.rsplit('/').find(|word| !word.is_empty()).unwrap_or("content");
    word.chars().filter(|each| !each.is_control()).take(64).collect()
}

/// Whether a text is one JSON object: no other numbers than JSON has, nested as deep as is read.
#[must_use]
pub fn is_json_object(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|value: Value| value.is_object())
}
