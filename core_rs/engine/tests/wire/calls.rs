//! Tool calls: whole, declared and once, or not at all.

use chenu_engine::wire::{ARGUMENTS_BYTES_MAX, Wire};

use crate::{Said, said, stream};

fn called(fragments: &[&str], reason: &str) -> Said {
    let chunks: Vec<String> = fragments
        .iter()
        .map(|it| format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{it}]}}}}]}}"#))
        .chain([
            format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#),
            "[DONE]".to_owned(),
        ])
        .collect();
    said(Wire::Chat, &stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>()))
}

#[test]
fn fragments_of_calls_join_by_id_then_index() {
    let one = |city: &str| ("get_weather".to_owned(), format!(r#"{{"city":"{city}"}}"#));
    let shared = [
        concat!(
            r#"{"index":0,"id":"a","function":{"name":"get_weather","arguments":"{"#,
            r#"\"city\":\"Paris\"}"}}"#,
        ),
        r#"{"index":0,"id":"b","function":{"name":"get_weather","arguments":"{\"city\":"}}"#,
        r#"{"index":0,"id":"b","function":{"arguments":"\"Lyon\"}"}}"#,
    ];
    let no_index = [
        r#"{"id":"a","function":{"name":"get_weather","arguments":"{\"city\":"}}"#,
        r#"{"function":{"arguments":"\"Paris\"}"}}"#,
    ];
    let late = [
        r#"{"index":0,"function":{"name":"get_weather","arguments":"{\"city\":"}}"#,
        r#"{"index":0,"id":"a","function":{"arguments":"\"Paris\"}"}}"#,
    ];
    let empty = [r#"{"index":0,"id":"a","function":{"name":"get_weather","arguments":""}}"#];

    assert_eq!(vec![one("Paris"), one("Lyon")], called(&shared, "tool_calls").calls);
    assert_eq!(vec![one("Paris")], called(&no_index, "tool_calls").calls);
    assert_eq!(vec![one("Paris")], called(&late, "tool_calls").calls);
    assert_eq!(
        vec![("get_weather".to_owned(), "{}".to_owned())],
        called(&empty, "tool_calls").calls
    );
}

#[test]
fn a_call_that_is_cut_undeclared_or_too_long_reaches_nobody() {
    let cut = r#"{"index":0,"id":"a","function":{"name":"get_weather","arguments":"{\"city\":"}}"#;
    let drop = r#"{"index":0,"id":"a","function":{"name":"drop_tables","arguments":"{}"}}"#;
    let old = stream(&[
        concat!(
            r#"{"choices":[{"index":0,"delta":{"function_call":{"name":"f","#,
            r#""arguments":"{}"}},"finish_reason":"function_call"}]}"#,
        ),
        "[DONE]",
    ]);
    let long = format!(
        r#"{{"index":0,"id":"a","function":{{"name":"get_weather","arguments":"{}"}}}}"#,
        "a".repeat(ARGUMENTS_BYTES_MAX + 1)
    );

    for (said, kind) in [
        (called(&[cut], "length"), "tool_call_cut"),
        (called(&[cut], "tool_calls"), "tool_call_arguments"),
        (called(&[drop], "tool_calls"), "tool_call_undeclared"),
        (said(Wire::Chat, &old), "tool_call_undeclared"),
        (called(&[&long], "tool_calls"), "malformed"),
    ] {
        assert_eq!(Some(kind), said.fault.map(|fault| fault.kind).as_deref());
        assert_eq!(Vec::<(String, String)>::new(), said.calls);
    }
}
