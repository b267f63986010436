//! What an answer holds, whichever wire brought it: text, thoughts and calls.

use super::json::Wtf8;
use super::text::Joiner;
use super::tools::{Drafts, Fragment};
use super::{Event, Fault, Stop};

/// One answer's content on its way.
#[derive(Debug, Default)]
pub(super) struct Content {
    text: Joiner,
    reasoning: Joiner,
    tools: Drafts,
    written_bytes: u64,
}

impl Content {
    /// Text for the caller, if it is any.
    pub(super) fn say(&mut self, text: Option<Wtf8>, out: &mut Vec<Event>) {
        let Some(Wtf8(bytes)) = text else { return };
        self.written_bytes += bytes.len() as u64;
        let text = self.text.join(&bytes);
        if !text.is_empty() {
            out.push(Event::Text(text));
        }
    }

    /// What the model thinks aloud, if it does.
    pub(super) fn think(&mut self, text: Option<Wtf8>, out: &mut Vec<Event>) {
        let Some(Wtf8(bytes)) = text else { return };
        self.written_bytes += bytes.len() as u64;
        let text = self.reasoning.join(&bytes);
        if !text.is_empty() {
            out.push(Event::Reasoning(text));
        }
    }

    /// A piece of a call; one without arguments was written too.
    pub(super) fn call(&mut self, fragment: Fragment) -> Result<(), Fault> {
        self.written_bytes += 1 + fragment.arguments.len() as u64;
        self.tools.add(fragment)
    }

    /// How much of it a model wrote.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// The terminator has come: what was held back, and the calls, which are whole or none.
    pub(super) fn end(
        &mut self,
        stop: Stop,
        declared: &[String],
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let left = self.text.end();
        if !left.is_empty() {
            out.push(Event::Text(left.to_owned()));
        }
        if !self.tools.is_empty() {
            let cut = !matches!(stop, Stop::ToolCalls | Stop::End);
            out.extend(self.tools.calls(declared, cut)?);
        }
        Ok(())
    }
}
