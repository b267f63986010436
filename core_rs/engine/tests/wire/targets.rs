//! What holds for any bytes: driven by proptest here, and by `cargo fuzz` in `core_rs/fuzz`.

use chenu_engine::wire::{Decoder, Expected, PARTS_MAX, Wire};

use crate::hearing::{CITY, Said, get_weather, heard};

/// How the bytes of a body are read; its fields are taken from the first bytes of an input.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    wire: Wire,
    expected: Expected,
    is_stream: bool,
    ends_without_terminator: bool,
    sizes: Vec<usize>,
}

impl Reading {
    /// The reading that an input begins with, and the body behind it.
    pub(crate) fn of(input: &[u8]) -> (Self, &[u8]) {
        let (flags, rest) = input.split_first().unwrap_or((&0, &[]));
        let (sizes, body) = rest.split_at(rest.len().min(4));
        let expected = match flags >> 2 & 3 {
            0 => Expected::Text,
            1 => Expected::Json,
            2 => Expected::JsonSchema(CITY.to_owned()),
            _ => Expected::JsonSchema("[".to_owned()),
        };
        let reading = Self {
            wire: if flags & 1 == 0 { Wire::Chat } else { Wire::Messages },
            expected,
            is_stream: flags & 2 == 0,
            ends_without_terminator: flags & 16 != 0,
            sizes: sizes.iter().map(|size| usize::from(*size) + 1).collect(),
        };
        (reading, body)
    }

    fn said(&self, body: &[u8], sizes: &[usize]) -> Said {
        let tools = vec![get_weather()];
        let expected = self.expected.clone();
        let unended = self.ends_without_terminator;
        heard(Decoder::new(self.wire, tools, expected, self.is_stream, unended), body, sizes)
    }
}

/// Any split of the same bytes gives the same events, no more than the bytes can hold.
pub(crate) fn any_split_says_the_same(input: &[u8]) {
    let (reading, body) = Reading::of(input);
    let whole = reading.said(body, &[body.len().max(1)]);

    assert_eq!(whole, reading.said(body, &[1]), "{reading:?}");
    if !reading.sizes.is_empty() {
        assert_eq!(whole, reading.said(body, &reading.sizes), "{reading:?}");
    }
    assert_bounded(&whole, body);
}

/// A byte that is no UTF-8 becomes the three of U+FFFD; nothing else grows.
fn assert_bounded(said: &Said, body: &[u8]) {
    let parts: usize = said.parts.iter().map(|(_, _, text)| text.len()).sum();
    let calls: usize =
        said.calls.iter().map(|(name, arguments)| name.len() + arguments.len()).sum();
    let proofs: usize = said.proofs.iter().map(|(_, sign, hidden)| sign.len() + hidden.len()).sum();
    let empty_calls = said.calls.len() * "{}".len();

    assert!(parts + calls + proofs <= 3 * body.len() + empty_calls, "more came out than went in");
    assert!(said.parts.len() <= PARTS_MAX as usize);
}

/// An event stream says what a plain reading of the standard makes of it.
pub(crate) fn a_stream_says_what_the_standard_says(input: &[u8]) {
    let (reading, body) = Reading::of(input);
    let raw = [b":\n", body, b"\n\n"].concat(); // a stream from its first byte, whole to its last
    let plain = [b":\n".to_vec(), rewritten(&raw), b"\n\n".to_vec()].concat();

    assert_eq!(reading.said(&plain, &[plain.len()]), reading.said(&raw, &[raw.len()]));
}

/// The same events as WHATWG HTML, section 9.2.6, reads them, each written in the plainest way.
fn rewritten(raw: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n").replace('\r', "\n");
    let (mut name, mut data, mut out) = (String::new(), None::<Vec<&str>>, String::new());
    for line in text.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                if let Some(lines) = data.take() {
                    out += &written("event", &name);
                    out.extend(lines.iter().map(|line| written("data", line)));
                    out += "\n";
                }
                name.clear();
            }
            "data" => data.get_or_insert_default().push(value),
            "event" => value.clone_into(&mut name),
            _ => {}
        }
    }
    out.into_bytes()
}

/// A field with the space that the standard drops only where its value needs one.
fn written(field: &str, value: &str) -> String {
    let space = if value.starts_with(' ') { " " } else { "" };
    format!("{field}:{space}{value}\n")
}
