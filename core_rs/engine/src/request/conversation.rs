//! What a model is asked. Serialised it is as rows have it: what is at its default is left out.

use serde::{Deserialize, Serialize};

/// The file of an image or a document; its bytes stand elsewhere, under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// Its MIME type.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Where it is, if it did not come along.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Its digest in hex, if it came along.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Its bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub size: i64,
    /// An image's, in pixels.
    #[serde(skip_serializing_if = "is_zero")]
    pub width: i64,
    /// An image's, in pixels.
    #[serde(skip_serializing_if = "is_zero")]
    pub height: i64,
}

impl Medium {
    /// Its digest; nothing of a file that did not come along.
    pub(super) fn digest(&self) -> Vec<u8> {
        let byte = |at| {
            let two = self.sha256.get(at..at + 2)?;
            u8::from_str_radix(two, 16).ok()
        };
        let bytes: Option<Vec<u8>> = (0..self.sha256.len()).step_by(2).map(byte).collect();
        // What is no hex is longer than what is: it stands for itself, and for no other file.
        bytes.unwrap_or_else(|| self.sha256.clone().into_bytes())
    }
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Text, call, result, thought, image or document.
    pub kind: String,
    /// All of it that a person reads.
    pub text: String,
    /// A call's, and its result's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub call_id: String,
    /// A tool's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Whether a tool has failed.
    #[serde(skip_serializing_if = "is_false")]
    pub is_error: bool,
    /// A thought's proof.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub signature: String,
    /// A thought that is not shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub redacted: String,
    /// Whether the provider should keep the prompt up to here.
    #[serde(skip_serializing_if = "is_false")]
    pub cached: bool,
    /// Of an image or a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Medium>,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: String,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

impl Serialize for Message {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (&self.role, &self.parts).serialize(to)
    }
}

/// What the model may propose to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// What calls name.
    pub name: String,
    /// What it does to the world.
    pub effect: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The JSON schema of its arguments.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parameters: String,
}

/// Whether tools are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// `auto`, `none`, `required` or `named`.
    #[serde(skip_serializing_if = "is_auto")]
    pub choice: String,
    /// The one that is named.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// Whether several at once; `None` is as the provider likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<bool>,
}

/// How the model picks its words; `None` is the provider's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 is the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The share of the likeliest tokens that is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts before which the answer ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// For an answer that can be had again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Against tokens that were there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Against tokens that were there often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
}

/// What the answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseFormat {
    /// `text`, `json` or `json_schema`.
    #[serde(skip_serializing_if = "is_text")]
    pub kind: String,
    /// What the schema is called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The schema.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub schema: String,
}

/// How long the model may think; empty and 0 are the provider's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thinking {
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub effort: String,
    /// In tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub budget_tokens: i64,
}

/// All that a model is asked, and how it should answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Turn by turn.
    pub messages: Vec<Message>,
    /// What it may propose to call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Whether it must.
    #[serde(skip_serializing_if = "ToolUse::is_untold")]
    pub tool_use: ToolUse,
    /// How it picks its words.
    #[serde(skip_serializing_if = "Sampling::is_untold")]
    pub sampling: Sampling,
    /// What the answer must be.
    #[serde(skip_serializing_if = "ResponseFormat::is_untold")]
    pub response_format: ResponseFormat,
    /// How long it may think.
    #[serde(skip_serializing_if = "Thinking::is_untold")]
    pub thinking: Thinking,
}

impl ToolUse {
    fn is_untold(&self) -> bool {
        is_auto(&self.choice) && self.tool.is_empty() && self.parallel.is_none()
    }
}

impl Sampling {
    fn is_untold(&self) -> bool {
        // All of them by name: a field that is added here and forgotten would be lost from rows.
        let Self { temperature, top_p, stop, seed, presence_penalty, frequency_penalty } = self;
        let reals = [temperature, top_p, presence_penalty, frequency_penalty];
        stop.is_empty() && seed.is_none() && reals.iter().all(|real| real.is_none())
    }
}

impl ResponseFormat {
    fn is_untold(&self) -> bool {
        is_text(&self.kind) && self.name.is_empty() && self.schema.is_empty()
    }
}

impl Thinking {
    fn is_untold(&self) -> bool {
        self.effort.is_empty() && self.budget_tokens == 0
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_auto(choice: &str) -> bool {
    choice == "auto"
}

fn is_text(kind: &str) -> bool {
    kind == "text"
}
