//! Chat Completions: what the chunks of one answer add up to.

use serde::Deserialize;

use super::content::Content;
use super::error::{fault_of, reason_of, told_by};
use super::json::{Raw, read, says_something, string, word};
use super::sse::SseEvent;
use super::tools::Fragment;
use super::usage::{ChatUsage, Usage, Written};
use super::{Event, Fault, Stop};

const DONE: &str = "[DONE]";

/// One answer on its way.
#[derive(Debug, Default)]
pub(super) struct ChatAnswer {
    pub(super) model: String,
    pub(super) done: bool,
    begun: bool,
    refused: bool,
    stop: Option<String>,
    pub(super) content: Content,
    usage: ChatUsage,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    error: Option<Raw<'a>>,
    #[serde(borrow)]
    model: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
    #[serde(borrow)]
    x_groq: Option<Raw<'a>>,
    #[serde(borrow)]
    choices: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    index: Option<Raw<'a>>,
    #[serde(borrow)]
    delta: Option<Raw<'a>>,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    refusal: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning: Option<Raw<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Raw<'a>>,
    #[serde(borrow)]
    function_call: Option<Raw<'a>>,
    #[serde(borrow)]
    executed_tools: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Raw<'a>>,
    #[serde(borrow)]
    thinking: Option<Raw<'a>>,
}

#[derive(Default, Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
    #[serde(borrow)]
    id: Option<Raw<'a>>,
    #[serde(borrow)]
    index: Option<Raw<'a>>,
    #[serde(borrow)]
    function: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Raw<'a>>,
    #[serde(borrow)]
    arguments: Option<Raw<'a>>,
}

impl ChatAnswer {
    pub(super) fn new(content: Content) -> Self {
        Self { content, ..Self::default() }
    }

    /// What one event brings.
    pub(super) fn read(&mut self, event: &SseEvent, out: &mut Vec<Event>) -> Result<(), Fault> {
        let data = event.data.trim();
        if data == DONE {
            return self.end(out);
        }
        // An event that says nothing is not one that is broken.
        if data.is_empty() || data == "null" {
            return Ok(());
        }
        let chunk: Raw<'_> =
            serde_json::from_str(data).map_err(|_| Fault::malformed("an event is not JSON"))?;
        if event.name == "error" {
            // Its name says that it is an error, so its object need not be called one.
            return Err(fault_of(chunk, !self.has_begun()));
        }
        self.chunk(chunk, out)
    }

    /// A whole answer that came in JSON and not as a stream.
    pub(super) fn read_whole(&mut self, body: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        self.chunk(body, out)?;
        if !self.begun {
            return Err(Fault::not_an_answer("the answer is JSON of another kind"));
        }
        self.end(out)
    }

    /// What is told of its tokens so far.
    pub(super) fn usage(&self) -> Usage {
        // Judged at each look, for counts and the reason to stop come in either order.
        let is_capped = self.stop() == Stop::Length;
        self.usage.judged(Written { bytes: self.content.written_bytes(), is_capped })
    }

    /// Whether a model may have begun to write, so that somebody may bill it.
    fn has_begun(&self) -> bool {
        self.begun || self.usage.is_begun()
    }

    pub(super) fn stop(&self) -> Stop {
        match self.stop.as_deref() {
            // A refusal that is told in a field of its own may end with a plain `stop`.
            Some(_) if self.refused => Stop::Refusal,
            Some("stop" | "eos" | "end_turn") => Stop::End,
            Some("length" | "max_tokens" | "model_length") => Stop::Length,
            Some("content_filter" | "refusal" | "safety") => Stop::Refusal,
            Some("tool_calls" | "function_call") => Stop::ToolCalls,
            _ => Stop::Other,
        }
    }

    fn chunk(&mut self, raw: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let chunk: Chunk<'_> =
            read(Some(raw)).ok_or_else(|| Fault::malformed("an event is not a JSON object"))?;
        // Usage first: it counts also where the same event brings the end.
        self.usage.tell(chunk.usage);
        // Groq tells a stream's usage here.
        self.usage.tell(read::<Chunk<'_>>(chunk.x_groq).and_then(|groq| groq.usage));
        if let Some(model) = word(chunk.model).filter(|model| !model.is_empty()) {
            // It goes into rows and log lines, whose length a provider must not decide.
            self.model = model.chars().take(128).collect();
        }
        let choices = read::<Vec<Option<Raw<'_>>>>(chunk.choices);
        self.begun |= choices.is_some();
        let read = choices.unwrap_or_default().into_iter().try_for_each(|it| self.choice(it, out));
        // Behind the text of the same event, which was written; before what else is wrong with it.
        if says_something(chunk.error) && told_by(raw).is_some() {
            return Err(fault_of(raw, !self.has_begun()));
        }
        read
    }

    fn choice(&mut self, raw: Option<Raw<'_>>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(choice) = read::<Choice<'_>>(raw) else {
            return Err(Fault::malformed("a choice is not an object"));
        };
        if read::<u64>(choice.index).unwrap_or(0) != 0 {
            return Ok(()); // one answer was asked for; another one's words must not be mixed in
        }
        // Some tell it here and not beside the choices.
        self.usage.tell(choice.usage);
        // A whole answer has a message where a stream has deltas.
        let delta = choice.delta.or(choice.message);
        if let Some(delta) = read::<Delta<'_>>(delta) {
            self.delta(&delta, out)?;
        } else if says_something(delta) {
            return Err(Fault::malformed("a delta is not an object"));
        }
        if let Some(reason) = reason_of(choice.finish_reason)? {
            self.stop = Some(reason);
        }
        Ok(())
    }

    fn delta(&mut self, delta: &Delta<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        // Two names of one field: servers that rename it tell the same text under both for a while.
        let told = string(delta.reasoning_content).filter(|thought| !thought.0.is_empty());
        self.content.think(told.or_else(|| string(delta.reasoning)), None, out);
        self.said(delta.content, out)?;
        if let Some(refusal) = string(delta.refusal).filter(|refusal| !refusal.0.is_empty()) {
            self.refused = true;
            self.content.say(Some(refusal), None, out);
        }
        let calls = read::<Vec<Option<Raw<'_>>>>(delta.tool_calls);
        if calls.is_none() && says_something(delta.tool_calls) {
            return Err(Fault::malformed("tool calls are not a list"));
        }
        for call in calls.unwrap_or_default() {
            let Some(call) = read::<ToolCall<'_>>(call) else {
                return Err(Fault::malformed("a tool call is not an object"));
            };
            self.call(&call)?;
        }
        let executed = read::<Vec<Option<Raw<'_>>>>(delta.executed_tools).unwrap_or_default();
        if !executed.is_empty() {
            let name = "executed_tools".to_owned(); // ran by the provider itself
            self.content.call(Fragment { name, is_foreign: true, ..Fragment::default() })?;
        }
        if says_something(delta.function_call) {
            // The form of before 2024.
            self.call(&ToolCall { function: delta.function_call, ..ToolCall::default() })?;
        }
        self.content.bounded()
    }

    fn said(&mut self, content: Option<Raw<'_>>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let Some(raw) = content else { return Ok(()) };
        match raw.get().as_bytes().first() {
            Some(b'"') => self.content.say(string(content), None, out),
            Some(b'[') => {
                for part in read::<Vec<Option<Raw<'_>>>>(content).unwrap_or_default() {
                    let Some(part) = read::<Part<'_>>(part) else { continue };
                    self.thinking(part.thinking, out);
                    self.content.say(string(part.text), None, out);
                }
            }
            // Null, which is how many providers write that a delta has no text.
            Some(b'n') => {}
            _ => return Err(Fault::malformed("a delta's content is not text")),
        }
        Ok(())
    }

    /// A text, or a list of parts that have one.
    fn thinking(&mut self, raw: Option<Raw<'_>>, out: &mut Vec<Event>) {
        self.content.think(string(raw), None, out);
        for part in read::<Vec<Option<Raw<'_>>>>(raw).unwrap_or_default() {
            let text = read::<Part<'_>>(part).and_then(|part| string(part.text));
            self.content.think(text, None, out);
        }
    }

    fn call(&mut self, call: &ToolCall<'_>) -> Result<(), Fault> {
        let kind = word(call.r#type).unwrap_or_default();
        // Only a call's first fragment has a type, and not every server gives it one.
        let is_foreign = !matches!(kind.as_str(), "" | "function");
        let function = read::<Function<'_>>(call.function);
        let (name, arguments) =
            function.map_or((None, None), |it| (word(it.name), string(it.arguments)));
        self.content.call(Fragment {
            id: word(call.id).unwrap_or_default(),
            index: read(call.index),
            name: name.unwrap_or(if is_foreign { kind } else { String::new() }),
            arguments: arguments.map(|bytes| bytes.0).unwrap_or_default(),
            is_foreign,
        })
    }

    /// The terminator has come. An answer whose model never said why it stopped was cut before it.
    fn end(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        if self.stop.is_none() {
            return Err(Fault::truncated());
        }
        self.content.end(self.stop(), out)?;
        self.done = true;
        Ok(())
    }
}
