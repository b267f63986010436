//! An answer that must be JSON is, or is a failure; its text is told in any case.

use chenu_engine::wire::{Decoder, Expected, OUTPUT_BYTES_MAX, Wire};

use crate::{CITY, STOP, Said, get_weather, heard, stream};

fn asked(expected: &Expected, text: &str, reason: &str) -> Said {
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let text = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{quoted}"}}}}]}}"#);
    let body = stream(&[&text, &STOP.replace("stop", reason), "[DONE]"]);
    let decoder = Decoder::new(Wire::Chat, vec![get_weather()], expected.clone(), true, false);
    heard(decoder, body.as_bytes(), &[1 << 16])
}

fn schema() -> Expected {
    Expected::JsonSchema(CITY.to_owned())
}

#[test]
fn json_is_found_alone_or_in_one_fence() {
    let json = r#"{"city":"Paris"}"#;
    for text in [
        json.to_owned(),
        format!("  \n{json}\n"),
        format!("```json\n{json}\n```"),
        format!("\n```JSON\n{json}```\n"),
        format!("```{json}```"),
        format!("```\n{json}\n```"),
    ] {
        for expected in [Expected::Json, schema()] {
            let said = asked(&expected, &text, "stop");

            assert_eq!((Some(json), None), (said.json.as_deref(), said.wrong()), "{text}");
            assert_eq!(text, said.text);
        }
        assert_eq!(None, asked(&Expected::Text, &text, "stop").json);
    }
}

#[test]
fn what_is_not_the_json_that_was_asked_for_is_a_failure() {
    for (expected, text, reason, problem) in [
        (Expected::Json, r#"["city","#, "stop", "not_json"),
        (Expected::Json, "", "stop", "not_json"),
        (Expected::Json, "7", "stop", "not_json"),
        (Expected::Json, "```", "stop", "not_json"),
        (Expected::Json, r#"Here: {"city":"Paris"}"#, "stop", "not_json"),
        (Expected::Json, r#"{"city":"Paris"} {}"#, "stop", "not_json"),
        (Expected::Json, "```json\n{}\n``` and ```json\n{}\n```", "stop", "not_json"),
        (Expected::Json, r#"["city","#, "length", "cut"),
        (schema(), r#"["city","#, "stop", "not_json"),
        (schema(), r#"{"city":1}"#, "stop", "schema"),
        (schema(), "[]", "stop", "schema"),
        (schema(), r#"{"city":1}"#, "length", "cut"),
        (Expected::JsonSchema("[".to_owned()), "{}", "stop", "schema"),
    ] {
        let said = asked(&expected, text, reason);

        assert_eq!(Some(("output_invalid", problem)), said.wrong(), "{text}");
        assert_eq!((text, None), (&*said.text, said.json.as_deref()), "{text}");
        assert_eq!(Some(true), said.fault.map(|fault| fault.is_whole), "{text}");
    }
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    for expected in [Expected::Json, Expected::JsonSchema("{}".to_owned())] {
        assert_eq!(Some(("output_invalid", "not_json")), asked(&expected, &deep, "stop").wrong());
    }
}

#[test]
fn a_whole_output_counts_also_where_its_cap_was_met() {
    assert_eq!(Some("{}"), asked(&Expected::Json, "{}", "length").json.as_deref());
}

#[test]
fn a_refusal_and_a_call_are_no_output() {
    let call = concat!(
        r#"{"choices":[{"index":0,"delta":{"content":"Well","tool_calls":[{"id":"a","function":{"#,
        r#""name":"get_weather","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    );
    let refused = asked(&schema(), "I can't", "content_filter");
    let decoder = Decoder::new(Wire::Chat, vec![get_weather()], schema(), true, false);
    let called = heard(decoder, stream(&[call, "[DONE]"]).as_bytes(), &[7]);

    assert_eq!((None, None), (refused.wrong(), refused.json.as_deref()));
    assert_eq!((None, None, 1), (called.wrong(), called.json.as_deref(), called.calls.len()));
}

#[test]
fn an_output_that_is_too_large_is_a_failure() {
    let body = |bytes: usize| {
        let chunk = format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"{}"}}}}]}}"#,
            " ".repeat(1 << 19)
        );
        let text = r#"{"choices":[{"index":0,"delta":{"content":"{}"}}]}"#;
        let mut events = vec![chunk.as_str(); bytes / (1 << 19)];
        events.extend([text, STOP, "[DONE]"]);
        let decoder = Decoder::new(Wire::Chat, Vec::new(), Expected::Json, true, false);
        heard(decoder, stream(&events).as_bytes(), &[1 << 16])
    };

    assert_eq!(Some("{}"), body(OUTPUT_BYTES_MAX / 2).json.as_deref());
    assert_eq!(Some(("output_invalid", "too_large")), body(OUTPUT_BYTES_MAX).wrong());
}
