//! Values as `PostgreSQL` takes them: a statement's finished parameters, in its binary format.
//!
//! A value ends where its length says, so nothing is escaped here and nothing parsed there. Text is
//! checked by the server, which refuses NUL in it. The forms are those of the server's own
//! `array_recv`, `int8recv`, `boolrecv`, `textrecv` and `bytearecv`.

use thiserror::Error;

use crate::column::Value;

/// What the elements of an array have in front of them.
const ELEMENT: usize = size_of::<i32>();
/// Dimensions, flags, type, length, first place.
const HEADER: usize = 5 * ELEMENT;

/// Rows that no statement takes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unsendable {
    /// Sent all the same, a value would be read as what it is not, or in another's row.
    #[error("two rows differ in their width, or in the kind of value in a column")]
    Unlike,
    /// Lengths have 31 bits.
    #[error("{0} is more than PostgreSQL has a number for")]
    TooLong(usize),
}

type Sent<T> = Result<T, Unsendable>;

/// One row: each value by itself.
#[must_use]
pub fn scalars(row: &[Value]) -> Vec<Vec<u8>> {
    row.iter().map(scalar).collect()
}

/// Rows for `unnest`: each column as one array.
///
/// # Errors
/// [`Unsendable`]: as named.
pub fn arrays<R: AsRef<[Value]>>(rows: &[R]) -> Sent<Vec<Vec<u8>>> {
    let width = rows.first().map_or(0, |row| row.as_ref().len());
    if rows.iter().any(|row| row.as_ref().len() != width) {
        return Err(Unsendable::Unlike);
    }
    (0..width).map(|at| array(rows.iter().filter_map(|row| row.as_ref().get(at)))).collect()
}

/// Numbers as one array.
///
/// # Errors
/// [`Unsendable::TooLong`].
pub fn numbers(numbers: &[u32]) -> Sent<Vec<u8>> {
    let values: Vec<Value> = numbers.iter().map(|each| Value::Int(i64::from(*each))).collect();
    array(values.iter())
}

fn array<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> Sent<Vec<u8>> {
    let kind = values.clone().next().map_or(0, kind_of);
    if values.clone().any(|value| kind_of(value) != kind) {
        return Err(Unsendable::Unlike);
    }
    let bytes: usize = values.clone().map(|value| ELEMENT + length(value)).sum();
    let mut found = Vec::with_capacity(HEADER + bytes);
    for word in [1, 0, kind, number(values.clone().count())?, 1] {
        found.extend(word.to_be_bytes());
    }
    for value in values {
        found.extend(number(length(value))?.to_be_bytes());
        put(value, &mut found);
    }
    Ok(found)
}

fn scalar(value: &Value) -> Vec<u8> {
    let mut found = Vec::with_capacity(length(value));
    put(value, &mut found);
    found
}

/// The number of its type, `pg_type.oid`, which is the same in every database.
fn kind_of(value: &Value) -> i32 {
    match value {
        Value::Bool(_) => 16,
        Value::Blob(_) => 17,
        Value::Int(_) => 20,
        Value::Text(_) => 25,
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Bool(_) => size_of::<bool>(),
        Value::Blob(bytes) => bytes.len(),
        Value::Int(_) => size_of::<i64>(),
        Value::Text(text) => text.len(),
    }
}

fn put(value: &Value, into: &mut Vec<u8>) {
    match value {
        Value::Bool(truth) => into.push(u8::from(*truth)),
        Value::Blob(bytes) => into.extend(bytes),
        Value::Int(number) => into.extend(number.to_be_bytes()),
        Value::Text(text) => into.extend(text.as_bytes()),
    }
}

fn number(count: usize) -> Sent<i32> {
    i32::try_from(count).map_err(|_| Unsendable::TooLong(count))
}
