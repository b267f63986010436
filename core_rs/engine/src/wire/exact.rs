//! Whether every reader of a JSON text reads the same in it.
//!
//! A person approves a call's arguments as they stand, and some other program carries them out.
//! What two readers could take differently was so approved by nobody.

use super::json::{is_whole, names_once};

/// What an object begins with.
const OBJECT: char = '{';
/// The digits of the largest number of 64 bits.
const DIGITS_MAX: usize = 19;

/// Why a text is not one JSON object in which every reader reads the same; none: it is.
pub(super) fn inexact(text: &str) -> Option<&'static str> {
    if !text.trim_start().starts_with(OBJECT) {
        return Some("arguments");
    }
    if !names_once(text) {
        // Read again only where something is wrong, to say what.
        return Some(if is_whole(text) { "duplicate_key" } else { "arguments" });
    }
    numbers(text).any(|number| !keeps_its_value(number)).then_some("number")
}

/// Whether a text is one JSON object, and no name stands twice in it or in an object inside it.
pub(crate) fn is_object_once(text: &str) -> bool {
    text.trim_start().starts_with(OBJECT) && names_once(text)
}

/// The numbers of a well-formed JSON text, as they are written.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut in_string = false;
    let mut escaped = false;
    text.split(move |character: char| {
        let is_part = !in_string && matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        if escaped {
            escaped = false;
        } else if in_string && character == '\\' {
            escaped = true;
        } else if character == '"' {
            in_string = !in_string;
        }
        !is_part
    })
    // `true` and `false` have an `e`, and a number begins with none.
    .filter(|piece| piece.starts_with(|first: char| first == '-' || first.is_ascii_digit()))
}

/// Whether it is the same number to who reads it as 64 bits of integer, or else as a double.
fn keeps_its_value(literal: &str) -> bool {
    if literal.parse::<i64>().is_ok() {
        return true;
    }
    // The shortest digits that make the same double again: what most programs would print.
    let double = literal.parse::<f64>().ok().filter(|double| double.is_finite());
    let told = double.map(|double| format!("{double:e}"));
    told.is_some_and(|told| decimal(&told).is_some_and(|value| Some(value) == decimal(literal)))
}

/// A number's value: its digits, without zeros at either end, and the power of ten of the last.
fn decimal(literal: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(positive) => (true, positive),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let kept = significant.trim_start_matches('0');
    if kept.is_empty() {
        return Some((false, String::new(), 0)); // however it is written, and whatever its sign
    }
    let behind = i64::try_from(digits.len() - significant.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let last = exponent.parse::<i64>().ok()?.checked_add(behind)?.checked_sub(places)?;
    Some((is_negative, kept.to_owned(), last))
}

/// How often a number holds the last of `places` digits behind its point, where that is a whole
/// number of 64 bits.
pub(crate) fn scaled(literal: &str, places: u8) -> Option<i64> {
    let (is_negative, digits, last) = decimal(literal)?;
    if digits.is_empty() {
        return Some(0);
    }
    let zeros = usize::try_from(last.checked_add(i64::from(places))?).ok()?;
    // Before the zeros are written, of which an exponent can ask for more than there is room for.
    if digits.len().checked_add(zeros)? > DIGITS_MAX {
        return None;
    }
    let sign = if is_negative { "-" } else { "" };
    format!("{sign}{digits}{:0<zeros$}", "").parse().ok()
}
