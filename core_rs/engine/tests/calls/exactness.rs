//! A number that a policy compares is the number that was written, to its last digit.

use proptest::prelude::*;

use crate::scene::{loaded, said};

const SCHEMA: &str = r#"{"type": "object", "required": ["d", "w"], "properties": {
    "d": {"type": "number"}, "w": {"type": "integer"}}}"#;

/// A number as JSON writes it: its digits without a point, how many stand behind it, its exponent.
#[derive(Debug, Clone)]
struct Written {
    text: String,
    digits: i128,
    power: i64,
}

fn fractions() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[0-9]{1,4}", "[0-9]{1,3}0{0,9}", "[0-9]{1,9}"]
}

prop_compose! {
    fn numbers()(
        is_negative in any::<bool>(),
        whole in prop_oneof![Just(0_u64), 1..1_000_u64, any::<u64>().prop_map(|n| n / 2)],
        fraction in fractions(),
        exponent in prop::option::of(prop_oneof![-9..9_i64, -40..40_i64]),
        upper in any::<bool>(),
        plus in any::<bool>(),
    ) -> Written {
        let sign = if is_negative { "-" } else { "" };
        let point = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
        let letter = if upper { 'E' } else { 'e' };
        let written = exponent.map_or_else(String::new, |power| {
            let plus = if plus && power >= 0 { "+" } else { "" };
            format!("{letter}{plus}{power}")
        });
        let digits = format!("{sign}{whole}{fraction}").parse().unwrap_or_default();
        let behind = i64::try_from(fraction.len()).unwrap_or_default();
        let power = exponent.unwrap_or_default() - behind;
        Written { text: format!("{sign}{whole}{point}{written}"), digits, power }
    }
}

/// The number in units of 10^-places, by exact arithmetic; none where that is not whole, or beyond
/// 64 bits.
fn units(Written { digits, power, .. }: &Written, places: i64) -> Option<i64> {
    if *digits == 0 {
        return Some(0);
    }
    let shift = power + places;
    let factor = u32::try_from(shift.abs()).ok().and_then(|by| 10_i128.checked_pow(by))?;
    let units = if shift >= 0 {
        digits.checked_mul(factor)?
    } else if digits % factor == 0 {
        digits / factor
    } else {
        return None;
    };
    i64::try_from(units).ok()
}

fn equal_to(name: &str, literal: &str) -> String {
    format!(
        "@id(\"{name}\") @checkpoint(\"data_access\")
        forbid (principal, action == Action::\"call_tool.t\", resource)
        when {{ context.arguments.{name} == {literal} }};"
    )
}

/// Whether it is told, and then whether a policy finds it equal to a literal of Cedar's own.
fn found(name: &str, other: &str, text: &str, literal: &str) -> Option<bool> {
    let policies = loaded(&[("t", SCHEMA)], &[&equal_to(name, literal)]);
    let verdict = said(&policies, "t", &format!("{{\"{name}\": {text}, \"{other}\": 0}}"));
    verdict.unrepresentable.is_none().then(|| {
        let ids: Vec<_> = verdict.checkpoints.into_iter().map(|(_, id)| id).collect();
        ids == [name]
    })
}

fn decimal(units: i64) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("decimal(\"{sign}{}.{:04}\")", units / 10_000, units % 10_000)
}

/// Few, for each loads policies; more in an exploring run, which asks for some thousands.
fn cases() -> u32 {
    std::env::var_os("PROPTEST_CASES").map_or(48, |_| ProptestConfig::default().cases / 8)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: cases(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_decimal_is_the_number_that_was_written_or_is_not_told(number in numbers()) {
        let expected = units(&number, 4);
        let literal = decimal(expected.unwrap_or_default());

        prop_assert_eq!(expected.map(|_| true), found("d", "w", &number.text, &literal));
    }

    #[test]
    fn a_whole_number_is_the_one_that_was_written_or_is_not_told(number in numbers()) {
        let expected = units(&number, 0);
        let literal = expected.unwrap_or_default().to_string();

        prop_assert_eq!(expected.map(|_| true), found("w", "d", &number.text, &literal));
    }
}

#[test]
fn the_edges_of_what_is_told() {
    for (text, units) in [
        ("922337203685477.5807", Some(i64::MAX)),
        ("922337203685477.5808", None),
        ("-922337203685477.5808", Some(i64::MIN)),
        ("-922337203685477.5809", None),
        ("0.0001", Some(1)),
        ("0.00010000000000000000000000000000000000000", Some(1)),
        ("0.00001", None),
        ("1e-4", Some(1)),
        ("1e-5", None),
        ("0.30000000000000004", None),
        ("100000000000000000000e-20", Some(10_000)),
        ("0e99999999999999999999999", Some(0)),
        ("0.0e-9999999999999999999999", Some(0)),
        ("1e-99999999999999999999999", None),
        ("-0", Some(0)),
    ] {
        let literal = decimal(units.unwrap_or_default());

        assert_eq!(units.map(|_| true), found("d", "w", text, &literal), "{text}");
    }
    for (text, whole) in [
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("9.223372036854775807e18", Some(i64::MAX)),
        ("1.5", None),
        ("15e-1", None),
        ("150e-1", Some(15)),
    ] {
        let literal = whole.unwrap_or_default().to_string();

        assert_eq!(whole.map(|_| true), found("w", "d", text, &literal), "{text}");
    }
}
