//! A call's arguments in Cedar's terms: exactly, or not at all.

use std::collections::BTreeMap;

use cedar_policy::RestrictedExpression;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::shape::{Member, Shape};
use crate::wire::{is_object_once, scaled};

/// The digits that a decimal of Cedar's has behind the point.
const PLACES: u8 = 4;
/// One, in units of the last of them.
const ONE: u64 = 10_000;
const NOT_WHOLE: &str = "is no whole number of 64 bits";
const NOT_DECIMAL: &str = "is no number of at most 4 decimal places within 922337203685477.5807";

/// What cannot be told to policies, and why.
struct Untold {
    path: String,
    why: &'static str,
}

impl Untold {
    fn because(why: &'static str) -> Self {
        Self { path: String::new(), why }
    }

    /// The same, seen from one level up.
    fn under(self, step: impl AsRef<str>) -> Self {
        Self { path: format!("{}{}", step.as_ref(), self.path), ..self }
    }
}

/// The arguments of a call as a record of this shape; none where no shape is known.
///
/// # Errors
/// Where the first value stands that cannot be told exactly, and what it is not. Only names of the
/// tool's schema are quoted, none that the model wrote.
pub(super) fn translate(
    shape: Option<&Shape>,
    arguments: &[u8],
) -> Result<Option<RestrictedExpression>, String> {
    let read = || {
        let text = object(arguments)?;
        let raw: &RawValue = shaped(text, "is no JSON")?;
        shape.map(|shape| value(shape, raw)).transpose()
    };
    read().map_err(|untold| {
        let Untold { path, why } = untold.under("arguments");
        format!("{path} {why}")
    })
}

/// The text of one JSON object; even where nothing of it is told, for a name that stands twice is
/// read differently by different readers.
fn object(arguments: &[u8]) -> Result<&str, Untold> {
    let text = std::str::from_utf8(arguments).ok();
    let text = text.filter(|text| is_object_once(text));
    text.ok_or_else(|| Untold::because("is no JSON object in which each name stands once"))
}

fn value(shape: &Shape, raw: &RawValue) -> Result<RestrictedExpression, Untold> {
    let text = raw.get();
    match shape {
        Shape::Text => shaped(text, "is no string").map(RestrictedExpression::new_string),
        Shape::Flag => shaped(text, "is no boolean").map(RestrictedExpression::new_bool),
        Shape::Whole => number(text, 0, NOT_WHOLE).map(RestrictedExpression::new_long),
        Shape::Decimal => {
            let units = number(text, PLACES, NOT_DECIMAL)?;
            Ok(RestrictedExpression::new_decimal(spelt(units)))
        }
        Shape::Set(item) => set(item, text),
        Shape::Record(members) => record(members, text),
    }
}

fn set(item: &Shape, text: &str) -> Result<RestrictedExpression, Untold> {
    let items: Vec<&RawValue> = shaped(text, "is no array")?;
    let told = items.iter().enumerate();
    let told = told.map(|(at, raw)| value(item, raw).map_err(|e| e.under(format!("[{at}]"))));
    Ok(RestrictedExpression::new_set(told.collect::<Result<Vec<_>, _>>()?))
}

fn record(members: &BTreeMap<String, Member>, text: &str) -> Result<RestrictedExpression, Untold> {
    let given: BTreeMap<String, &RawValue> = shaped(text, "is no object")?;
    let mut fields = Vec::with_capacity(members.len());
    for (name, member) in members {
        let found = given.get(name).filter(|raw| raw.get() != "null");
        let told = match found {
            Some(raw) => value(&member.shape, raw),
            None if member.is_required => Err(Untold::because("is missing")),
            // Policies ask with `has`: they know no null.
            None => continue,
        };
        fields.push((name.clone(), told.map_err(|e| e.under(format!(".{name}")))?));
    }
    RestrictedExpression::new_record(fields).map_err(|_| Untold::because("has a name twice"))
}

fn shaped<'a, T: Deserialize<'a>>(text: &'a str, why: &'static str) -> Result<T, Untold> {
    serde_json::from_str(text).map_err(|_| Untold::because(why))
}

/// A JSON number in units of the last of `places` digits behind its point.
fn number(text: &str, places: u8, why: &'static str) -> Result<i64, Untold> {
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    // From the text: a double would take 0.1 for something near it.
    let units = is_number.then(|| scaled(text, places)).flatten();
    units.ok_or_else(|| Untold::because(why))
}

/// As Cedar's decimals are written.
fn spelt(units: i64) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:04}", units / ONE, units % ONE)
}
