//! Lists in lists, written in one go: an item's length is filled in once the item has ended.

use sha2::{Digest, Sha256};

use super::{Hash, TooLong};

/// Appends items to a canonical list, as [`encode_list`](super::encode_list) gives them.
///
/// An overlong item or list is remembered and reported once, at the end.
#[derive(Debug)]
pub struct List<'a> {
    bytes: &'a mut Vec<u8>,
    count: usize,
    too_long: bool,
}

impl List<'_> {
    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count += 1;
        let length = self.short(bytes.len());
        self.bytes.extend_from_slice(&length);
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a text as UTF-8.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Appends texts, each as an item.
    pub fn all(&mut self, texts: &[&str]) {
        for text in texts {
            self.text(text);
        }
    }

    /// Appends a text, or nothing.
    pub fn text_or_none(&mut self, text: Option<&str>) {
        self.text(text.unwrap_or_default());
    }

    /// Appends 8 bytes, big-endian.
    pub fn number(&mut self, number: i64) {
        self.bytes(&number.to_be_bytes());
    }

    /// Appends 8 bytes, or nothing.
    pub fn number_or_none(&mut self, number: Option<i64>) {
        self.bytes(number.map(i64::to_be_bytes).as_ref().map_or(&[], |bytes| bytes));
    }

    /// Appends the 8 bytes of IEEE 754, big-endian, or nothing.
    pub fn real_or_none(&mut self, number: Option<f64>) {
        self.bytes(number.map(f64::to_be_bytes).as_ref().map_or(&[], |bytes| bytes));
    }

    /// Appends one byte, or nothing.
    pub fn flag_or_none(&mut self, flag: Option<bool>) {
        self.bytes(flag.map(u8::from).as_slice());
    }

    /// Appends texts as a list.
    pub fn texts<T: AsRef<str>>(&mut self, texts: &[T]) {
        self.each(texts, |list, text| list.text(text.as_ref()));
    }

    /// Appends a list of what `item` appends for each of these.
    pub fn each<T>(&mut self, of: &[T], mut item: impl FnMut(&mut List<'_>, &T)) {
        self.list(|list| of.iter().for_each(|each| item(list, each)));
    }

    /// Appends a list of what `fill` appends.
    pub fn list(&mut self, fill: impl FnOnce(&mut List<'_>)) {
        self.count += 1;
        let start = self.bytes.len();
        // Room for the length, which is known only behind the list: made apart, each list would be
        // copied into the one around it.
        self.bytes.extend_from_slice(&[0; 4]);
        let inner = filled(self.bytes, fill);
        self.too_long |= inner.is_err();
        let length = self.short(self.bytes.len() - start - 4);
        put(self.bytes, start, length);
    }

    fn short(&mut self, length: usize) -> [u8; 4] {
        let short = u32::try_from(length);
        self.too_long |= short.is_err();
        short.unwrap_or(u32::MAX).to_be_bytes()
    }
}

/// SHA-256 over a length-prefixed `tag` and the list of what `fill` appends.
///
/// # Errors
/// [`TooLong`] when an item or a list does not fit its length prefix.
pub fn digest_of(tag: &str, fill: impl FnOnce(&mut List<'_>)) -> Result<Hash, TooLong> {
    let mut bytes = Vec::with_capacity(512);
    let length = u32::try_from(tag.len()).map_err(|_| TooLong)?;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(tag.as_bytes());
    filled(&mut bytes, fill)?;
    Ok(Sha256::digest(bytes).into())
}

/// Appends a list: its count, which is known only behind it, and its items.
fn filled(bytes: &mut Vec<u8>, fill: impl FnOnce(&mut List<'_>)) -> Result<(), TooLong> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    let mut list = List { bytes, count: 0, too_long: false };
    fill(&mut list);
    let count = list.short(list.count);
    let too_long = list.too_long;
    put(bytes, start, count);
    if too_long { Err(TooLong) } else { Ok(()) }
}

fn put(bytes: &mut [u8], at: usize, four: [u8; 4]) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&four);
    }
}
