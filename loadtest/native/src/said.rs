//! What an answer said, held against what it should have.

use anyhow::{Result, bail, ensure};

use crate::grpc::{Value, fields};

/// What the messages of one answer said. Field numbers are those of `pipeline_service.proto`,
/// `event.proto` and `message.proto`.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) is_stream: bool,
    pub(crate) text: Vec<u8>,
    pub(crate) is_complete: bool,
}

impl Said {
    /// One more message.
    pub(crate) fn take(&mut self, message: &[u8], is_checked: bool) -> Result<()> {
        if !is_checked {
            return Ok(());
        }
        if !self.is_stream {
            let [answer] = fields(message, [2])?;
            if let Some(Value::Bytes(answer)) = answer {
                let [text] = fields(answer, [1])?;
                self.add(text);
            }
            self.is_complete = true;
            return Ok(());
        }
        let [Some(Value::Bytes(event))] = fields(message, [1])? else {
            bail!("a message without an event");
        };
        let [delta, complete] = fields(event, [15, 23])?;
        if let Some(Value::Bytes(delta)) = delta {
            let [offset, text] = fields(delta, [2, 3])?;
            let begins =
                if let Some(Value::Number(at)) = offset { usize::try_from(at)? } else { 0 };
            ensure!(begins == self.text.len(), "a piece at {begins} behind {}", self.text.len());
            self.add(text);
        }
        ensure!(!self.is_complete, "an event behind the final one");
        self.is_complete = complete.is_some();
        Ok(())
    }

    fn add(&mut self, text: Option<Value<'_>>) {
        if let Some(Value::Bytes(text)) = text {
            self.text.extend_from_slice(text);
        }
    }

    /// It is whole, and this text.
    pub(crate) fn must_be(&self, expected: &str) -> Result<()> {
        ensure!(self.is_complete, "no end");
        let said = String::from_utf8_lossy(&self.text);
        ensure!(said == expected, "{said:?} in place of {expected:?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RunResponse { event { llm_call_delta { offset, text } } }`, or its final event.
    fn event(offset: u8, text: &str) -> Result<Vec<u8>> {
        let length = u8::try_from(text.len())?;
        let delta = [&[0x10, offset, 0x1a, length], text.as_bytes()].concat();
        let inner = [&[0x7a, u8::try_from(delta.len())?], &*delta].concat();
        Ok([&[0x0a, u8::try_from(inner.len())?], &*inner].concat())
    }

    const FINAL: &[u8] = b"\x0a\x03\xba\x01\x00";

    #[test]
    fn a_stream_must_be_whole_in_order_and_end_once() -> Result<()> {
        let (first, second) = (event(0, "ab")?, event(2, "cd")?);
        let said = |messages: &[&[u8]]| -> Result<()> {
            let mut said = Said { is_stream: true, ..Said::default() };
            for message in messages {
                said.take(message, true)?;
            }
            said.must_be("abcd")
        };

        assert!(said(&[&first, &second, FINAL]).is_ok());
        for wrong in [
            [&*first, FINAL, FINAL],
            [&*second, &*first, FINAL],
            [&*first, &*first, FINAL],
            [&*first, &*second, &*event(4, "e")?],
        ] {
            assert!(said(&wrong).is_err());
        }
        Ok(())
    }
}
