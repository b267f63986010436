//! Parameters, read back as `PostgreSQL`'s `array_recv` reads them.

use chenu_store::Value;
use chenu_store::pg::{Unsendable, arrays, numbers, scalars};
use proptest::prelude::*;

/// Takes its first bytes from what is left of a parameter.
fn taken<'a>(left: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (some, behind) = left.split_at(count);
    *left = behind;
    some
}

fn word(left: &mut &[u8]) -> i32 {
    i32::from_be_bytes(taken(left, 4).try_into().unwrap())
}

fn count(left: &mut &[u8]) -> usize {
    word(left).try_into().unwrap()
}

fn value(kind: i32, bytes: &[u8]) -> Value {
    match kind {
        16 => Value::Bool(bytes == [1]),
        17 => Value::Blob(bytes.to_vec()),
        20 => Value::Int(i64::from_be_bytes(bytes.try_into().unwrap())),
        25 => Value::Text(String::from_utf8(bytes.to_vec()).unwrap()),
        other => panic!("no type has the number {other}"),
    }
}

/// The elements of an array of one dimension, none of them NULL, whose places begin at 1.
fn read(mut parameter: &[u8]) -> Vec<Value> {
    let left = &mut parameter;
    let (dimensions, flags, kind) = (word(left), word(left), word(left));
    let (length, first) = (count(left), word(left));
    let mut found = Vec::new();
    for _ in 0..length {
        let bytes = count(left);
        found.push(value(kind, taken(left, bytes)));
    }

    assert_eq!((1, 0, 1), (dimensions, flags, first));
    assert!(left.is_empty());
    found
}

/// Rows of some width, whose columns hold one kind of value each.
fn rows() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let text = prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("NULL".to_owned()),
        Just("{\"a\\\",b}'\u{1f3db}".to_owned()),
    ];
    let number = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    let row = (text, number, any::<bool>(), any::<Vec<u8>>());
    let row = row.prop_map(|(text, number, truth, bytes)| {
        vec![Value::Text(text), Value::Int(number), Value::Bool(truth), Value::Blob(bytes)]
    });
    prop::collection::vec(row, 1..20)
}

proptest! {
    /// A value that ends its element early would move every value behind it to another row.
    #[test]
    fn arrays_hold_exactly_their_values(rows in rows()) {
        let found: Vec<Vec<Value>> = arrays(&rows).unwrap().iter().map(|it| read(it)).collect();
        let columns: Vec<Vec<Value>> =
            (0..4).map(|at| rows.iter().map(|row| row[at].clone()).collect()).collect();

        prop_assert_eq!(columns, found);
    }

    /// One row is sent without arrays: its values are what their elements would be.
    #[test]
    fn a_row_alone_is_what_it_is_among_others(rows in rows()) {
        let row = &rows[0];
        let found: Vec<Value> = scalars(row)
            .iter()
            .zip([25, 20, 16, 17])
            .map(|(bytes, kind)| value(kind, bytes))
            .collect();

        prop_assert_eq!(row, &found);
    }

    /// As many rows as a look-up may find for each key.
    #[test]
    fn counts_are_whole_numbers(counts in any::<Vec<u32>>()) {
        let found = read(&numbers(&counts).unwrap());
        let expected: Vec<Value> = counts.into_iter().map(|it| Value::Int(i64::from(it))).collect();

        prop_assert_eq!(expected, found);
    }
}

/// The reader above was written by the same hand: these bytes are the server's own, of
/// `array_send(ARRAY['a', 'éb'])`, `array_send(ARRAY[-2::bigint])` and `boolsend(true)`.
#[test]
fn the_bytes_are_those_that_the_server_sends() {
    let text = |text: &str| Value::Text(text.to_owned());
    let found = arrays(&[[text("a")], [text("éb")]]).unwrap();

    let texts = b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x01a\0\0\0\x03\xc3\xa9b";
    let number = b"\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0\x01\0\0\0\x01\0\0\0\x08\
        \xff\xff\xff\xff\xff\xff\xff\xfe";
    assert_eq!(vec![texts.to_vec()], found);
    assert_eq!(Ok(vec![number.to_vec()]), arrays(&[[Value::Int(-2)]]));
    assert_eq!(vec![vec![1]], scalars(&[Value::Bool(true)]));
}

/// Nothing to send is nothing, and no row of no values.
#[test]
fn no_rows_have_no_parameters() {
    let none: &[Vec<Value>] = &[];

    assert_eq!(Ok(vec![]), arrays(none));
}

/// Sent as one kind, the other would be read as what it is not: eight bytes of text are a number.
#[test]
fn rows_that_are_not_alike_are_refused() {
    let (number, text) = (Value::Int(1), Value::Text("12345678".to_owned()));
    let kinds = arrays(&[[number.clone()], [text.clone()]]);
    let widths = arrays(&[vec![number.clone()], vec![number, text]]);

    assert_eq!((Err(Unsendable::Unlike), Err(Unsendable::Unlike)), (kinds, widths));
}
