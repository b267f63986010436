//! What a provider's answer says: bytes in, events out. No socket, no clock.
//!
//! A [`Decoder`] is fed the body of a 200 answer in whatever pieces it arrives; any split of the
//! same bytes gives the same events. It reads what providers and the proxies before them really
//! send: an event stream, a whole answer in JSON, or something that is neither. Usage is judged in
//! one place for both wires ([`Usage`]): it may make a cost estimated, never an answer false.

mod chat;
mod content;
mod decoder;
mod effort;
mod encode;
mod error;
mod exact;
mod expected;
mod hearing;
mod json;
mod media;
mod messages;
mod needs;
mod prompt;
mod proofs;
mod schema;
mod sse;
mod text;
mod tools;
mod usage;

pub use content::PARTS_MAX;
pub use decoder::{Decoder, Fed};
pub use error::{Blame, Refusal, refusal_of};
pub use expected::{Expected, OUTPUT_BYTES_MAX, unfenced};
pub use hearing::Hearing;
pub use media::{Bytes, DocumentLimits, ImageLimits, ImageRule, Look, MediaLimits, Source, look};
pub use prompt::{
    CapField, Effort, Format, Message, Part, Prompt, Role, Sampling, Target, Thinking, Tool,
    ToolChoice,
};
pub use proofs::PROOFS_BYTES_MAX;
pub use schema::{SCHEMA_BYTES_MAX, check_schemas, is_json_object};
pub use sse::EVENT_BYTES_MAX;
pub use tools::{ARGUMENTS_BYTES_MAX, CALLS_MAX, Declared};
pub use usage::Usage;

pub(crate) use exact::{is_object_once, scaled};

use crate::word::words;

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `OpenAI` Chat Completions.
    Chat,
    /// Anthropic Messages.
    Messages,
}

/// A piece of an answer, in order. Its parts are numbered from 0 in the order in which they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Text for the caller.
    Text {
        /// Which part of the answer.
        part: u32,
        /// Never empty.
        text: String,
    },
    /// What the model thought aloud.
    Reasoning {
        /// Which part of the answer.
        part: u32,
        /// Never empty.
        text: String,
    },
    /// What the provider wants back with a thought, unchanged; only once the answer has ended.
    Proof {
        /// Which part of the answer: one of reasoning, maybe without any text.
        part: u32,
        /// The provider's signature of the thought, maybe empty.
        signature: String,
        /// The thought itself, for the provider's eyes alone; maybe empty.
        redacted: String,
    },
    /// A whole call of a declared tool; only once the answer has ended.
    Call {
        /// Which part of the answer: calls are numbered after all others.
        part: u32,
        /// The provider's id, or one made of the call's place; no two of an answer are alike.
        id: String,
        /// Which tool.
        name: String,
        /// One JSON object, as the model wrote it; `{}` where it wrote nothing.
        arguments: String,
    },
}

words! {
    /// Why the model stopped, as the server stores it. `chenu.api.pipeline.v1.StopReason`.
    Stop {
        /// It had said all, or met a stop sequence.
        End = 1, "stop";
        /// Its output cap, or its context, was full.
        Length = 2, "length";
        /// The provider's own filter stopped it.
        Refusal = 3, "refusal";
        /// A word that this version does not know.
        Other = 4, "other";
        /// It paused, and may be asked to go on.
        Pause = 5, "pause";
        /// It wants tools to be called.
        ToolCalls = 6, "tool_calls";
    }
}

impl Stop {
    /// The one of a stored word, which may be another version's.
    #[must_use]
    pub fn of(word: &str) -> Self {
        Self::from_wire_name(word).unwrap_or(Self::Other)
    }
}

/// Why an answer is none. `detail` never quotes the provider; `subject` is all that may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A word for machines, such as `truncated`.
    pub kind: String,
    /// What exactly is wrong with a call or an output, such as `schema`; else empty.
    pub problem: String,
    /// The tool that was called, as the model named it, shortened and printable; else empty.
    pub subject: String,
    /// What happened, for people.
    pub detail: String,
    /// Whose trouble it is.
    pub blame: Blame,
    /// Whether it is certain that nothing was generated, so that nothing can be billed.
    pub nothing_generated: bool,
    /// Whether the answer had ended with its terminator, so that what it told of its tokens is
    /// final.
    pub is_whole: bool,
}

impl Fault {
    fn of_provider(kind: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            problem: String::new(),
            subject: String::new(),
            detail: detail.into(),
            blame: Blame::Provider,
            // Until the opposite is certain: what may have been generated may be billed.
            nothing_generated: false,
            is_whole: false,
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
            // A page in an answer's place comes from a wrong address, or from a proxy before the
            // right one.
            blame: Blame::Operator,
            nothing_generated: true,
            ..Self::of_provider("not_an_answer", detail)
        }
    }

    /// The answer is whole and calls a tool in a way that cannot be passed on.
    pub(crate) fn tool_call_invalid(problem: &str, name: &str) -> Self {
        // The tool's name is the model's word: shown, shortened, to whoever must find out.
        let subject = name.chars().filter(|each| !each.is_control()).take(64).collect();
        Self {
            problem: problem.to_owned(),
            subject,
            is_whole: true,
            ..Self::of_provider("tool_call_invalid", format!("a tool call is not valid: {problem}"))
        }
    }

    /// The answer is whole and is not the JSON that was asked for.
    pub(crate) fn output_invalid(problem: &str) -> Self {
        Self {
            problem: problem.to_owned(),
            is_whole: true,
            ..Self::of_provider("output_invalid", format!("the output is not valid: {problem}"))
        }
    }
}
