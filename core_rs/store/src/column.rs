//! What a column holds of a field, and back.

use std::fmt::Write as _;

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::{
    BudgetPeriod, BudgetScope, CheckpointState, CheckpointType, Lane, LaneStatus, OperationKind,
    PartKind, PrincipalType, QueryState, ToolCallState, ToolEffect, ViolationType,
};
use chenu_operation::refusal::Outcome;
use chenu_operation::rows::{
    AttemptState, Bytes, DecidedCall, Event, HoldState, LaneReport, Leg, StoredPart, TokenUsage,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A value as a database has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A truth value; a database may have it as a number.
    Bool(bool),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A value that no row of this release has: somebody else has written it, or a later release.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What reading a value comes to.
pub type Read<T> = Result<T, Unreadable>;

/// A field that one column holds.
pub trait Column: Sized {
    /// As it is stored.
    fn put(&self) -> Value;

    /// As it was stored.
    ///
    /// # Errors
    /// [`Unreadable`]: it is no such value.
    fn take(value: Value) -> Read<Self>;
}

fn other(wanted: &str, found: &Value) -> Unreadable {
    Unreadable(format!("{wanted} was expected, and {found:?} is there"))
}

impl Column for String {
    fn put(&self) -> Value {
        Value::Text(self.clone())
    }

    fn take(value: Value) -> Read<Self> {
        match value {
            Value::Text(text) => Ok(text),
            found => Err(other("text", &found)),
        }
    }
}

impl Column for i64 {
    fn put(&self) -> Value {
        Value::Int(*self)
    }

    fn take(value: Value) -> Read<Self> {
        match value {
            Value::Int(number) => Ok(number),
            found => Err(other("a number", &found)),
        }
    }
}

impl Column for bool {
    fn put(&self) -> Value {
        Value::Bool(*self)
    }

    // SQLite has no truth values and gives the number back that one was stored as.
    fn take(value: Value) -> Read<Self> {
        match value {
            Value::Bool(truth) => Ok(truth),
            Value::Int(number @ (0 | 1)) => Ok(number == 1),
            found => Err(other("a truth value", &found)),
        }
    }
}

impl Column for Bytes {
    fn put(&self) -> Value {
        Value::Blob(self.0.clone())
    }

    fn take(value: Value) -> Read<Self> {
        match value {
            Value::Blob(bytes) => Ok(Self(bytes)),
            found => Err(other("bytes", &found)),
        }
    }
}

/// Words of the closed lists stand as they are spelt on the wire.
macro_rules! words {
    ($($word:ty),*) => {
        $(impl Column for $word {
            fn put(&self) -> Value {
                Value::Text(self.wire_name().to_owned())
            }

            fn take(value: Value) -> Read<Self> {
                let text = String::take(value)?;
                Self::from_wire_name(&text).ok_or_else(|| unknown(&text))
            }
        })*
    };
}

words!(
    BudgetPeriod,
    BudgetScope,
    CheckpointState,
    OperationKind,
    PartKind,
    PrincipalType,
    QueryState,
    ToolEffect,
    ViolationType
);

fn unknown(text: &str) -> Unreadable {
    Unreadable(format!("{text:?} is no word of its list"))
}

/// States that only rows have, and no list of the contract.
macro_rules! states {
    ($state:ident { $($value:ident = $text:literal),* }) => {
        impl Column for $state {
            fn put(&self) -> Value {
                Value::Text(match self { $(Self::$value => $text),* }.to_owned())
            }

            fn take(value: Value) -> Read<Self> {
                match String::take(value)?.as_str() {
                    $($text => Ok(Self::$value),)*
                    text => Err(unknown(text)),
                }
            }
        }
    };
}

states!(AttemptState {
    Executing = "executing",
    Succeeded = "succeeded",
    Failed = "failed",
    Interrupted = "interrupted"
});
states!(HoldState {
    Held = "held",
    Posted = "posted",
    Voided = "voided",
    Expired = "expired"
});

fn json<T: DeserializeOwned>(value: Value) -> Read<T> {
    let text = String::take(value)?;
    serde_json::from_str(&text).map_err(|error| Unreadable(format!("{error} in {text:?}")))
}

/// As JSON, written in one go. Nothing that is put here fails to be text.
fn written(value: &(impl Serialize + ?Sized)) -> Value {
    Value::Text(serde_json::to_string(value).unwrap_or_default())
}

impl Column for Vec<String> {
    fn put(&self) -> Value {
        written(self)
    }

    fn take(value: Value) -> Read<Self> {
        json(value)
    }
}

impl Column for Vec<(String, String)> {
    fn put(&self) -> Value {
        written(self)
    }

    fn take(value: Value) -> Read<Self> {
        json(value)
    }
}

impl Column for Vec<Leg> {
    fn put(&self) -> Value {
        written(self)
    }

    fn take(value: Value) -> Read<Self> {
        json(value)
    }
}

impl Column for Vec<CheckpointType> {
    fn put(&self) -> Value {
        written(self)
    }

    fn take(value: Value) -> Read<Self> {
        json(value)
    }
}

impl Column for TokenUsage {
    // The fifth count came with a later release: rows without any look as they always did, so that
    // no migration had to touch them.
    fn put(&self) -> Value {
        let counts = [
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.cache_write_hour_tokens,
        ];
        let told = if self.cache_write_hour_tokens == 0 { 4 } else { 5 };
        written(counts.get(..told).unwrap_or(&counts))
    }

    fn take(value: Value) -> Read<Self> {
        let counts: Vec<i64> = json(value)?;
        let (input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, hour) =
            match *counts.as_slice() {
                [input, output, read, write] => (input, output, read, write, 0),
                [input, output, read, write, hour] => (input, output, read, write, hour),
                // Counts that a later release adds are not dropped: written back without them, the
                // bill would be too low.
                _ => return Err(Unreadable(format!("{counts:?} is no usage"))),
            };
        Ok(Self {
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_hour_tokens: hour,
        })
    }
}

impl Column for Vec<LaneReport> {
    fn put(&self) -> Value {
        let plain = self.iter().map(|it| (it.lane, it.status, it.duration_us, it.summary.as_str()));
        written(&plain.collect::<Vec<_>>())
    }

    fn take(value: Value) -> Read<Self> {
        let reports: Vec<(Lane, LaneStatus, i64, String)> = json(value)?;
        let of = |(lane, status, duration_us, summary)| LaneReport {
            lane,
            status,
            duration_us,
            summary,
        };
        Ok(reports.into_iter().map(of).collect())
    }
}

/// A call as a part's last value, field by field.
type PlainCall = (String, ToolEffect, ToolCallState, String, i64, String);

/// A part, and where it is a call that was decided on, what was decided.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PlainPart {
    Call(PartKind, String, i64, PlainCall),
    // Rows of what is no call look as they always did, so that no migration had to touch them.
    Part(PartKind, String, i64),
}

impl From<&StoredPart> for PlainPart {
    fn from(part: &StoredPart) -> Self {
        let StoredPart { kind, name, length, call } = part.clone();
        match call {
            None => Self::Part(kind, name, length),
            Some(call) => {
                let DecidedCall { call_id, effect, state, checkpoint_id, expires_us, reason } =
                    call;
                let call = (call_id, effect, state, checkpoint_id, expires_us, reason);
                Self::Call(kind, name, length, call)
            }
        }
    }
}

impl From<PlainPart> for StoredPart {
    fn from(plain: PlainPart) -> Self {
        match plain {
            PlainPart::Part(kind, name, length) => Self { kind, name, length, call: None },
            PlainPart::Call(kind, name, length, call) => {
                let (call_id, effect, state, checkpoint_id, expires_us, reason) = call;
                let call =
                    DecidedCall { call_id, effect, state, checkpoint_id, expires_us, reason };
                Self { kind, name, length, call: Some(call) }
            }
        }
    }
}

impl Column for Vec<StoredPart> {
    fn put(&self) -> Value {
        written(&self.iter().map(PlainPart::from).collect::<Vec<_>>())
    }

    fn take(value: Value) -> Read<Self> {
        let parts: Vec<PlainPart> = json(value)?;
        Ok(parts.into_iter().map(StoredPart::from).collect())
    }
}

impl Column for Outcome {
    // By number: a reason may be respelt, and what is stored is told for years.
    fn put(&self) -> Value {
        let number = self.reason.map_or(0, ErrorReason::number);
        written(&(number, &self.message, &self.error))
    }

    fn take(value: Value) -> Read<Self> {
        let (number, message, error): (u16, String, Vec<(String, String)>) = json(value)?;
        let reason = match number {
            0 => None,
            _ => Some(
                ErrorReason::from_number(number)
                    .ok_or_else(|| Unreadable(format!("{number} is no reason")))?,
            ),
        };
        Ok(Self { reason, message, error })
    }
}

/// Events as a segment holds them. No command reads any, so there is no way back from here.
#[must_use]
pub fn events(events: &[Event]) -> Value {
    let mut text = String::from("[");
    for each in events {
        let Event { sequence, kind, time_us, body } = each;
        let comma = if text.len() == 1 { "" } else { "," };
        // The body is JSON already, as the command made it, and no word needs an escape.
        let row = format_args!("{comma}[{sequence},\"{}\",{time_us},{body}]", kind.wire_name());
        // Writing to a text never fails.
        text.write_fmt(row).unwrap_or(());
    }
    text.push(']');
    Value::Text(text)
}

/// Text from outside, as JSON: `PostgreSQL`'s text holds no NUL, and what a caller sent comes back
/// byte for byte from every store.
pub mod free {
    use super::{Read, Value, json, written};

    /// As it is stored.
    #[must_use]
    pub fn put(text: &str) -> Value {
        written(text)
    }

    /// As it was stored.
    ///
    /// # Errors
    /// [`super::Unreadable`]: it is no such text.
    pub fn take(value: Value) -> Read<String> {
        json(value)
    }
}

/// A field as its column has it.
pub mod plain {
    use super::{Column, Read, Value};

    /// As it is stored.
    #[must_use]
    pub fn put(field: &impl Column) -> Value {
        field.put()
    }

    /// As it was stored.
    ///
    /// # Errors
    /// [`super::Unreadable`]: it is no such value.
    pub fn take<T: Column>(value: Value) -> Read<T> {
        T::take(value)
    }
}
