//! What an answer holds, whichever wire brought it: parts of text and thoughts, and calls.

use super::expected::{Expected, Output};
use super::json::Wtf8;
use super::proofs::Proofs;
use super::text::Joiner;
use super::tools::{Declared, Drafts, Fragment};
use super::{Event, Fault, Stop};

/// The most parts of an answer: each is a row and an event of its own, written in one unit.
pub const PARTS_MAX: u32 = 1_024;
/// So much work may the checks of one answer's JSON be: some tenths of a second.
const STEPS_MAX: u64 = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
}

/// The part that is being written.
#[derive(Debug)]
struct Open {
    part: u32,
    kind: Kind,
    block: Option<u64>,
    joiner: Joiner,
}

/// One answer's content on its way.
#[derive(Debug, Default)]
pub(super) struct Content {
    declared: Vec<Declared>,
    output: Output,
    open: Option<Open>,
    parts: u32,
    tools: Drafts,
    proofs: Proofs,
    written_bytes: u64,
}

impl Content {
    pub(super) fn new(declared: Vec<Declared>, expected: Expected) -> Self {
        Self { declared, output: Output::new(expected), ..Self::default() }
    }

    /// Text for the caller, if it is any. `block` is the content block that it stands in.
    pub(super) fn say(&mut self, text: Option<Wtf8>, block: Option<u64>, out: &mut Vec<Event>) {
        self.write(Kind::Text, text, block, out);
    }

    /// What the model thinks aloud, if it does.
    pub(super) fn think(&mut self, text: Option<Wtf8>, block: Option<u64>, out: &mut Vec<Event>) {
        self.write(Kind::Reasoning, text, block, out);
    }

    /// What the provider signs of a thought, or sends of it for its own eyes.
    pub(super) fn prove(
        &mut self,
        signature: Option<Wtf8>,
        redacted: Option<Wtf8>,
        block: Option<u64>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let [signature, redacted] = [signature, redacted].map(|it| it.unwrap_or_default().0);
        if signature.is_empty() && redacted.is_empty() {
            return Ok(());
        }
        self.written_bytes += 1; // there was a thought, whatever its length
        let part = self.part(Kind::Reasoning, block, out).part;
        self.proofs.add(part, &signature, &redacted)
    }

    /// A piece of a call; one without arguments was written too.
    pub(super) fn call(&mut self, fragment: Fragment) -> Result<(), Fault> {
        // A call was written by the model, also one without arguments.
        self.written_bytes += 1 + fragment.arguments.len() as u64;
        self.tools.add(fragment)
    }

    /// What follows stands in another content block.
    pub(super) fn begin_block(&mut self, out: &mut Vec<Event>) {
        self.close(out);
    }

    /// Whether it is in more pieces than may be; what is beyond them is told to nobody.
    pub(super) fn bounded(&self) -> Result<(), Fault> {
        if self.parts > PARTS_MAX {
            return Err(Fault::malformed(format!("the answer has more than {PARTS_MAX} parts")));
        }
        Ok(())
    }

    /// How much of it a model wrote.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// The JSON that was asked for, once the answer has ended with it.
    pub(super) fn json(&self) -> Option<&str> {
        self.output.json()
    }

    /// The terminator has come: what was held back, and the calls, which are whole or none.
    pub(super) fn end(&mut self, stop: Stop, out: &mut Vec<Event>) -> Result<(), Fault> {
        self.close(out);
        out.extend(self.proofs.events());
        // One budget of work for the whole answer, or a hundred calls could take a hundred times as
        // long.
        let mut steps = STEPS_MAX;
        // An answer with calls is held to no format: its text stands beside them.
        if self.tools.is_empty() {
            return self.output.end(stop, &mut steps);
        }
        // Some providers end with a plain `stop` behind their calls; any other reason leaves open
        // what else would have been called.
        let cut = !matches!(stop, Stop::ToolCalls | Stop::End);
        for (part, call) in (self.parts..).zip(self.tools.calls(&self.declared, cut, &mut steps)?) {
            let [id, name, arguments] = [call.id, call.name, call.arguments];
            out.push(Event::Call { part, id, name, arguments });
        }
        Ok(())
    }

    fn write(&mut self, kind: Kind, text: Option<Wtf8>, block: Option<u64>, out: &mut Vec<Event>) {
        let Some(Wtf8(bytes)) = text.filter(|it| !it.0.is_empty()) else { return };
        // Before it is joined: what a half is held back for was written all the same.
        self.written_bytes += bytes.len() as u64;
        let open = self.part(kind, block, out);
        let (part, text) = (open.part, open.joiner.join(&bytes));
        self.tell(part, kind, text, out);
    }

    /// The part that a piece belongs to: the one that is open, or else a new one.
    fn part(&mut self, kind: Kind, block: Option<u64>, out: &mut Vec<Event>) -> &mut Open {
        let is_same = self.open.as_ref().is_some_and(|open| {
            // Chat Completions knows no blocks: there only another kind begins another part.
            let is_other_block = block.is_some() && open.block.is_some() && block != open.block;
            open.kind == kind && !is_other_block
        });
        if !is_same {
            self.close(out);
        }
        let parts = &mut self.parts;
        self.open.get_or_insert_with(|| {
            let part = *parts;
            *parts += 1;
            Open { part, kind, block, joiner: Joiner::default() }
        })
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some(mut open) = self.open.take() {
            self.tell(open.part, open.kind, open.joiner.end().to_owned(), out);
        }
    }

    fn tell(&mut self, part: u32, kind: Kind, text: String, out: &mut Vec<Event>) {
        // A part too many is told to nobody: `bounded` is about to refuse the whole answer.
        if text.is_empty() || part >= PARTS_MAX {
            return;
        }
        out.push(match kind {
            Kind::Text => {
                self.output.add(&text);
                Event::Text { part, text }
            }
            Kind::Reasoning => Event::Reasoning { part, text },
        });
    }
}
