//! Binding of [`chenu_engine::wire`].

use std::sync::Mutex;

use chenu_engine::wire::{self as engine, Event, Wire};
use pyo3::prelude::*;

use crate::classes::result_class;
use crate::convert::{locked, mistake};

result_class! {
    /// Tokens that an answer has told of so far.
    AnswerUsage from usage: engine::Usage {
        input_tokens: u64 = usage.input_tokens,
        output_tokens: u64 = usage.output_tokens,
        cache_read_tokens: u64 = usage.cache_read_tokens,
        cache_write_tokens: u64 = usage.cache_write_tokens,
        exact: bool = usage.exact,
    }
}

result_class! {
    /// Why an answer is none.
    AnswerFault from fault: engine::Fault {
        kind: String = fault.kind,
        detail: String = fault.detail,
        blame: &'static str = fault.blame.wire_name(),
        nothing_generated: bool = fault.nothing_generated,
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
    AnswerPiece from fed: engine::Fed {
        text: String = joined(&fed.events, |event| match event {
            Event::Text(text) => Some(text),
            _ => None,
        }),
        reasoning: String = joined(&fed.events, |event| match event {
            Event::Reasoning(text) => Some(text),
            _ => None,
        }),
        calls: Vec<(String, String, String)> = calls(&fed.events),
        fault: Option<AnswerFault> = fed.fault.map(Into::into),
    }
}

fn joined<'a>(events: &'a [Event], of: impl Fn(&'a Event) -> Option<&'a String>) -> String {
    events.iter().filter_map(of).map(String::as_str).collect()
}

fn calls(events: &[Event]) -> Vec<(String, String, String)> {
    let whole = events.iter().filter_map(|event| match event {
        Event::Call { id, name, arguments } => Some((id, name, arguments)),
        _ => None,
    });
    whole.map(|(id, name, arguments)| (id.clone(), name.clone(), arguments.clone())).collect()
}

/// Reads the body of a 200 answer, in whatever pieces it arrives. Thread-safe.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct AnswerDecoder(Mutex<engine::Decoder>);

#[pymethods]
impl AnswerDecoder {
    #[new]
    #[pyo3(signature = (wire, *, declared, is_stream, ends_without_terminator))]
    fn new(
        wire: &str,
        declared: Vec<String>,
        is_stream: bool,
        ends_without_terminator: bool,
    ) -> PyResult<Self> {
        let wire = match wire {
            "openai_chat" => Wire::Chat,
            "anthropic_messages" => Wire::Messages,
            other => return Err(mistake(format!("{other} is no wire"))),
        };
        let decoder = engine::Decoder::new(wire, declared, is_stream, ends_without_terminator);
        Ok(Self(Mutex::new(decoder)))
    }

    /// The next piece of the body.
    fn feed(&self, body: &[u8]) -> AnswerPiece {
        locked(&self.0).feed(body).into()
    }

    /// The body has ended cleanly.
    fn end(&self) -> AnswerPiece {
        locked(&self.0).end().into()
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
}

/// What a status other than 200 and its body mean.
#[pyfunction]
pub(crate) fn refusal_of(status: u16, body: &[u8]) -> Refusal {
    engine::refusal_of(status, body).into()
}
