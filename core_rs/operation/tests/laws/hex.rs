//! Bytes as JSON has them.

use chenu_operation::rows::Bytes;

fn read(text: &str) -> Option<Bytes> {
    serde_json::from_value(text.into()).ok()
}

#[test]
fn bytes_are_read_as_they_are_written() {
    let bytes = Bytes((0..=255).collect());

    assert_eq!(Some(&bytes), read(&bytes.hex()).as_ref());
    assert_eq!(Some(Bytes::default()), read(""));
}

/// Nothing writes bytes so; taken for some, they would hide that a row is damaged.
#[test]
fn what_is_no_pair_of_digits_is_no_byte() {
    for text in ["0", "0f0", "+f", "-1", "0f+1", "0x", " f", "é"] {
        assert_eq!(None, read(text), "{text}");
    }
}
