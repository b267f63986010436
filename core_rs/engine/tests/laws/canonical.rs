//! Canonical bytes: fixed by published vectors, and never shared by two values.

use chenu_engine::canonical::{Decoder, Encoder, Malformed, digest, encode_list};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    encode_list: Vec<ListVector>,
    digest: Vec<DigestVector>,
}

#[derive(Deserialize)]
struct ListVector {
    items: Vec<String>,
    encoded: String,
}

#[derive(Deserialize)]
struct DigestVector {
    tag: String,
    fields: Vec<String>,
    digest: String,
}

fn vectors() -> Vectors {
    let text = include_str!("../../../../tests/vectors/canonical.json");
    serde_json::from_str(text).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn all_bytes(hex: &[String]) -> Vec<Vec<u8>> {
    hex.iter().map(|item| bytes(item)).collect()
}

/// Anyone can re-encode a list and arrive at the same bytes.
#[test]
fn lists_encode_as_published() {
    for vector in vectors().encode_list {
        assert_eq!(Ok(bytes(&vector.encoded)), encode_list(&all_bytes(&vector.items)));
    }
}

/// Anyone can recompute a digest.
#[test]
fn digests_are_as_published() {
    for vector in vectors().digest {
        let found = digest(&vector.tag, &all_bytes(&vector.fields)).unwrap();

        assert_eq!(bytes(&vector.digest), found);
    }
}

/// Bytes after the last field would let two byte strings mean one value.
#[test]
fn nothing_may_follow_the_last_field() {
    let bytes = Encoder::default().u32(7).u64(8).finish().unwrap();
    let mut decoder = Decoder::new(&bytes);

    assert_eq!(Ok(7), decoder.u32());
    assert_eq!(Err(Malformed::Trailing), decoder.finish());
}

proptest! {
    /// A digest says which list was meant only if no two lists share an encoding.
    #[test]
    fn two_lists_never_share_an_encoding(
        one in prop::collection::vec(prop::collection::vec(0..3_u8, 0..3), 0..4),
        other in prop::collection::vec(prop::collection::vec(0..3_u8, 0..3), 0..4),
    ) {
        prop_assert_eq!(one == other, encode_list(&one) == encode_list(&other));
    }

    /// What was written is read back, field by field.
    #[test]
    fn fields_survive_the_round_trip(
        text in ".{0,20}", texts in prop::collection::vec(".{0,9}", 0..4),
        small: u32, large: u64, signed: i64,
    ) {
        let encoder = Encoder::default().bytes(text.as_bytes()).list(&texts);
        let encoded = encoder.u32(small).u64(large).i64(signed).finish().unwrap();
        let mut decoder = Decoder::new(&encoded);

        prop_assert_eq!(Ok(text.as_str()), decoder.text());
        prop_assert_eq!(Ok(texts.iter().map(String::as_str).collect()), decoder.texts());
        prop_assert_eq!(Ok(small), decoder.u32());
        prop_assert_eq!(Ok(large), decoder.u64());
        prop_assert_eq!(Ok(signed), decoder.i64());
        prop_assert_eq!(Ok(()), decoder.finish());
    }

    /// Hostile bytes are refused or read; they never panic or allocate without bound.
    #[test]
    fn any_bytes_can_be_read(hostile in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut decoder = Decoder::new(&hostile);
        let read = decoder.texts().map(|texts| texts.len());

        prop_assert!(read.is_err() || read.is_ok_and(|count| count * 4 <= hostile.len()));
    }
}
