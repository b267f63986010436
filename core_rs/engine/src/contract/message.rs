//! Messages as protobuf writes them (<https://protobuf.dev/programming-guides/encoding/>).

const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;
/// What a varint's byte says of another one behind it.
const MORE: u8 = 0x80;

/// A message that grows field by field. What a field is by default is left out, as in proto3.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes back all that was written behind its first `bytes`.
    pub(super) fn truncate(&mut self, bytes: usize) {
        self.0.truncate(bytes);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn number(&mut self, field: u32, number: impl Into<i64>) {
        let number = number.into();
        if number != 0 {
            self.key(field, VARINT);
            // A number below 0 takes ten bytes, as protobuf writes `int32` and `int64`.
            self.varint(number.cast_unsigned());
        }
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.present(field, bytes);
        }
    }

    /// Bytes that are there even if they are empty, as those of a `oneof`.
    pub(super) fn present(&mut self, field: u32, bytes: &[u8]) {
        self.message(field, |out| out.0.extend_from_slice(bytes));
    }

    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    /// A list of enum values, which stand behind one key.
    pub(super) fn packed(&mut self, field: u32, numbers: impl ExactSizeIterator<Item = u16>) {
        if numbers.len() > 0 {
            self.message(field, |out| numbers.for_each(|each| out.varint(each.into())));
        }
    }

    pub(super) fn map<'a>(
        &mut self,
        field: u32,
        entries: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
    ) {
        for (key, value) in entries {
            self.message(field, |entry| {
                entry.present(1, key.as_bytes());
                entry.present(2, value.as_bytes());
            });
        }
    }

    /// A message in this one, which is there even if it is empty.
    pub(super) fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.key(field, LENGTH_DELIMITED);
        let place = self.len();
        // One byte is enough for the length of most messages.
        self.0.push(0);
        fill(self);
        let length = self.len() - place - 1;
        match (u8::try_from(length), self.0.get_mut(place)) {
            (Ok(short), Some(byte)) if short < MORE => *byte = short,
            // Its length has more bytes than were left for it: once a message that is long, which
            // is cheaper than to weigh every one before it is written.
            _ => drop(self.0.splice(place..=place, varint(length as u64))),
        }
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, number: u64) {
        match u8::try_from(number) {
            Ok(short) if short < MORE => self.0.push(short),
            _ => self.0.extend(varint(number)),
        }
    }
}

/// Seven bits a byte, the lowest first.
fn varint(number: u64) -> impl Iterator<Item = u8> {
    let mut rest = Some(number);
    std::iter::from_fn(move || {
        let number = rest?;
        let low = number.to_le_bytes()[0] & !MORE;
        rest = Some(number >> 7).filter(|rest| *rest > 0);
        Some(if rest.is_some() { low | MORE } else { low })
    })
}
