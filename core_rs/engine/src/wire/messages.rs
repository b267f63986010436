//! Messages: what the events of one answer add up to.

use serde::Deserialize;

use super::content::Content;
use super::error::{fault_of, reason_of};
use super::json::{Raw, read, says_something, string, word};
use super::sse::SseEvent;
use super::tools::Fragment;
use super::usage::{MessagesUsage, Usage, Written};
use super::{Event, Fault, Stop};

/// One answer on its way.
#[derive(Debug, Default)]
pub(super) struct MessagesAnswer {
    pub(super) model: String,
    pub(super) done: bool,
    begun: bool,
    stop: Option<String>,
    pub(super) content: Content,
    usage: MessagesUsage,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
    #[serde(borrow)]
    index: Option<Raw<'a>>,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    content_block: Option<Raw<'a>>,
    #[serde(borrow)]
    delta: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
    #[serde(borrow)]
    model: Option<Raw<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
    #[serde(borrow)]
    id: Option<Raw<'a>>,
    #[serde(borrow)]
    name: Option<Raw<'a>>,
    #[serde(borrow)]
    text: Option<Raw<'a>>,
    #[serde(borrow)]
    thinking: Option<Raw<'a>>,
    #[serde(borrow)]
    signature: Option<Raw<'a>>,
    #[serde(borrow)]
    data: Option<Raw<'a>>,
    #[serde(borrow)]
    partial_json: Option<Raw<'a>>,
    #[serde(borrow)]
    input: Option<Raw<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Raw<'a>>,
}

impl MessagesAnswer {
    pub(super) fn new(content: Content) -> Self {
        Self { content, ..Self::default() }
    }

    /// What one event brings. Unknown types are passed over, as the API asks its clients to.
    pub(super) fn read(&mut self, event: &SseEvent, out: &mut Vec<Event>) -> Result<(), Fault> {
        let data = event.data.trim();
        if data.is_empty() || data == "null" {
            return Ok(());
        }
        let raw: Raw<'_> =
            serde_json::from_str(data).map_err(|_| Fault::malformed("an event is not JSON"))?;
        let said: Said<'_> =
            read(Some(raw)).ok_or_else(|| Fault::malformed("an event is not a JSON object"))?;
        match word(said.r#type).as_deref().unwrap_or(&event.name) {
            "message_start" => self.start(said.message),
            "content_block_start" => {
                // Some servers give all blocks the same index, so what tells them apart is that
                // another one starts.
                self.content.begin_block(out);
                self.block(said.content_block, read(said.index), out)?;
            }
            "content_block_delta" => self.block(said.delta, read(said.index), out)?,
            "message_delta" => {
                self.usage.tell(said.usage, true);
                let stop = read::<Block<'_>>(said.delta).and_then(|delta| delta.stop_reason);
                // A later delta may tell of usage alone, and takes back no reason.
                self.stop = reason_of(stop)?.or(self.stop.take());
            }
            "message_stop" => self.end(out)?,
            // Once an answer has begun, something may have been generated and is charged.
            "error" => return Err(fault_of(raw, !self.begun)),
            _ if says_something(said.error) => return Err(fault_of(raw, !self.begun)),
            _ => {}
        }
        Ok(())
    }

    /// A whole answer that came in JSON and not as a stream.
    pub(super) fn read_whole(&mut self, body: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let message: Message<'_> =
            read(Some(body)).ok_or_else(|| Fault::malformed("an answer is not a JSON object"))?;
        if word(message.r#type).as_deref() == Some("error") || says_something(message.error) {
            // In the place of an answer, so no model has begun one.
            return Err(fault_of(body, true));
        }
        if message.content.is_none() {
            return Err(Fault::not_an_answer("the answer is JSON of another kind"));
        }
        // The whole answer is built like the message that a stream starts with.
        self.start(Some(body));
        self.usage.tell(message.usage, true);
        let blocks = read::<Vec<Option<Raw<'_>>>>(message.content).unwrap_or_default();
        for (index, block) in (0..).zip(blocks) {
            self.content.begin_block(out);
            self.block(block, Some(index), out)?;
        }
        self.stop = reason_of(message.stop_reason)?;
        self.end(out)
    }

    /// What is told of its tokens so far.
    pub(super) fn usage(&self) -> Usage {
        let is_capped = self.stop() == Stop::Length;
        self.usage.judged(Written { bytes: self.content.written_bytes(), is_capped })
    }

    pub(super) fn stop(&self) -> Stop {
        match self.stop.as_deref() {
            Some("end_turn" | "stop_sequence") => Stop::End,
            Some("max_tokens" | "model_context_window_exceeded") => Stop::Length,
            Some("refusal") => Stop::Refusal,
            Some("tool_use") => Stop::ToolCalls,
            Some("pause_turn") => Stop::Pause,
            _ => Stop::Other,
        }
    }

    fn start(&mut self, message: Option<Raw<'_>>) {
        self.begun = true;
        let Some(message) = read::<Message<'_>>(message) else { return };
        self.usage.tell(message.usage, false);
        if let Some(model) = word(message.model).filter(|model| !model.is_empty()) {
            // As on the other wire: its length is not the provider's to decide.
            self.model = model.chars().take(128).collect();
        }
    }

    /// The start of a content block, or a piece of one: they name their parts alike.
    fn block(
        &mut self,
        raw: Option<Raw<'_>>,
        index: Option<u64>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        self.begun = true;
        let Some(block) = read::<Block<'_>>(raw) else { return Ok(()) };
        let kind = word(block.r#type).unwrap_or_default();
        self.content.say(string(block.text), index, out);
        self.content.think(string(block.thinking), index, out);
        let redacted = block.data.filter(|_| kind == "redacted_thinking");
        self.content.prove(string(block.signature), string(redacted), index, out)?;
        // What a provider runs by itself, and what it then found, passed by everybody who governs.
        let is_call = kind == "tool_use";
        // By their ends, for each such tool has a kind of its own, and there will be more.
        let is_foreign = !is_call && (kind.ends_with("tool_use") || kind.ends_with("tool_result"));
        if is_foreign || is_call || kind == "input_json_delta" {
            // A streamed call starts with an empty `input`, which is no part of what its pieces
            // make.
            let whole = block.input.filter(|input| says_something(Some(input)));
            let piece = string(block.partial_json).map(|bytes| bytes.0);
            self.content.call(Fragment {
                id: word(block.id).unwrap_or_default(),
                index,
                name: word(block.name).unwrap_or(if is_foreign { kind } else { String::new() }),
                arguments: piece
                    .or_else(|| whole.map(|raw| raw.get().as_bytes().to_vec()))
                    .unwrap_or_default(),
                is_foreign,
            })?;
        }
        self.content.bounded()
    }

    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        // The terminator alone proves nothing: one that ends what has no reason to end was sent too
        // early.
        if self.stop.is_none() {
            return Err(Fault::truncated());
        }
        self.content.end(self.stop(), out)?;
        self.done = true;
        Ok(())
    }
}
