//! Binding of the prompts of [`chenu_engine::wire`].

use std::sync::OnceLock;

use chenu_engine::wire::{self as engine, CapField, Effort, Format, Part, Role, ToolChoice, Wire};
use pyo3::prelude::*;

use crate::convert::mistake;
use crate::media::{MediaLimits, MediumFields};

/// A message as Python holds it, read attribute by attribute.
#[derive(FromPyObject)]
struct MessageFields {
    role: String,
    parts: Vec<PartFields>,
}

#[derive(FromPyObject)]
struct PartFields {
    kind: String,
    text: String,
    call_id: String,
    name: String,
    is_error: bool,
    signature: String,
    redacted: String,
    cached: bool,
    media: Option<MediumFields>,
}

#[derive(FromPyObject)]
struct ToolFields {
    name: String,
    description: String,
    parameters: String,
}

#[derive(Default, FromPyObject)]
struct SamplingFields {
    temperature: Option<f64>,
    top_p: Option<f64>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    seed: Option<i64>,
    stop: Vec<String>,
}

/// What a model is asked, in words of no provider.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct Prompt {
    asked: engine::Prompt,
    /// What `size` has said: each model that may answer asks again.
    sizes: [OnceLock<usize>; 2],
    /// Whether it holds files, which take long to write.
    has_files: bool,
}

#[pymethods]
impl Prompt {
    #[new]
    #[pyo3(signature = (messages, *, tools = Vec::new(), tool_choice = "auto",
        tool_choice_name = String::new(), parallel_calls = None, format = "text",
        schema_name = String::new(), schema = String::new(), sampling = None, effort = "",
        budget_tokens = 0))]
    #[expect(clippy::too_many_arguments, reason = "they are keyword-only in Python")]
    fn new(
        messages: Vec<MessageFields>,
        tools: Vec<ToolFields>,
        tool_choice: &str,
        tool_choice_name: String,
        parallel_calls: Option<bool>,
        format: &str,
        schema_name: String,
        schema: String,
        sampling: Option<SamplingFields>,
        effort: &str,
        budget_tokens: u32,
    ) -> PyResult<Self> {
        let budget_tokens = (budget_tokens > 0).then_some(budget_tokens);
        let has_files = messages.iter().any(MessageFields::has_files);
        let asked = engine::Prompt {
            messages: messages.into_iter().map(MessageFields::message).collect::<PyResult<_>>()?,
            tools: tools.into_iter().map(ToolFields::tool).collect(),
            tool_choice: tool_choice_named(tool_choice, tool_choice_name)?,
            parallel_calls,
            format: format_named(format, schema_name, schema)?,
            sampling: sampling.unwrap_or_default().sampling(),
            thinking: engine::Thinking { effort: effort_named(effort)?, budget_tokens },
        };
        Ok(Self { asked, sizes: Default::default(), has_files })
    }

    /// The body of a request that streams its answer.
    #[pyo3(signature = (wire, *, model, output_cap, cap_field, stream_options))]
    fn encode(
        &self,
        py: Python<'_>,
        wire: &str,
        model: &str,
        output_cap: u64,
        cap_field: &str,
        stream_options: bool,
    ) -> PyResult<Vec<u8>> {
        let cap_field = match cap_field {
            "max_tokens" => CapField::MaxTokens,
            "max_completion_tokens" => CapField::MaxCompletionTokens,
            other => return Err(mistake(format!("{other:?} is no field of an output cap"))),
        };
        let target = engine::Target { model, output_cap, cap_field, stream_options };
        let wire = wire_named(wire)?;
        // Base64 of megabytes takes milliseconds, in which others may run Python.
        if self.has_files {
            return Ok(py.detach(|| self.asked.encode(wire, &target)));
        }
        Ok(self.asked.encode(wire, &target))
    }

    /// A bound of the body's bytes, less those of the model's name.
    fn size(&self, wire: &str) -> PyResult<usize> {
        let wire = wire_named(wire)?;
        // The two wires write one prompt in different lengths, so each has a place of its own.
        let [chat, messages] = &self.sizes;
        let known = match wire {
            Wire::Chat => chat,
            Wire::Messages => messages,
        };
        Ok(*known.get_or_init(|| self.asked.size(wire)))
    }

    /// Whether it holds files, which take long to write.
    #[getter]
    fn has_files(&self) -> bool {
        self.has_files
    }

    /// What a model must be able to do.
    fn needs(&self) -> Vec<&'static str> {
        self.asked.needs()
    }

    /// What each model counts the files as at most; `None` for one that does not take them.
    fn media_tokens(&self, limits: Vec<Option<PyRef<'_, MediaLimits>>>) -> Vec<Option<u64>> {
        let tokens = |each: &PyRef<'_, MediaLimits>| self.asked.media_tokens(&each.0);
        limits.iter().map(|each| each.as_ref().and_then(tokens)).collect()
    }

    /// Tokens that a provider of this wire adds to what the body says.
    fn extra_tokens(&self, wire: &str) -> PyResult<u32> {
        wire_named(wire).map(|wire| self.asked.extra_tokens(wire))
    }
}

/// Those of the words of `Prompt.needs` that a wire has room for.
#[pyfunction]
pub(crate) fn wire_offers(wire: &str) -> PyResult<Vec<&'static str>> {
    wire_named(wire).map(|wire| wire.offers().to_vec())
}

impl MessageFields {
    fn has_files(&self) -> bool {
        self.parts.iter().any(|part| part.media.is_some())
    }

    fn message(self) -> PyResult<engine::Message> {
        let role = match self.role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            other => return Err(mistake(format!("{other:?} is no role"))),
        };
        let parts = self.parts.into_iter().map(PartFields::part).collect::<PyResult<_>>()?;
        Ok(engine::Message { role, parts })
    }
}

impl PartFields {
    fn part(self) -> PyResult<Part> {
        let Self { kind, text, call_id: id, name, is_error, signature, redacted, cached, media } =
            self;
        let source = media.map(MediumFields::source).transpose()?;
        Ok(match (kind.as_str(), source) {
            ("image", Some(source)) => Part::Image { source, cached },
            ("document", Some(source)) => Part::Document { source, name: text, cached },
            ("text", _) => Part::Text { text, cached },
            ("tool_call", _) => Part::ToolCall { id, name, arguments: text },
            ("tool_result", _) => Part::ToolResult { id, text, is_error, cached },
            ("reasoning", _) => Part::Reasoning { text, signature, redacted },
            (other, _) => return Err(mistake(format!("{other:?} is no kind of part, or empty"))),
        })
    }
}

impl ToolFields {
    fn tool(self) -> engine::Tool {
        let Self { name, description, parameters } = self;
        engine::Tool { name, description, parameters }
    }
}

impl SamplingFields {
    fn sampling(self) -> engine::Sampling {
        let Self { temperature, top_p, presence_penalty, frequency_penalty, seed, stop } = self;
        engine::Sampling { temperature, top_p, presence_penalty, frequency_penalty, seed, stop }
    }
}

pub(crate) fn wire_named(name: &str) -> PyResult<Wire> {
    match name {
        "openai_chat" => Ok(Wire::Chat),
        "anthropic_messages" => Ok(Wire::Messages),
        other => Err(mistake(format!("{other} is no wire"))),
    }
}

fn tool_choice_named(choice: &str, name: String) -> PyResult<ToolChoice> {
    match choice {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        "named" => Ok(ToolChoice::Named(name)),
        other => Err(mistake(format!("{other:?} is no choice of tools"))),
    }
}

fn format_named(format: &str, name: String, schema: String) -> PyResult<Format> {
    match format {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        // Sent, it would allow any JSON, and the caller would take the answer for one that was held
        // to a schema.
        "json_schema" if schema.is_empty() => Err(mistake("the format json_schema has no schema")),
        "json_schema" => Ok(Format::JsonSchema { name, schema }),
        other => Err(mistake(format!("{other:?} is no format"))),
    }
}

fn effort_named(effort: &str) -> PyResult<Option<Effort>> {
    match effort {
        // Nobody asked: the model's own default stands, which need be none of the three.
        "" => Ok(None),
        "low" => Ok(Some(Effort::Low)),
        "medium" => Ok(Some(Effort::Medium)),
        "high" => Ok(Some(Effort::High)),
        other => Err(mistake(format!("{other:?} is no effort"))),
    }
}
