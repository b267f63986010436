//! What is made of an answer's body as it comes.

use chenu_engine::wire::{Declared, Decoder, Event, Expected, Fault, Hearing, Usage, Wire};

/// What a provider is asked to answer in, by which its answer is read.
#[derive(Debug, Clone)]
pub struct Form {
    /// How it is spoken to.
    pub wire: Wire,
    /// The tools that may be called.
    pub declared: Vec<Declared>,
    /// What the text must be.
    pub expected: Expected,
    /// Its streams just end.
    pub ends_without_terminator: bool,
}

/// An answer of status 200, as far as it has come.
pub(crate) struct Reading {
    pub(crate) decoder: Decoder,
    hearing: Hearing,
    pub(crate) events: Vec<Event>,
}

impl Reading {
    pub(crate) fn new(form: Form, is_stream: bool) -> Self {
        let Form { wire, declared, expected, ends_without_terminator } = form;
        let decoder = Decoder::new(wire, declared, expected, is_stream, ends_without_terminator);
        Self { decoder, hearing: Hearing::new(is_stream), events: Vec::new() }
    }

    /// Takes the next piece; none: the body has ended. Whether it says something.
    pub(crate) fn feed(&mut self, piece: Option<&[u8]>) -> Result<bool, Fault> {
        let fed = match piece {
            Some(piece) => self.decoder.feed(piece),
            None => self.decoder.end(),
        };
        // Asked of what came now: joined with what still waits, it could not be told apart.
        let brought = fed.events.iter().any(is_text);
        for event in fed.events {
            self.add(event);
        }
        match fed.fault {
            // What came before the fault is kept: it was said, and may be billed.
            Some(fault) => Err(fault),
            None => Ok(self.hearing.hears(piece.unwrap_or_default(), self.usage(), brought)),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.decoder.usage()
    }

    /// Pieces of one part become one: each that is handed over costs its reader something.
    fn add(&mut self, event: Event) {
        let merged = match (self.events.last_mut(), &event) {
            (Some(Event::Text { part: last, text: said }), Event::Text { part, text })
            | (
                Some(Event::Reasoning { part: last, text: said }),
                Event::Reasoning { part, text },
            ) if last == part => {
                said.push_str(text);
                true
            }
            _ => false,
        };
        if !merged {
            self.events.push(event);
        }
    }
}

fn is_text(event: &Event) -> bool {
    matches!(event, Event::Text { .. } | Event::Reasoning { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_part_wait_for_their_reader_as_one() {
        let form = Form {
            wire: Wire::Chat,
            declared: Vec::new(),
            expected: Expected::Text,
            ends_without_terminator: false,
        };
        let mut reading = Reading::new(form, true);
        for (field, text) in
            [("reasoning", "a"), ("reasoning", "b"), ("content", "c"), ("content", "d")]
        {
            let event =
                format!("data: {{\"choices\":[{{\"delta\":{{\"{field}\":\"{text}\"}}}}]}}\n\n");
            assert_eq!(Ok(true), reading.feed(Some(event.as_bytes())));
        }

        let thought = Event::Reasoning { part: 0, text: "ab".to_owned() };
        let said = Event::Text { part: 1, text: "cd".to_owned() };
        assert_eq!(vec![thought, said], reading.events);
    }
}
