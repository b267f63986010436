//! What a decoder makes of a body, in pieces of any size.

use chenu_engine::wire::{Declared, Decoder, Event, Fault, Stop, Usage};

/// Everything that an answer said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Part, kind and text; neighbouring pieces of a part as one.
    pub(crate) parts: Vec<(u32, &'static str, String)>,
    /// Part, signature and hidden thoughts.
    pub(crate) proofs: Vec<(u32, String, String)>,
    pub(crate) calls: Vec<(String, String)>,
    /// Part and id of each call.
    pub(crate) ids: Vec<(u32, String)>,
    pub(crate) json: Option<String>,
    pub(crate) fault: Option<Fault>,
    pub(crate) done: bool,
    pub(crate) usage: Usage,
    pub(crate) stop: Option<Stop>,
}

/// The schema of the arguments of the tool that every test declares, and the tool.
pub(crate) const CITY: &str = r#"{"type":"object","properties":{"city":{"type":"string"}}}"#;

pub(crate) fn get_weather() -> Declared {
    Declared { name: "get_weather".to_owned(), parameters: CITY.to_owned() }
}

/// What a decoder makes of the body in pieces of these sizes.
pub(crate) fn heard(mut decoder: Decoder, body: &[u8], sizes: &[usize]) -> Said {
    let mut said = Said::default();
    let mut rest = body;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        let fed = decoder.feed(piece);
        take(&mut said, fed.events, fed.fault);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let fed = decoder.end();
    take(&mut said, fed.events, fed.fault);
    said.done = decoder.is_done();
    said.usage = decoder.usage();
    said.stop = Some(decoder.stop());
    said.json = decoder.json().map(str::to_owned);
    said
}

fn take(said: &mut Said, events: Vec<Event>, fault: Option<Fault>) {
    for event in events {
        match event {
            Event::Text { part, text } => {
                said.text += &text;
                said.piece(part, "text", &text);
            }
            Event::Reasoning { part, text } => {
                said.reasoning += &text;
                said.piece(part, "reasoning", &text);
            }
            Event::Proof { part, signature, redacted } => {
                said.proofs.push((part, signature, redacted));
            }
            Event::Call { part, id, name, arguments } => {
                said.ids.push((part, id));
                said.calls.push((name, arguments));
            }
        }
    }
    said.fault = said.fault.take().or(fault);
}

impl Said {
    fn piece(&mut self, part: u32, kind: &'static str, text: &str) {
        assert!(!text.is_empty(), "a piece that says nothing");
        match self.parts.last_mut() {
            Some(last) if (last.0, last.1) == (part, kind) => last.2 += text,
            _ => self.parts.push((part, kind, text.to_owned())),
        }
    }

    /// Kind and problem of the fault, if there is one.
    pub(crate) fn wrong(&self) -> Option<(&str, &str)> {
        self.fault.as_ref().map(|fault| (&*fault.kind, &*fault.problem))
    }
}
