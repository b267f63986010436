//! What of a JSON schema policies can name, and as what.

use crate::scene::{load, loaded, passed, said};

fn of(property: &str, required: bool) -> String {
    let required = if required { r#"["a"]"# } else { "[]" };
    format!(r#"{{"type": "object", "required": {required}, "properties": {{"a": {property}}}}}"#)
}

fn when(condition: &str) -> String {
    format!(
        "@id(\"seen\") forbid (principal, action == Action::\"call_tool.t\", resource)
        when {{ {condition} }};"
    )
}

/// Asserts that a policy finds its condition in one value of the property, and not in another one.
fn finds(property: &str, condition: &str, value: &str, other: &str) {
    let policies = loaded(&[("t", &of(property, true))], &[&when(condition)]);

    let seen = said(&policies, "t", &format!("{{\"a\": {value}}}"));
    assert_eq!(vec!["seen"], seen.denied_by, "{property} {value}");
    let unseen = said(&policies, "t", &format!("{{\"a\": {other}}}"));
    assert_eq!(passed(), unseen, "{property} {other}");
}

#[test]
fn each_kind_of_property_has_its_type() {
    let a = "context.arguments.a";
    finds(r#"{"type": "string"}"#, &format!(r#"{a} like "x*""#), r#""x1""#, r#""y""#);
    finds(r#"{"enum": ["x", "y"]}"#, &format!(r#"{a} == "x""#), r#""x""#, r#""y""#);
    finds(r#"{"type": "boolean"}"#, a, "true", "false");
    finds(r#"{"type": "integer"}"#, &format!("{a} * 2 > 7"), "4.0", "3");
    finds(r#"{"type": ["integer"]}"#, &format!("{a} == 300"), "3e2", "3");
    let price = format!(r#"{a} == decimal("19.99")"#);
    finds(r#"{"type": "number", "minimum": 0}"#, &price, "19.990", "19.9901");
}

#[test]
fn a_keyword_beside_a_type_only_narrows_it() {
    let either = r#"{"type": "string", "oneOf": [{"minLength": 1}, {"maxLength": 0}]}"#;

    finds(either, r#"context.arguments.a == "x""#, r#""x""#, r#""""#);
}

#[test]
fn an_array_of_one_type_is_a_set() {
    let of = |items: &str| format!(r#"{{"type": "array", "items": {items}}}"#);
    let (texts, numbers) = (of(r#"{"type": "string"}"#), of(r#"{"type": "number"}"#));
    let nested = of(&of(r#"{"type": "integer"}"#));
    let all = r#"context.arguments.a.containsAll([decimal("0.1"), decimal("2.0")])"#;

    finds(&texts, r#"context.arguments.a.contains("x")"#, r#"["y", "x", "x"]"#, "[]");
    finds(&numbers, all, "[2, 1e-1]", "[0.1]");
    finds(&nested, "context.arguments.a.contains([1, 2])", "[[2, 1, 1]]", "[[1], [2]]");
}

#[test]
fn an_object_in_an_object_is_a_record() {
    let property = r#"{"type": "object", "required": ["b"], "properties": {"b":
        {"type": "object", "properties": {"a space": {"type": "string"}}}}}"#;
    let condition =
        r#"context.arguments.a.b has "a space" && context.arguments.a.b["a space"] == "x""#;

    finds(property, condition, r#"{"b": {"a space": "x"}}"#, r#"{"b": {}}"#);
}

#[test]
fn what_need_not_be_there_is_asked_for_first() {
    let (bare, asked) = ("context.arguments.a", "context.arguments has a && context.arguments.a");
    for (schema, is_always_there) in [
        (of(r#"{"type": "boolean"}"#, true), true),
        (of(r#"{"type": "boolean"}"#, false), false),
        (of(r#"{"type": ["boolean", "null"]}"#, true), false),
        (of(r#"{"type": ["null", "boolean"]}"#, false), false),
    ] {
        assert_eq!(is_always_there, load(&[("t", &schema)], &[&when(bare)]).is_ok(), "{schema}");
        assert!(load(&[("t", &schema)], &[&when(asked)]).is_ok(), "{schema}");
    }
}

#[test]
fn what_the_schema_leaves_open_has_no_name() {
    for property in [
        "{}",
        "true",
        r#"{"type": ["string", "integer"]}"#,
        r#"{"type": ["integer", "number"]}"#,
        r#"{"type": "null"}"#,
        r#"{"oneOf": [{"type": "string"}, {"type": "string"}]}"#,
        r#"{"enum": ["x", 1]}"#,
        r#"{"enum": [null]}"#,
        r#"{"const": "x"}"#,
        r##"{"$ref": "#", "type": "string"}"##,
        r#"{"type": "array"}"#,
        r#"{"type": "array", "items": true}"#,
        r#"{"type": "array", "items": {"type": ["string", "null"]}}"#,
        r#"{"type": "array", "items": {"type": "string"}, "prefixItems": [{}]}"#,
    ] {
        let schema = of(property, true);
        let named = when("context.arguments has a");
        let policies = loaded(&[("t", &schema)], &[]);

        assert!(load(&[("t", &schema)], &[&named]).is_err(), "{property}");
        assert_eq!(passed(), said(&policies, "t", r#"{"a": [{"b": 0.12345}]}"#), "{property}");
    }
}

#[test]
fn values_of_names_that_are_not_listed_are_not_told() {
    let map = r#"{"type": "object", "additionalProperties": {"type": "number"}}"#;
    let policies = loaded(&[("t", map)], &[]);

    assert_eq!(passed(), said(&policies, "t", r#"{"x": 0.12345, "y": "z"}"#));
    assert!(load(&[("t", map)], &[&when("context.arguments has x")]).is_err());
}

#[test]
fn a_property_may_have_any_name() {
    for name in ["", "in", "__cedar", "has space", "\"\\", "日本", "type"] {
        let quoted = serde_json::Value::from(name).to_string();
        let schema =
            format!(r#"{{"type": "object", "properties": {{{quoted}: {{"type": "integer"}}}}}}"#);
        let cedar = format!("\"{}\"", name.escape_default());
        let condition = format!("context.arguments has {cedar} && context.arguments[{cedar}] == 7");
        let policies = loaded(&[("t", &schema)], &[&when(&condition)]);

        let seen = said(&policies, "t", &format!("{{{quoted}: 7}}"));
        assert_eq!(vec!["seen"], seen.denied_by, "{name:?}");
        assert_eq!(passed(), said(&policies, "t", &format!("{{{quoted}: 8}}")), "{name:?}");
    }
}
