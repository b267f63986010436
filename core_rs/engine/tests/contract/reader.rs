//! A reader of protobuf's wire format, as far as messages of ours need one.

/// A field's number, and what it holds.
#[derive(Debug, PartialEq)]
pub(super) enum Field {
    Number(u32, u64),
    Bytes(u32, Vec<u8>),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let (own, rest) = bytes.split_at(end);
    *bytes = rest;
    own.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

/// The fields of a message, in the order in which they stand.
pub(super) fn read(mut bytes: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = u32::try_from(varint(&mut bytes)).unwrap();
        let number = varint(&mut bytes);
        fields.push(match key & 7 {
            0 => Field::Number(key >> 3, number),
            2 => {
                let (own, rest) = bytes.split_at(usize::try_from(number).unwrap());
                bytes = rest;
                Field::Bytes(key >> 3, own.to_vec())
            }
            other => panic!("{other} is no wire type of ours"),
        });
    }
    fields
}

/// The first number of a field.
pub(super) fn number(fields: &[Field], wanted: u32) -> Option<u64> {
    fields.iter().find_map(|field| match field {
        Field::Number(number, value) if *number == wanted => Some(*value),
        _ => None,
    })
}

/// All that a field holds, a message, a text or bytes.
pub(super) fn all(fields: &[Field], wanted: u32) -> Vec<&[u8]> {
    let found = fields.iter().filter_map(|field| match field {
        Field::Bytes(number, bytes) if *number == wanted => Some(&**bytes),
        _ => None,
    });
    found.collect()
}
