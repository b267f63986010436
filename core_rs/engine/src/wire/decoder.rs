//! The body of a 200 answer, whatever it turns out to be.

use super::chat::ChatAnswer;
use super::content::Content;
use super::expected::Expected;
use super::json::Raw;
use super::messages::MessagesAnswer;
use super::sse::{EventStream, SseEvent};
use super::tools::Declared;
use super::{Event, Fault, Stop, Usage, Wire};

/// The most bytes of an answer that is one JSON document.
const WHOLE_BYTES_MAX: usize = 16 << 20;
/// How the JSON of a whole answer begins and ends.
const OBJECT: &[u8] = b"{}";
/// So much of a body's beginning may be white space before it is no answer.
const BLANK_BYTES_MAX: usize = 4 << 10;

/// What one piece of a body brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// In order; all of them came before the fault.
    pub events: Vec<Event>,
    /// Why there will be no more, and no success.
    pub fault: Option<Fault>,
}

#[derive(Debug)]
enum Answer {
    Chat(ChatAnswer),
    Messages(MessagesAnswer),
}

/// What a body is, by its first visible byte: its declared type is often wrong.
#[derive(Debug)]
enum Body {
    /// Nothing visible has come yet.
    Unknown(Vec<u8>),
    Stream(EventStream),
    Whole(Vec<u8>),
    /// A web page, or text of any other kind.
    Foreign,
}

/// One answer on its way: feed it, then ask whether it is done.
#[derive(Debug)]
pub struct Decoder {
    answer: Answer,
    body: Body,
    is_stream: bool,
    ends_without_terminator: bool,
    failed: bool,
}

impl Decoder {
    /// `declared`: the tools that may be called. `expected`: what the text must be. `is_stream`:
    /// the answer calls itself an event stream. `ends_without_terminator`: the provider's record
    /// says that it sends none.
    #[must_use]
    pub fn new(
        wire: Wire,
        declared: Vec<Declared>,
        expected: Expected,
        is_stream: bool,
        ends_without_terminator: bool,
    ) -> Self {
        let content = Content::new(declared, expected);
        let answer = match wire {
            Wire::Chat => Answer::Chat(ChatAnswer::new(content)),
            Wire::Messages => Answer::Messages(MessagesAnswer::new(content)),
        };
        let body = Body::Unknown(Vec::new());
        Self { answer, body, is_stream, ends_without_terminator, failed: false }
    }

    /// The next piece of the body. What follows the terminator, or a fault, is not read.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut fed = Fed::default();
        if self.failed || self.is_done() {
            return fed;
        }
        fed.fault = self.take(bytes, &mut fed.events).err();
        self.failed = fed.fault.is_some();
        fed
    }

    /// The body has ended cleanly, as far as the transport can tell.
    pub fn end(&mut self) -> Fed {
        let mut fed = Fed::default();
        if self.failed || self.is_done() {
            return fed;
        }
        fed.fault = self.take_end(&mut fed.events).err();
        self.failed = fed.fault.is_some();
        fed
    }

    /// Whether the terminator was seen.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.answer {
            Answer::Chat(answer) => answer.done,
            Answer::Messages(answer) => answer.done,
        }
    }

    /// What is known of its tokens, at any time.
    #[must_use]
    pub fn usage(&self) -> Usage {
        match &self.answer {
            Answer::Chat(answer) => answer.usage(),
            Answer::Messages(answer) => answer.usage(),
        }
    }

    /// Why the model stopped.
    #[must_use]
    pub fn stop(&self) -> Stop {
        match &self.answer {
            Answer::Chat(answer) => answer.stop(),
            Answer::Messages(answer) => answer.stop(),
        }
    }

    /// The model as the provider names it, empty if it did not.
    #[must_use]
    pub fn model(&self) -> &str {
        match &self.answer {
            Answer::Chat(answer) => &answer.model,
            Answer::Messages(answer) => &answer.model,
        }
    }

    /// The JSON that was asked for, without a fence around it, once the answer has ended with it.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match &self.answer {
            Answer::Chat(answer) => answer.content.json(),
            Answer::Messages(answer) => answer.content.json(),
        }
    }

    fn take(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), Fault> {
        match &mut self.body {
            Body::Unknown(begun) => {
                begun.extend_from_slice(bytes);
                let begun = std::mem::take(begun);
                self.recognise(begun, out)
            }
            Body::Stream(stream) => {
                let (events, fault) = stream.feed(bytes);
                self.read_all(&events, out)?;
                // What is wrong behind the terminator of the same piece spoils no answer.
                fault.filter(|_| !self.is_done()).map_or(Ok(()), Err)
            }
            // A stream is forgotten event by event, but this is kept until its end.
            Body::Whole(body) if body.len() + bytes.len() > WHOLE_BYTES_MAX => {
                Err(Fault::malformed(format!("the answer is larger than {WHOLE_BYTES_MAX} bytes")))
            }
            Body::Whole(body) => {
                body.extend_from_slice(bytes);
                Ok(())
            }
            Body::Foreign => Ok(()),
        }
    }

    fn recognise(&mut self, begun: Vec<u8>, out: &mut Vec<Event>) -> Result<(), Fault> {
        // Byte by byte, for the byte order mark may be cut between two pieces.
        let visible = begun
            .iter()
            .find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xEF | 0xBB | 0xBF));
        self.body = match visible {
            None if begun.len() > BLANK_BYTES_MAX => Body::Foreign,
            None => {
                self.body = Body::Unknown(begun);
                return Ok(());
            }
            Some(byte) if OBJECT.first() == Some(byte) => Body::Whole(Vec::new()),
            // A page, or a list: neither wire answers with such.
            Some(b'<' | b'[') => Body::Foreign,
            // Any other text as well: whether it is a stream its lines will show.
            Some(_) => Body::Stream(EventStream::default()),
        };
        self.take(&begun, out)
    }

    fn read_all(&mut self, events: &[SseEvent], out: &mut Vec<Event>) -> Result<(), Fault> {
        for event in events {
            if self.is_done() {
                return Ok(());
            }
            match &mut self.answer {
                Answer::Chat(answer) => answer.read(event, out)?,
                Answer::Messages(answer) => answer.read(event, out)?,
            }
        }
        Ok(())
    }

    fn take_end(&mut self, out: &mut Vec<Event>) -> Result<(), Fault> {
        match std::mem::replace(&mut self.body, Body::Foreign) {
            Body::Stream(mut stream) => {
                let last: Vec<SseEvent> = stream.end().into_iter().collect();
                if !stream.is_stream {
                    return Err(Fault::not_an_answer("the answer is no event stream"));
                }
                // An event that was cut off is not one that its provider spoilt.
                self.read_all(&last, out).map_err(|fault| match fault.kind.as_str() {
                    "malformed" => Fault::truncated(),
                    _ => fault,
                })?;
                // In its terminator's place. Whether the answer is whole is then told by its reason
                // to stop alone, without which this is an error as well.
                if !self.is_done() && self.ends_without_terminator {
                    self.read_all(&[terminator(&self.answer)], out)?;
                }
                if self.is_done() { Ok(()) } else { Err(Fault::truncated()) }
            }
            Body::Whole(body) => self.read_whole(&body, out),
            // An event stream that ends before it begins may have been cut off at work.
            Body::Unknown(_) if self.is_stream => Err(Fault::truncated()),
            Body::Unknown(_) => Err(Fault::not_an_answer("the answer is empty")),
            Body::Foreign => Err(Fault::not_an_answer("the answer is no answer of this wire")),
        }
    }

    fn read_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Fault> {
        // As a stream is decoded: a wrong byte becomes U+FFFD, and spoils no more than its
        // character.
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{FEFF}').trim();
        let raw: Raw<'_> =
            serde_json::from_str(text).map_err(|_| Fault::malformed("the answer is not JSON"))?;
        match &mut self.answer {
            Answer::Chat(answer) => answer.read_whole(raw, out),
            Answer::Messages(answer) => answer.read_whole(raw, out),
        }
    }
}

fn terminator(answer: &Answer) -> SseEvent {
    let data = match answer {
        Answer::Chat(_) => "[DONE]",
        Answer::Messages(_) => "{\"type\":\"message_stop\"}",
    };
    SseEvent { name: String::new(), data: data.to_owned() }
}
