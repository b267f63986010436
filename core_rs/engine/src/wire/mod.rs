//! What a provider's answer says: bytes in, events out. No socket, no clock.
//!
//! A [`Decoder`] is fed the body of a 200 answer in whatever pieces it arrives; any split of the
//! same bytes gives the same events. It reads what providers and the proxies before them really
//! send: an event stream, a whole answer in JSON, or something that is neither. Usage is judged in
//! one place for both wires ([`Usage`]): it may make a cost estimated, never an answer false.

mod chat;
mod content;
mod decoder;
mod error;
mod json;
mod messages;
mod sse;
mod text;
mod tools;
mod usage;

pub use decoder::{Decoder, Fed};
pub use error::{Blame, Refusal, refusal_of};
pub use sse::EVENT_BYTES_MAX;
pub use tools::{ARGUMENTS_BYTES_MAX, CALLS_MAX};
pub use usage::Usage;

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `OpenAI` Chat Completions.
    Chat,
    /// Anthropic Messages.
    Messages,
}

/// A piece of an answer, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Text for the caller, never empty.
    Text(String),
    /// What the model thought aloud, never empty.
    Reasoning(String),
    /// A whole call of a declared tool; only once the answer has ended.
    Call {
        /// The provider's id, or one made of the call's place.
        id: String,
        /// Which tool.
        name: String,
        /// One JSON object, as the model wrote it; `{}` where it wrote nothing.
        arguments: String,
    },
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It had said all, or met a stop sequence.
    End,
    /// Its output cap, or its context, was full.
    Length,
    /// The provider's own filter stopped it.
    Refusal,
    /// It wants tools to be called.
    ToolCalls,
    /// It paused, and may be asked to go on.
    Pause,
    /// A word that this version does not know.
    Other,
}

impl Stop {
    /// The word that the server stores.
    #[must_use]
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::End => "stop",
            Self::Length => "length",
            Self::Refusal => "refusal",
            Self::ToolCalls => "tool_calls",
            Self::Pause => "pause",
            Self::Other => "other",
        }
    }
}

/// Why an answer is none. `detail` never quotes the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A word for machines, such as `truncated`.
    pub kind: String,
    /// What happened, for people.
    pub detail: String,
    /// Whose trouble it is.
    pub blame: Blame,
    /// Whether it is certain that nothing was generated, so that nothing can be billed.
    pub nothing_generated: bool,
}

impl Fault {
    fn of_provider(kind: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            detail: detail.into(),
            blame: Blame::Provider,
            nothing_generated: false,
        }
    }

    pub(crate) fn truncated() -> Self {
        Self::of_provider("truncated", "the answer ended without its terminator")
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::of_provider("malformed", detail)
    }

    pub(crate) fn not_an_answer(detail: impl Into<String>) -> Self {
        Self {
            blame: Blame::Operator,
            nothing_generated: true,
            ..Self::of_provider("not_an_answer", detail)
        }
    }
}
