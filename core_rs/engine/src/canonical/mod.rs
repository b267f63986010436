//! One unambiguous encoding of values as bytes, and its digest.
//!
//! A byte string is its length (u32, big-endian) and its bytes; a list is its count (u32,
//! big-endian) and its items; integers are big-endian and of fixed width. No two values share an
//! encoding, so a digest over it says exactly which value was meant.

use sha2::{Digest, Sha256};
use thiserror::Error;

mod lists;

pub use lists::{List, digest_of};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// A byte string or list is too long for its length prefix of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a field of 4 GiB or more has no canonical encoding")]
pub struct TooLong;

/// Bytes that are no canonical encoding of what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Short,
    /// Bytes follow the last field.
    #[error("bytes follow the last field")]
    Trailing,
    /// A text field is not UTF-8.
    #[error("a text field is not UTF-8")]
    NotUtf8,
}

/// Appends fields to a canonical encoding.
///
/// An overlong field is remembered and reported once, by [`Encoder::finish`].
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Encoder {
    /// Starts empty, with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), too_long: false }
    }

    /// Appends a length-prefixed byte string.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut encoder = self.length(bytes.len());
        encoder.bytes.extend_from_slice(bytes);
        encoder
    }

    /// Appends a count-prefixed list of byte strings.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(self, items: &[T]) -> Self {
        let encoder = self.length(items.len());
        items.iter().fold(encoder, |encoder, item| encoder.bytes(item.as_ref()))
    }

    /// Appends 4 bytes, big-endian.
    #[must_use]
    pub fn u32(self, value: u32) -> Self {
        self.fixed(value.to_be_bytes())
    }

    /// Appends 8 bytes, big-endian.
    #[must_use]
    pub fn u64(self, value: u64) -> Self {
        self.fixed(value.to_be_bytes())
    }

    /// Appends 8 bytes, big-endian, two's complement.
    #[must_use]
    pub fn i64(self, value: i64) -> Self {
        self.fixed(value.to_be_bytes())
    }

    /// The encoding of all fields.
    ///
    /// # Errors
    /// [`TooLong`] when a field or list does not fit its length prefix.
    pub fn finish(self) -> Result<Vec<u8>, TooLong> {
        if self.too_long { Err(TooLong) } else { Ok(self.bytes) }
    }

    fn length(mut self, length: usize) -> Self {
        // Goes on with a length that is wrong, which nobody sees: `finish` then gives no bytes.
        let length = u32::try_from(length);
        self.too_long |= length.is_err();
        self.u32(length.unwrap_or(u32::MAX))
    }

    fn fixed<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.bytes.extend_from_slice(&bytes);
        self
    }
}

/// Reads fields back, in the order they were written.
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads a length-prefixed byte string.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed::Short)?;
        let (field, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(field)
    }

    /// Reads a length-prefixed UTF-8 text.
    ///
    /// # Errors
    /// [`Malformed::Short`] or [`Malformed::NotUtf8`].
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::NotUtf8)
    }

    /// Reads a count-prefixed list of texts.
    ///
    /// # Errors
    /// [`Malformed::Short`] or [`Malformed::NotUtf8`].
    pub fn texts(&mut self) -> Result<Vec<&'a str>, Malformed> {
        // No room is made for the count beforehand: a forged one ends at the first text that is not
        // there.
        (0..self.u32()?).map(|_| self.text()).collect()
    }

    /// Reads 4 bytes, big-endian.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// Reads 8 bytes, big-endian.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// Reads 8 bytes, big-endian, two's complement.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Malformed::Trailing`] when bytes are left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(*field)
    }
}

/// The canonical bytes of a list.
///
/// # Errors
/// [`TooLong`] when an item or the list does not fit its length prefix.
pub fn encode_list<T: AsRef<[u8]>>(items: &[T]) -> Result<Vec<u8>, TooLong> {
    Encoder::default().list(items).finish()
}

/// SHA-256 over a length-prefixed `tag` and the list of `fields`.
///
/// The tag names what the fields mean, so that digests of different things never collide.
///
/// # Errors
/// [`TooLong`] when a field or the list does not fit its length prefix.
pub fn digest<T: AsRef<[u8]>>(tag: &str, fields: &[T]) -> Result<Hash, TooLong> {
    let bytes = Encoder::default().bytes(tag.as_bytes()).list(fields).finish()?;
    Ok(Sha256::digest(bytes).into())
}
