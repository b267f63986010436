//! As much of gRPC and protobuf as a bench needs: frames, and fields by their numbers.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};

const HEAD: usize = 5;

/// A message with its length in front, uncompressed.
pub(crate) fn framed(message: &[u8]) -> Result<Bytes> {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len())?);
    frame.put_slice(message);
    Ok(frame.freeze())
}

/// Messages out of the bytes of a body, however they are cut.
#[derive(Default)]
pub(crate) struct Messages {
    kept: BytesMut,
}

impl Messages {
    /// More of the body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let mut head = self.kept.get(..HEAD)?;
        head.advance(1); // never compressed here
        let length = usize::try_from(head.get_u32()).ok()?;
        if self.kept.len() < HEAD + length {
            return None;
        }
        self.kept.advance(HEAD);
        Some(self.kept.split_to(length).freeze())
    }
}

/// A field's value: a number, or bytes of a text or of another message.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The last value of each field that `numbers` names, in their order.
pub(crate) fn fields<const N: usize>(
    message: &[u8],
    numbers: [u64; N],
) -> Result<[Option<Value<'_>>; N]> {
    let mut found = [None; N];
    let mut left = message;
    while left.has_remaining() {
        let key = varint(&mut left)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut left)?),
            1 => Value::Bytes(taken(&mut left, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut left)?)?;
                Value::Bytes(taken(&mut left, length)?)
            }
            5 => Value::Bytes(taken(&mut left, 4)?),
            other => bail!("wire type {other}"),
        };
        for (slot, number) in found.iter_mut().zip(numbers) {
            if key >> 3 == number {
                *slot = Some(value);
            }
        }
    }
    Ok(found)
}

fn taken<'a>(left: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (head, tail) = left.split_at_checked(length).context("a field is cut")?;
    *left = tail;
    Ok(head)
}

fn varint(left: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        ensure!(left.has_remaining(), "a number is cut");
        let byte = left.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_however_their_bytes_are_cut() -> Result<()> {
        let sent: [&[u8]; 3] = [b"one", b"", b"three"];
        let mut body = Vec::new();
        for message in sent {
            body.extend_from_slice(&framed(message)?);
        }
        for size in 1..=body.len() {
            let mut messages = Messages::default();
            let mut found = Vec::new();
            for piece in body.chunks(size) {
                messages.push(piece);
                found.extend(std::iter::from_fn(|| messages.next()));
            }
            assert_eq!(found, sent, "cut at {size}");
        }
        Ok(())
    }

    #[test]
    fn fields_are_found_by_their_numbers_whatever_stands_between() -> Result<()> {
        // 1: 300, 2: "ab", 9: eight bytes, 2: "cd", 5: four bytes
        let message = b"\x08\xac\x02\x12\x02ab\x49AAAAAAAA\x12\x02cd\x2dBBBB";

        let [number, text, absent] = fields(message, [1, 2, 3])?;

        assert!(matches!(number, Some(Value::Number(300))));
        assert!(matches!(text, Some(Value::Bytes(b"cd"))), "the last one counts");
        assert!(absent.is_none());
        for length in [1, 4, 9, message.len() - 1] {
            let cut = message.get(..length).unwrap_or_default();
            assert!(fields(cut, [1]).is_err(), "cut at {length}");
        }
        Ok(())
    }
}
