//! JSON as providers write it: read field by field, each as leniently as it allows.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Any value, unread.
pub(super) type Raw<'a> = &'a RawValue;

/// The value of a field, if it is of this shape; anything else is as if it were not there.
pub(super) fn read<'a, T: Deserialize<'a>>(raw: Option<Raw<'a>>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The bytes of a JSON string, in which a lone surrogate stands as WTF-8.
#[derive(Debug, Default)]
pub(super) struct Wtf8(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Wtf8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes: asked for a text, the parser refuses a lone surrogate, whose other half may
        // come with the next event.
        deserializer.deserialize_bytes(BytesOf)
    }
}

struct BytesOf;

impl Visitor<'_> for BytesOf {
    type Value = Wtf8;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Wtf8, E> {
        Ok(Wtf8(bytes.to_vec()))
    }
}

/// A string, if it is one.
pub(super) fn string(raw: Option<Raw<'_>>) -> Option<Wtf8> {
    raw.filter(|raw| raw.get().starts_with('"')).and_then(|raw| read(Some(raw)))
}

/// A string as plain text, if it is one.
pub(super) fn word(raw: Option<Raw<'_>>) -> Option<String> {
    string(raw).map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
}

/// Whether a field says something: it is there, and neither null, empty, `false` nor zero.
pub(super) fn says_something(raw: Option<Raw<'_>>) -> bool {
    raw.is_some_and(|raw| {
        // As its provider spaced it: an empty object may hold a space.
        let text: String = raw.get().split_whitespace().collect();
        !matches!(text.as_str(), "null" | "{}" | "[]" | "\"\"" | "false" | "0")
    })
}

/// Whether a text is one JSON value that any reader takes: well formed, and not too deep.
pub(super) fn is_whole(text: &str) -> bool {
    serde_json::from_str::<Anything<false>>(text).is_ok()
}

/// Whether a text is such a value, and no key stands twice in any of its objects.
pub(super) fn names_once(text: &str) -> bool {
    serde_json::from_str::<Anything<true>>(text).is_ok()
}

/// A value that is read and not kept. Unlike `IgnoredAny` it is held to the limit of depth.
struct Anything<const ONCE: bool>;

impl<'de, const ONCE: bool> Deserialize<'de> for Anything<ONCE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de, const ONCE: bool> Visitor<'de> for Anything<ONCE> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        if !ONCE {
            while map.next_entry::<Self, Self>()?.is_some() {}
            return Ok(self);
        }
        let mut names = HashSet::new();
        // As text and not as it is written: two spellings of one name are one name.
        while let Some((name, _)) = map.next_entry::<String, Self>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(self)
    }
}
