//! What of an answer says something.
//!
//! A proxy or a provider keeps a connection open with comments, pings and empty deltas, also where
//! the model behind it has died: bytes alone prove nothing.

use serde_json::Value;

use super::Usage;

/// A line as long as this is not looked into: nothing that only keeps a connection open is.
const KEPT_BYTES: usize = 1_024;
/// Where both wires put what they say; who speaks and of what kind it is stands there unasked.
const FILLED: [&str; 3] = ["choices", "delta", "content_block"];
const LABELS: [&str; 2] = ["role", "type"];

/// Says of each piece of a body whether the answer goes on, beside the decoder that reads it.
#[derive(Debug)]
pub struct Hearing {
    is_stream: bool,
    has_begun: bool,
    counted: [u64; 5],
    line: Vec<u8>, // as much of it as has come
}

impl Hearing {
    /// `is_stream`: the answer calls itself an event stream.
    #[must_use]
    pub fn new(is_stream: bool) -> Self {
        Self { is_stream, has_begun: false, counted: [0; 5], line: Vec::new() }
    }

    /// Whether the answer goes on with this piece. `brought`: the decoder has made text of it, and
    /// knows this `usage` by now.
    ///
    /// The calls of tools show there only once they are whole, so they are looked for here. A count
    /// of tokens alone is no beginning: the input's is told before a model has thought.
    pub fn hears(&mut self, piece: &[u8], usage: Usage, brought: bool) -> bool {
        if brought {
            // Of every delta, so no more is done than must be.
            self.line.clear();
            self.keep(lines_of(piece).next().unwrap_or_default());
            self.has_begun = true;
            return true;
        }
        let (counts, says) = (self.counts(usage), self.says(piece));
        self.has_begun |= says;
        says || (counts && self.has_begun)
    }

    fn says(&mut self, piece: &[u8]) -> bool {
        if !self.is_stream {
            // White space keeps a connection open while an answer that comes as one JSON is still
            // made.
            return !piece.trim_ascii().is_empty();
        }
        let mut text = std::mem::take(&mut self.line);
        text.extend_from_slice(piece);
        let mut lines = lines_of(&text);
        let rest = lines.next().unwrap_or_default();
        self.keep(rest);
        lines.any(line_says) || is_long(rest)
    }

    fn keep(&mut self, rest: &[u8]) {
        self.line.extend(rest.iter().take(KEPT_BYTES));
    }

    fn counts(&mut self, usage: Usage) -> bool {
        let counted = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.cache_write_hour_tokens,
        ];
        std::mem::replace(&mut self.counted, counted) != counted
    }
}

/// The last one first: it goes on with the next piece.
fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.rsplit(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Whether a line of an event stream holds a word of the answer, or a part of a call.
fn line_says(line: &[u8]) -> bool {
    if is_long(line) {
        return true;
    }
    let Some(data) = line.strip_prefix(b"data:") else { return false };
    let Ok(Value::Object(event)) = serde_json::from_slice(data) else { return false };
    FILLED.iter().any(|name| event.get(*name).is_some_and(is_filled))
}

fn is_long(line: &[u8]) -> bool {
    line.len() >= KEPT_BYTES && !line.starts_with(b":")
}

/// Whether there is a text in it that is no label.
fn is_filled(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(is_filled),
        Value::Object(fields) => {
            let mut told = fields.iter().filter(|(name, _)| !LABELS.contains(&name.as_str()));
            told.any(|(_, value)| is_filled(value))
        }
        Value::String(text) => !text.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
