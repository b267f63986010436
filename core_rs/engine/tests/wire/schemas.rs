//! Schemas that callers write: usable, or refused with what is wrong; never endless, never a crash.

use chenu_engine::wire::{Decoder, Expected, SCHEMA_BYTES_MAX, Wire, check_schemas};

use crate::{STOP, heard, stream};

/// Whether a text satisfies a schema.
fn satisfies(schema: &str, text: &str) -> bool {
    assert_eq!(Ok(()), check_schemas(&[schema]), "{schema}");
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{quoted}"}}}}]}}"#);
    let expected = Expected::JsonSchema(schema.to_owned());
    let decoder = Decoder::new(Wire::Chat, Vec::new(), expected, true, false);
    let body = stream(&[&text, STOP, "[DONE]"]);
    heard(decoder, body.as_bytes(), &[1 << 16]).json.is_some()
}

#[test]
fn a_schema_that_cannot_be_used_says_why() {
    let long = format!(r#"{{"title":"{}"}}"#, "a".repeat(SCHEMA_BYTES_MAX));
    let deep = r#"{"not":"#.repeat(200) + "{}" + &"}".repeat(200);
    let chain = r#"{"not":"#.repeat(30) + "{}" + &"}".repeat(30);
    let patterns = format!(r#"{{"allOf":[{}{{}}]}}"#, r#"{"pattern":"a"},"#.repeat(65));
    for (schema, said) in [
        ("", "it is not JSON"),
        ("[", "it is not JSON"),
        ("[]", "it is no JSON object"),
        ("true", "it is no JSON object"),
        (&*long, "it is longer than"),
        (&*deep, "it is nested too deep"),
        (&*chain, "more than 24 of its parts"),
        (&*patterns, "it has more than 64 patterns"),
        (r#"{"type":"strng"}"#, "its type is not usable"),
        (r#"{"pattern":"(?<=a)b"}"#, "its pattern is not usable"),
        (r#"{"pattern":"(\\w{500}){500}"}"#, "its pattern is not usable"),
        (r#"{"$ref":"https://example.com/x.json"}"#, "a $ref leads out of it"),
        (r#"{"properties":{"a":{"$ref":"file:///etc/passwd"}}}"#, "a $ref leads out of it"),
        (r##"{"$ref":"#/$defs/a"}"##, "a $ref leads nowhere"),
        (r##"{"$ref":"#a","$defs":{"a":{}}}"##, "a $ref leads nowhere"),
        (r##"{"$ref":"#"}"##, "a $ref leads in a circle"),
        (r##"{"anyOf":[{"type":"null"},{"not":{"$ref":"#"}}]}"##, "a $ref leads in a circle"),
        (r##"{"$dynamicRef":"#"}"##, "$dynamicRef is not supported"),
        (r#"{"properties":{"a":{"$id":"b"}}}"#, "$id is not supported"),
        (r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#, "its dialect is older"),
        (r#"{"$schema":"https://example.com/mine"}"#, "its"),
    ] {
        let told = check_schemas(&[schema]).map_err(|(_, problem)| problem);

        assert!(told.as_ref().is_err_and(|told| told.starts_with(said)), "{schema:.90}: {told:?}");
    }
}

#[test]
fn values_are_held_to_what_a_schema_says() {
    let list = r##"{"type":"object","properties":{"next":{"$ref":"#"},"n":{"type":"integer"}}}"##;
    let draft7 = concat!(
        r##"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"https://a.example/s","##,
        r##""items":[{"$ref":"#/definitions/n~1m"}],"definitions":{"n/m":{"const":1}}}"##,
    );
    for (schema, right, wrong) in [
        (list, r#"{"next":{"next":{"n":1}}}"#, r#"{"next":{"next":{"n":"1"}}}"#),
        (draft7, "[1,2]", "[2]"),
        (r#"{"enum":["a","b"]}"#, "\"b\"", "\"c\""),
        (r#"{"pattern":"^\\d+$"}"#, "\"12\"", "\"a\""),
        (r#"{"propertyNames":{"maxLength":1}}"#, r#"{"a":1}"#, r#"{"ab":1}"#),
        (r#"{"prefixItems":[{"type":"null"}],"items":false}"#, "[null]", "[null,1]"),
        (r#"{"properties":{"$ref":{"type":"string"}}}"#, r#"{"$ref":"a"}"#, r#"{"$ref":1}"#),
        (r#"{"format":"date","maxLength":3}"#, "\"abc\"", "\"abcd\""),
        (
            r#"{"required":["a"],"unevaluatedProperties":false,"properties":{"a":{}}}"#,
            r#"{"a":1}"#,
            r#"{"a":1,"b":2}"#,
        ),
    ] {
        assert_eq!((true, false), (satisfies(schema, right), satisfies(schema, wrong)), "{schema}");
    }
}

#[test]
fn a_check_that_would_take_too_long_is_not_begun() {
    let twice = r##"{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##;
    let nested = |depth: usize| r#"{"a":"#.repeat(depth) + "{}" + &"}".repeat(depth);
    let doubled = (0..10).fold(String::new(), |defs, at| {
        let next = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, at + 1);
        defs + &format!(r#""d{at}":{{"allOf":[{next},{next}]}},"#)
    });
    let wide = format!(
        r##"{{"items":{{"$ref":"#/$defs/d0"}},"$defs":{{{doubled}"d10":{{"type":"boolean"}}}}}}"##
    );
    let elements = |count: usize| format!("[{}true]", "true,".repeat(count));

    assert!(satisfies(twice, &nested(10)));
    assert!(!satisfies(twice, &nested(120)));
    assert!(satisfies(&wide, &elements(100)));
    assert!(!satisfies(&wide, &elements(10_000)));
}

#[test]
fn the_deepest_check_that_is_allowed_fits_on_a_small_stack() {
    let chain =
        r#"{"allOf":["#.repeat(12) + r##"{"properties":{"a":{"$ref":"#"}}}"## + &"]}".repeat(12);
    let nested = r#"{"a":"#.repeat(126) + "1" + &"}".repeat(126);

    assert!(satisfies(&chain, &nested));
}
