//! The event stream format (WHATWG HTML, §9.2.6 "Interpreting an event stream").

use super::Fault;

/// The most bytes of one event, and of one line: beyond it somebody wants our memory.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One event: its name, empty if it has none, and its data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SseEvent {
    pub(super) name: String,
    pub(super) data: String,
}

/// Cuts bytes into events. Holds at most one line and one event.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    line: Vec<u8>,
    name: String,
    data: Option<Vec<u8>>,
    begun: bool,
    after_return: bool,
    /// Whether any line was one of an event stream.
    pub(super) is_stream: bool,
}

impl EventStream {
    /// The events that `bytes` complete, and why there can be no more.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> (Vec<SseEvent>, Option<Fault>) {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (head, tail) = rest.split_at(at);
            let ending = tail.first().copied();
            rest = tail.get(1..).unwrap_or_default();
            // CR LF is one line end also where a chunk ends between the two.
            let second_half = head.is_empty() && self.after_return && ending == Some(b'\n');
            self.after_return = ending == Some(b'\r');
            if second_half {
                continue;
            }
            self.line.extend_from_slice(head);
            // Asked at each line's end too, for an event of many short lines takes as much memory
            // as one long line.
            if self.is_too_large() {
                return (events, Some(too_large()));
            }
            events.extend(self.end_line());
        }
        if !rest.is_empty() {
            self.after_return = false;
            self.line.extend_from_slice(rest);
        }
        let fault = self.is_too_large().then(too_large);
        (events, fault)
    }

    /// The last event, if the body ended cleanly without the blank line that closes it.
    ///
    /// The standard drops it; providers leave the line out behind their terminator.
    pub(super) fn end(&mut self) -> Option<SseEvent> {
        if !self.line.is_empty() {
            // A body cut inside its first field's name was an event stream all the same, and may
            // have been paid for.
            self.is_stream |= b"data:".starts_with(&self.line) || b"event:".starts_with(&self.line);
            self.end_line();
        }
        self.dispatch()
    }

    fn is_too_large(&self) -> bool {
        self.line.len() + self.data.as_ref().map_or(0, Vec::len) > EVENT_BYTES_MAX
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let mut line = std::mem::take(&mut self.line);
        // A byte order mark may stand before a stream, and is no part of its first field's name.
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(BOM) {
            line.drain(..BOM.len());
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        // One space behind the colon is the format's own; all others are the value's.
        let value = value.strip_prefix(b" ").unwrap_or(value);
        // A page or a plain text has no such line, and was written by no model.
        self.is_stream |= matches!(field, b"data" | b"event" | b"id" | b"retry" | b"");
        match field {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            _ => {} // a comment (no field), `id`, `retry`, or a field of the future
        }
        None
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        // Taken also where no data came: such an event is none, and the next one must not have its
        // name.
        let name = std::mem::take(&mut self.name);
        let data = self.data.take()?;
        Some(SseEvent { name, data: String::from_utf8_lossy(&data).into_owned() })
    }
}

fn too_large() -> Fault {
    Fault::malformed(format!("one event is larger than {EVENT_BYTES_MAX} bytes"))
}
