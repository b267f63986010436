//! `chenu.api.pipeline.v1.Answer`, behind the query that it answers.

use super::message::Message;
use super::query::{Query, Recorded};
use crate::vocabulary::PartKind;
use crate::wire::{Stop, unfenced};

/// A piece of an answer, as it can be given back.
#[derive(Debug)]
pub struct Part<'a> {
    /// What it is: a text, a call or a thought.
    pub kind: PartKind,
    /// The text, a call's arguments as JSON, a thought.
    pub text: &'a str,
    /// The tool that is called.
    pub name: &'a str,
    /// How the provider names the call.
    pub call_id: &'a str,
    /// What proves a thought.
    pub signature: &'a str,
    /// A thought that the provider keeps to itself.
    pub redacted: &'a str,
}

/// A query that has come to an answer, and this: fields 1 and 2 of `QueryResponse`,
/// `GetQueryResponse` and `PipelineComplete` alike.
///
/// `parts` are all that was said; without them the answer has none, and says nothing of them, for
/// they are told elsewhere. What does not fit in `bytes_max` is left out as a whole, never cut.
#[must_use]
pub fn answered(query: &Query<'_>, parts: Option<&[Part<'_>]>, bytes_max: usize) -> Vec<u8> {
    let mut out = query.begun();
    let Some(recorded) = &query.recorded else { return out.into_bytes() };
    let start = out.len();
    let Some(parts) = parts else {
        out.message(2, |answer| recorded.write_answer(answer));
        return out.into_bytes();
    };
    // Asked first: what is too long by its texts alone is not written only to be taken back.
    if usize::try_from(recorded.output_length).is_ok_and(|length| length <= bytes_max) {
        out.message(2, |answer| {
            recorded.write_answer(answer);
            recorded.write_output(parts, answer);
        });
        // And asked of what was written: names, ids and proofs are in no length, and stand in
        // the message.
        if out.len() <= bytes_max {
            return out.into_bytes();
        }
        out.truncate(start);
    }
    out.message(2, |answer| {
        recorded.write_answer(answer);
        answer.number(8, 1);
    });
    out.into_bytes()
}

impl Recorded<'_> {
    /// All of the answer but what was said.
    fn write_answer(&self, out: &mut Message) {
        out.text(2, self.provider);
        out.text(3, self.model);
        out.number(4, self.stop_reason.number());
        out.message(5, |usage| self.usage.write(usage));
        out.number(6, self.cost_nanousd);
        out.number(7, self.output_cap);
        for (part, each) in (0_i64..).zip(&self.output_parts) {
            if let Some(call) = &each.call {
                out.message(11, |message| call.write(part, each.name, message));
            }
        }
    }

    fn write_output(&self, parts: &[Part<'_>], out: &mut Message) {
        let texts = parts.iter().filter(|part| part.kind == PartKind::Text);
        let text: String = texts.map(|part| part.text).collect();
        out.text(1, &text);
        // One text is told by the field above: told twice, it would halve what fits in a message.
        if !matches!(parts, [part] if part.kind == PartKind::Text) {
            for part in parts {
                out.message(9, |message| part.write(message));
            }
        }
        if self.output_format == "json" && self.has_value(parts) {
            out.text(10, unfenced(&text));
        }
    }

    /// Whether the text was held to what was asked for: a refusal is not, nor one with calls.
    fn has_value(&self, parts: &[Part<'_>]) -> bool {
        let has_calls = parts.iter().any(|part| part.kind == PartKind::ToolCall);
        self.stop_reason != Stop::Refusal && !has_calls
    }
}

impl Part<'_> {
    fn write(&self, out: &mut Message) {
        match self.kind {
            // Also an empty text is there, or the `oneof` would say that the part is of no kind.
            PartKind::Text => out.present(1, self.text.as_bytes()),
            PartKind::ToolCall => out.message(2, |call| {
                call.text(1, self.call_id);
                call.text(2, self.name);
                call.text(3, self.text);
            }),
            _ => out.message(4, |thought| {
                thought.text(1, self.text);
                thought.text(2, self.signature);
                thought.text(3, self.redacted);
            }),
        }
    }
}
