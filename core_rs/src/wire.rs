//! Binding of [`chenu_engine::wire`].

use std::sync::Mutex;

use chenu_engine::wire::{self as engine, Declared, Event, Expected};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::classes::result_class;
use crate::convert::{locked, mistake};
use crate::prompt::wire_named;

result_class! {
    /// Tokens that an answer has told of so far.
    AnswerUsage from usage: engine::Usage {
        input_tokens: u64 = usage.input_tokens,
        output_tokens: u64 = usage.output_tokens,
        cache_read_tokens: u64 = usage.cache_read_tokens,
        cache_write_tokens: u64 = usage.cache_write_tokens,
        cache_write_hour_tokens: u64 = usage.cache_write_hour_tokens,
        exact: bool = usage.exact,
    }
}

result_class! {
    /// Why an answer is none.
    AnswerFault from fault: engine::Fault {
        kind: String = fault.kind,
        problem: String = fault.problem,
        subject: String = fault.subject,
        detail: String = fault.detail,
        blame: &'static str = fault.blame.wire_name(),
        nothing_generated: bool = fault.nothing_generated,
        is_whole: bool = fault.is_whole,
    }
}

result_class! {
    /// What an answer other than 200 means.
    Refusal from refusal: engine::Refusal {
        kind: &'static str = refusal.kind,
        blame: &'static str = refusal.blame.wire_name(),
    }
}

result_class! {
    /// What a piece of an answer brought.
    AnswerPiece from piece: Piece {
        parts: Vec<(u32, &'static str, String)> = piece.parts,
        calls: Vec<(u32, String, String, String)> = piece.calls,
        proofs: Vec<(u32, String, String)> = piece.proofs,
        fault: Option<AnswerFault> = piece.fault.map(Into::into),
    }
}

/// What was fed, by kind.
#[derive(Default)]
struct Piece {
    parts: Vec<(u32, &'static str, String)>,
    calls: Vec<(u32, String, String, String)>,
    proofs: Vec<(u32, String, String)>,
    fault: Option<engine::Fault>,
}

impl From<engine::Fed> for Piece {
    fn from(fed: engine::Fed) -> Self {
        let mut piece = Self { fault: fed.fault, ..Self::default() };
        fed.events.into_iter().for_each(|event| piece.add(event));
        piece
    }
}

impl Piece {
    fn add(&mut self, event: Event) {
        match event {
            Event::Text { part, text } => self.say(part, "text", text),
            Event::Reasoning { part, text } => self.say(part, "reasoning", text),
            Event::Call { part, id, name, arguments } => {
                self.calls.push((part, id, name, arguments));
            }
            Event::Proof { part, signature, redacted } => {
                self.proofs.push((part, signature, redacted));
            }
        }
    }

    fn say(&mut self, part: u32, kind: &'static str, text: String) {
        // One tuple for each part and not for each event: every one is an object of Python, and its
        // reader joins them anyway.
        match self.parts.last_mut() {
            Some((last, _, said)) if *last == part => said.push_str(&text),
            _ => self.parts.push((part, kind, text)),
        }
    }
}

fn expected(format: &str, schema: String) -> PyResult<Expected> {
    match format {
        "text" => Ok(Expected::Text),
        "json" => Ok(Expected::Json),
        "json_schema" => Ok(Expected::JsonSchema(schema)),
        other => Err(mistake(format!("{other} is no format"))),
    }
}

fn tools(declared: Vec<(String, String)>) -> Vec<Declared> {
    let declared = declared.into_iter();
    declared.map(|(name, parameters)| Declared { name, parameters }).collect()
}

/// Reads the body of a 200 answer, in whatever pieces it arrives. Thread-safe.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct AnswerDecoder(Mutex<engine::Decoder>);

#[pymethods]
impl AnswerDecoder {
    #[new]
    #[pyo3(signature = (wire, *, declared, format, schema, is_stream, ends_without_terminator))]
    fn new(
        wire: &str,
        declared: Vec<(String, String)>,
        format: &str,
        schema: String,
        is_stream: bool,
        ends_without_terminator: bool,
    ) -> PyResult<Self> {
        let (wire, format, tools) = (wire_named(wire)?, expected(format, schema)?, tools(declared));
        let decoder = engine::Decoder::new(wire, tools, format, is_stream, ends_without_terminator);
        Ok(Self(Mutex::new(decoder)))
    }

    /// The next piece of the body.
    fn feed(&self, body: &[u8]) -> AnswerPiece {
        Piece::from(locked(&self.0).feed(body)).into()
    }

    /// The body has ended cleanly.
    fn end(&self) -> AnswerPiece {
        Piece::from(locked(&self.0).end()).into()
    }

    /// Whether the answer is whole.
    #[getter]
    fn done(&self) -> bool {
        locked(&self.0).is_done()
    }

    /// What is known of its tokens, at any time.
    #[getter]
    fn usage(&self) -> AnswerUsage {
        locked(&self.0).usage().into()
    }

    /// Why the model stopped.
    #[getter]
    fn stop_reason(&self) -> &'static str {
        locked(&self.0).stop().wire_name()
    }

    /// The model as the provider names it, empty if it did not.
    #[getter]
    fn model(&self) -> String {
        locked(&self.0).model().to_owned()
    }

    /// The JSON that was asked for, once the answer has ended with it.
    #[getter]
    fn json(&self) -> Option<String> {
        locked(&self.0).json().map(str::to_owned)
    }
}

/// Which of a request's JSON schemas is not usable and why; `None` when all are.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "a sequence from Python is collected anew")]
pub(crate) fn check_schemas(schemas: Vec<PyBackedStr>) -> Option<(usize, String)> {
    let schemas: Vec<&str> = schemas.iter().map(|schema| &**schema).collect();
    engine::check_schemas(&schemas).err()
}

/// Whether a text is one JSON object, as strictly as a model's own arguments are read.
#[pyfunction]
pub(crate) fn is_json_object(text: &str) -> bool {
    engine::is_json_object(text)
}

/// What a status other than 200 and its body mean.
#[pyfunction]
pub(crate) fn refusal_of(status: u16, body: &[u8]) -> Refusal {
    engine::refusal_of(status, body).into()
}

/// The JSON that a text is, without white space or a markdown fence around it.
#[pyfunction]
pub(crate) fn unfenced(text: &str) -> &str {
    engine::unfenced(text)
}
