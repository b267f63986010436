//! JSON written as it is told, into text or into nothing but its length.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Where JSON goes. It cannot fail.
pub(super) trait Sink {
    /// Takes what comes next.
    fn put(&mut self, text: &str);

    /// Takes a file's bytes, which come next in base64.
    fn put_file(&mut self, bytes: &[u8]);
}

impl Sink for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }

    fn put_file(&mut self, bytes: &[u8]) {
        STANDARD.encode_string(bytes, self);
    }
}

/// How many bytes were put into it, but for files: a model counts those by rules of its own.
#[derive(Debug, Default)]
pub(super) struct Count(pub(super) usize);

impl Sink for Count {
    fn put(&mut self, text: &str) {
        self.0 += text.len();
    }

    fn put_file(&mut self, _bytes: &[u8]) {}
}

/// A writer of one JSON value. Commas come by themselves; braces come in pairs.
#[derive(Debug)]
pub(super) struct Json<S> {
    out: S,
    /// Whether the next value is the first of its list or object, or follows its key.
    first: bool,
}

impl<S: Sink> Json<S> {
    pub(super) fn new(out: S) -> Self {
        Self { out, first: true }
    }

    pub(super) fn into_inner(self) -> S {
        self.out
    }

    /// A key of ours, which needs no escape; its value comes next.
    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        self.begin();
        self.out.put("\"");
        self.out.put(name);
        self.out.put("\":");
        self.first = true;
        self
    }

    /// A key of ours and its text.
    pub(super) fn field(&mut self, name: &str, text: &str) {
        self.key(name).string([text]);
    }

    /// These pieces as one string, escaped only where JSON wants it.
    pub(super) fn string<'a>(&mut self, pieces: impl IntoIterator<Item = &'a str>) {
        self.begin();
        self.out.put("\"");
        pieces.into_iter().for_each(|piece| escape(piece, &mut self.out));
        self.out.put("\"");
    }

    /// A string that begins with `head`, which needs no escape, and goes on as a file in base64.
    pub(super) fn file<'a>(&mut self, head: impl IntoIterator<Item = &'a str>, bytes: &[u8]) {
        self.begin();
        self.out.put("\"");
        head.into_iter().for_each(|piece| self.out.put(piece));
        self.out.put_file(bytes);
        self.out.put("\"");
    }

    /// A number; one that is not finite is null.
    pub(super) fn number(&mut self, number: impl Into<Value>) {
        self.raw(&number.into().to_string());
    }

    /// What is JSON already.
    pub(super) fn raw(&mut self, json: &str) {
        self.begin();
        self.out.put(json);
    }

    pub(super) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.within("{", members, "}");
    }

    pub(super) fn list(&mut self, items: impl FnOnce(&mut Self)) {
        self.within("[", items, "]");
    }

    fn within(&mut self, open: &str, content: impl FnOnce(&mut Self), close: &str) {
        self.begin();
        self.out.put(open);
        self.first = true;
        content(self);
        self.out.put(close);
        self.first = false;
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.put(",");
        }
    }
}

/// The text as it stands in a JSON string (RFC 8259, section 7).
fn escape(text: &str, out: &mut impl Sink) {
    let mut rest = text;
    // What needs an escape is one byte long, so a text is never cut inside a character.
    while let Some((at, byte)) = rest.bytes().enumerate().find(|(_, byte)| is_escaped(*byte)) {
        let (plain, from) = rest.split_at(at);
        out.put(plain);
        match byte {
            b'"' => out.put("\\\""),
            b'\\' => out.put("\\\\"),
            b'\x08' => out.put("\\b"),
            b'\x0c' => out.put("\\f"),
            b'\n' => out.put("\\n"),
            b'\r' => out.put("\\r"),
            b'\t' => out.put("\\t"),
            control => out.put(&format!("\\u{control:04x}")),
        }
        rest = from.split_at(1).1;
    }
    out.put(rest);
}

fn is_escaped(byte: u8) -> bool {
    // No more than JSON wants, for each byte of an escape counts in the bound of the cost.
    matches!(byte, 0..=0x1f | b'"' | b'\\')
}
