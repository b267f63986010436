//! Binding of [`chenu_engine::wire`], and of what is read by it.

use chenu_engine::wire::{self as engine, Declared, Event, Expected};
use chenu_upstream::{End, Failure, Form, News};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use crate::classes::result_class;
use crate::convert::mistake;
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
    /// What is known of an answer, at any time.
    AnswerTold from decoder: &engine::Decoder {
        usage: AnswerUsage = decoder.usage().into(),
        stop_reason: &'static str = decoder.stop().wire_name(),
        model: String = decoder.model().to_owned(),
        json: Option<String> = decoder.json().map(str::to_owned),
    }
}

result_class! {
    /// What a piece of an answer brought.
    AnswerPiece from piece: Piece {
        parts: Vec<(u32, &'static str, String)> = piece.parts,
        calls: Vec<(u32, String, String, String)> = piece.calls,
        proofs: Vec<(u32, String, String)> = piece.proofs,
        end: Option<&'static str> = piece.end,
        fault: Option<AnswerFault> = piece.fault.map(Into::into),
    }
}

/// What has come, by kind.
#[derive(Default)]
pub(crate) struct Piece {
    parts: Vec<(u32, &'static str, String)>,
    calls: Vec<(u32, String, String, String)>,
    proofs: Vec<(u32, String, String)>,
    end: Option<&'static str>,
    fault: Option<engine::Fault>,
}

impl From<News> for Piece {
    fn from(news: News) -> Self {
        let mut piece = Self { end: news.end.as_ref().map(word_of), ..Self::default() };
        // Of all ways to fail only this one has more to say than its word.
        if let Some(Err(Failure::Fault(fault))) = news.end {
            piece.fault = Some(fault);
        }
        // Sorted by kind without loss: texts and thoughts stay in one order, and calls and proofs
        // come only once the answer has ended.
        news.events.into_iter().for_each(|event| piece.add(event));
        piece
    }
}

impl Piece {
    fn add(&mut self, event: Event) {
        match event {
            Event::Text { part, text } => self.parts.push((part, "text", text)),
            Event::Reasoning { part, text } => self.parts.push((part, "reasoning", text)),
            Event::Call { part, id, name, arguments } => {
                self.calls.push((part, id, name, arguments));
            }
            Event::Proof { part, signature, redacted } => {
                self.proofs.push((part, signature, redacted));
            }
        }
    }
}

fn word_of(end: &End) -> &'static str {
    end.as_ref().map_or_else(Failure::wire_name, |()| "whole")
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

/// What an answer is read by.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct AnswerForm(pub(crate) Form);

#[pymethods]
impl AnswerForm {
    #[new]
    #[pyo3(signature = (wire, *, declared, format, schema, ends_without_terminator))]
    fn new(
        wire: &str,
        declared: Vec<(String, String)>,
        format: &str,
        schema: String,
        ends_without_terminator: bool,
    ) -> PyResult<Self> {
        let (wire, expected, declared) =
            (wire_named(wire)?, expected(format, schema)?, tools(declared));
        Ok(Self(Form { wire, declared, expected, ends_without_terminator }))
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
