//! Why an operation may not run, or did not complete.

use chenu_engine::reasons::ErrorReason;
use serde::{Deserialize, Serialize};

/// Parts a list where it is stored: no policy, model or provider has it in its name.
const PARTED: &str = "\u{1f}";

/// How an operation ended: without a reason when it completed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Which reason.
    pub reason: Option<ErrorReason>,
    /// What is said of it.
    pub message: String,
    /// What its metadata is made of, by field.
    pub error: Vec<(String, String)>,
}

impl Outcome {
    /// The reason as the ledger and the wire spell it; empty when it completed.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.reason.map_or("", ErrorReason::wire_name)
    }
}

/// A reason with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which reason.
    pub reason: ErrorReason,
    known: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    List(Vec<String>),
    Number(i64),
}

impl Value {
    fn joined(&self, by: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(by),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Refusal {
    /// A reason of which nothing is known yet.
    #[must_use]
    pub fn new(reason: ErrorReason) -> Self {
        Self { reason, known: Vec::new() }
    }

    /// With a text, in the order of the reason's fields.
    #[must_use]
    pub fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.known.push((name, Value::Text(value.into())));
        self
    }

    /// With a list.
    #[must_use]
    pub fn list(mut self, name: &'static str, value: Vec<String>) -> Self {
        self.known.push((name, Value::List(value)));
        self
    }

    /// With a number.
    #[must_use]
    pub fn number(mut self, name: &'static str, value: i64) -> Self {
        self.known.push((name, Value::Number(value)));
        self
    }

    /// What of it has this name; empty if nothing has.
    #[must_use]
    pub fn known(&self, name: &str) -> String {
        let found = self.known.iter().find(|(known, _)| *known == name);
        found.map_or_else(String::new, |(_, value)| value.joined(","))
    }

    /// As an operation's row keeps it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let stored = |(name, value): &(&str, Value)| ((*name).to_owned(), value.joined(PARTED));
        Outcome {
            reason: Some(self.reason),
            message: self.message(),
            error: self.known.iter().map(stored).collect(),
        }
    }

    /// What is said of it: the reason's message with the values in it. A piece in brackets falls
    /// away where a value in it is empty.
    fn message(&self) -> String {
        let mut said = String::new();
        let mut rest = self.reason.message();
        while let Some((before, after)) = rest.split_once('[') {
            said.push_str(&self.filled(before).0);
            let (piece, behind) = after.split_once(']').unwrap_or((after, ""));
            let (filled, whole) = self.filled(piece);
            if whole {
                said.push_str(&filled);
            }
            rest = behind;
        }
        said.push_str(&self.filled(rest).0);
        said
    }

    /// A piece with its values, and whether none of them is empty.
    fn filled(&self, piece: &str) -> (String, bool) {
        let (mut said, mut whole, mut rest) = (String::new(), true, piece);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            // What is put in is not looked at again: a model's name may hold a bracket, which is
            // none of the message's form.
            let value = self.known(name);
            whole &= !value.is_empty();
            said.push_str(before);
            said.push_str(&value);
            rest = behind;
        }
        said.push_str(rest);
        (said, whole)
    }
}
