//! What a model is asked, in words of no provider.

use super::media::Source;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever runs the conversation. These messages come first, and only first.
    System,
    /// Whoever asks: texts, images and documents.
    User,
    /// The model: texts, reasoning and calls of tools.
    Assistant,
    /// The tools: results of the calls just before.
    Tool,
}

/// A piece of a message. An empty text says nothing and is not sent where blocks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text {
        /// Any text.
        text: String,
        /// Whether the provider should keep the prompt up to here for the next call.
        cached: bool,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// Whether the provider should keep the prompt up to here for the next call.
        cached: bool,
    },
    /// A file to read.
    Document {
        /// Where it is.
        source: Source,
        /// What the model may call it; empty when nobody said.
        name: String,
        /// Whether the provider should keep the prompt up to here for the next call.
        cached: bool,
    },
    /// A call that the model made.
    ToolCall {
        /// As the provider gave it; the result names it again.
        id: String,
        /// Which tool.
        name: String,
        /// One JSON object, sent as it is; empty is `{}`.
        arguments: String,
    },
    /// What a call brought.
    ToolResult {
        /// The call's id.
        id: String,
        /// What the tool said.
        text: String,
        /// Whether the tool failed.
        is_error: bool,
        /// Whether the provider should keep the prompt up to here for the next call.
        cached: bool,
    },
    /// What the model thought, as its provider wants it back.
    ///
    /// With neither a signature nor `redacted` it is the one thing that is never sent: nothing
    /// proves that the model thought it, so a provider refuses it.
    Reasoning {
        /// The thought.
        text: String,
        /// The provider's proof of it, opaque; empty when there is none.
        signature: String,
        /// The thought as the provider sealed it, opaque; empty when it did not.
        redacted: String,
    },
}

/// What one side says at a time. The caller has checked that its parts befit its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// What calls name.
    pub name: String,
    /// What it is for; empty when nobody said.
    pub description: String,
    /// The JSON schema of its arguments, sent as it is; empty when it takes none.
    pub parameters: String,
}

/// Which tools the model must call. Without tools it is not sent: providers refuse it then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    #[default]
    Auto,
    /// None at all.
    None,
    /// At least one, whichever.
    Required,
    /// The one of this name.
    Named(String),
}

/// What the answer must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Format {
    /// Anything.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// JSON that a schema allows.
    JsonSchema {
        /// What the schema is called.
        name: String,
        /// The JSON schema, sent as it is; empty is `{}`, which allows all JSON.
        schema: String,
    },
}

/// How the next token is chosen. A number that is not finite is sent as null.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// 0 is the likeliest token.
    pub temperature: Option<f64>,
    /// The share of the likeliest tokens that is looked at.
    pub top_p: Option<f64>,
    /// Against tokens that were there.
    pub presence_penalty: Option<f64>,
    /// Against tokens that were there often.
    pub frequency_penalty: Option<f64>,
    /// For an answer that can be had again.
    pub seed: Option<i64>,
    /// Texts before which the answer ends.
    pub stop: Vec<String>,
}

/// How hard the model tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Soon done.
    Low,
    /// In between.
    Medium,
    /// As long as it takes.
    High,
}

impl Effort {
    /// The word that both wires use.
    #[must_use]
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// How the model thinks before it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinking {
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens, which the output cap holds too.
    pub budget_tokens: Option<u32>,
}

/// All that a model is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// The tools that may be called.
    pub tools: Vec<Tool>,
    /// Which of them must be.
    pub tool_choice: ToolChoice,
    /// Whether several may be called at once; `None` is as the provider likes.
    pub parallel_calls: Option<bool>,
    /// What the answer must be.
    pub format: Format,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How the model thinks.
    pub thinking: Thinking,
}

/// The field of Chat Completions that holds the output cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapField {
    /// The older one, which most providers know.
    MaxTokens,
    /// The newer one, which reasoning models of `OpenAI` want.
    MaxCompletionTokens,
}

impl CapField {
    /// The field's name.
    #[must_use]
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// Which model a body is for, and what its provider wants of every body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The model as its provider names it.
    pub model: &'a str,
    /// The most tokens of the answer, thoughts among them.
    pub output_cap: u64,
    /// Where Chat Completions tells it.
    pub cap_field: CapField,
    /// Whether Chat Completions must ask for usage.
    pub stream_options: bool,
}
