//! Tool calls: whole, declared and once, or not at all.

use chenu_engine::wire::{ARGUMENTS_BYTES_MAX, CALLS_MAX, Declared, Decoder, Expected, Wire};

use crate::{END, START, STOP, Said, heard, said, stream};

fn called(fragments: &[&str], reason: &str) -> Said {
    said(Wire::Chat, &calls_of(fragments, reason))
}

fn calls_of(fragments: &[&str], reason: &str) -> String {
    let chunks: Vec<String> = fragments
        .iter()
        .map(|it| format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{it}]}}}}]}}"#))
        .chain([
            format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#),
            "[DONE]".to_owned(),
        ])
        .collect();
    stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
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
fn a_character_that_is_cut_between_two_fragments_is_whole() {
    let first = |half: &str| {
        let name = r#""index":0,"id":"a","function":{"name":"get_weather","arguments":"#;
        format!(r#"{{{name}"{{\"city\":\"{half}"}}}}"#)
    };
    let then = |half: &str| format!(r#"{{"index":0,"function":{{"arguments":"{half}\"}}"}}}}"#);
    let asked = |halves: [&str; 2]| called(&[&first(halves[0]), &then(halves[1])], "tool_calls");

    let whole = ("get_weather".to_owned(), "{\"city\":\"😀\"}".to_owned());
    assert_eq!(vec![whole], asked([r"\ud83d", r"\ude00"]).calls);
    // Half a character is nothing that could be carried out.
    for lone in [[r"\ud83d", "x"], ["x", r"\ude00"]] {
        let said = asked(lone);
        assert!(said.calls.is_empty());
        assert_eq!(Some("arguments"), said.fault.as_ref().map(|fault| &*fault.problem));
    }
}

#[test]
fn a_call_that_is_cut_undeclared_or_too_long_reaches_nobody() {
    let cut = r#"{"index":0,"id":"a","function":{"name":"get_weather","arguments":"[\"city\","}}"#;
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

    let named = |problem: &'static str, subject: &'static str| Some((problem, subject, true));
    for (said, told) in [
        (called(&[cut], "length"), named("cut", "get_weather")),
        (called(&[cut], "tool_calls"), named("arguments", "get_weather")),
        (called(&[drop], "tool_calls"), named("undeclared", "drop_tables")),
        (said(Wire::Chat, &old), named("undeclared", "f")),
        (called(&[&long], "tool_calls"), Some(("", "", false))),
    ] {
        let fault = said.fault.as_ref();
        assert_eq!(told, fault.map(|it| (&*it.problem, &*it.subject, it.is_whole)));
        assert_eq!(Vec::<(String, String)>::new(), said.calls);
    }
}

/// What a person approves must be what the tool reads, whichever program reads it there.
#[test]
fn arguments_that_two_readers_could_take_differently_reach_nobody() {
    let problem = |arguments: &str| {
        let escaped = arguments.replace('\\', r"\\");
        let said = called(&[&weather(r#""id":"a","#, &escaped)], "tool_calls");
        said.fault.map(|fault| fault.problem)
    };
    let with = |value: &str| problem(&format!(r#"{{"city":"Paris","more":{value}}}"#));

    let kept = concat!(
        "0 -0 0.0 0e999999999999999999999 1 -7 0.1 19.99 1e2 1E+2 1.50 9007199254740993 1e22 ",
        "9223372036854775807 -9223372036854775808 5e-324 10000000000000000000000 true false null",
    );
    let nested = [r#""1e999 \\\" 1e999""#, r#"{"e":[]}"#, r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#];
    for kept in kept.split(' ').chain(nested) {
        assert_eq!(None, with(kept), "{kept}");
    }
    let changed = concat!(
        "9223372036854775808 18446744073709551615 18446744073709551616 0.10000000000000001 ",
        "9007199254740993.0 1e-400 [1,{\"a\":-0.3000000000000000444e0001}] 123456789012345678901 ",
        "4.9e-325",
    );
    for changed in changed.split(' ') {
        assert_eq!(Some("number"), with(changed).as_deref(), "{changed}");
    }
    for no_double in ["1e400", "-1e400", "1e99999999999999999999"] {
        assert_eq!(Some("arguments"), with(no_double).as_deref(), "{no_double}");
    }
    for twice in [
        r#"{"city":"Paris","city":"Paris"}"#,
        r#"{"city":"Paris","\u0063ity":"Lyon"}"#,
        r#"{"city":"Paris","more":[{"a":1,"b":2,"a":1}]}"#,
    ] {
        assert_eq!(Some("duplicate_key"), problem(twice).as_deref(), "{twice}");
    }
    for lone in [r#"{"city":"\ud83d"}"#, r#"{"city":"\ude00\ud83d"}"#, r#"{"\ud83d":1}"#] {
        assert_eq!(Some("arguments"), problem(lone).as_deref(), "{lone}");
    }
}

/// Each may need a person, who can look at so many.
#[test]
fn more_calls_than_a_person_can_look_at_reach_nobody() {
    let calls = |count: usize| -> Said {
        let each =
            |at| weather(&format!(r#""index":{at},"id":"call {at}","#), r#"{"city":"Paris"}"#);
        let calls: Vec<String> = (0..count).map(each).collect();
        called(&calls.iter().map(String::as_str).collect::<Vec<_>>(), "tool_calls")
    };

    assert_eq!(CALLS_MAX, calls(CALLS_MAX).calls.len());
    for count in [CALLS_MAX + 1, 9 * CALLS_MAX] {
        let said = calls(count);
        assert_eq!(Some(("tool_call_invalid", "too_many")), said.wrong(), "{count}");
        assert!(said.calls.is_empty());
        assert!(said.fault.is_some_and(|fault| fault.is_whole), "its bill has been told by then");
    }
}

#[test]
fn a_whole_call_of_an_answer_that_was_cut_reaches_nobody() {
    let whole = weather(r#""id":"a","#, r#"{"city":"Paris"}"#);
    for reason in ["length", "content_filter", "what_is_this"] {
        let said = called(&[&whole], reason);

        assert_eq!(Some(("tool_call_invalid", "cut")), said.wrong(), "{reason}");
        assert_eq!(Vec::<(String, String)>::new(), said.calls);
    }
    for reason in ["tool_calls", "stop"] {
        assert_eq!(1, called(&[&whole], reason).calls.len(), "{reason}");
    }
}

#[test]
fn calls_that_are_no_list_or_were_run_by_the_provider_are_no_answer() {
    let in_delta = |delta: &str| {
        let event = format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
        said(Wire::Chat, &stream(&[&event, STOP, "[DONE]"]))
    };

    let no_list = in_delta(r#"{"tool_calls":{"id":"a","function":{"name":"evil"}}}"#);
    let executed = in_delta(r#"{"executed_tools":[{"type":"search","arguments":"{}"}]}"#);

    assert_eq!(Some(("malformed", "")), no_list.wrong());
    assert_eq!(Some(("tool_call_invalid", "provider_executed")), executed.wrong());
    for nothing in [r#"{"tool_calls":null}"#, r#"{"tool_calls":[]}"#, r#"{"executed_tools":[]}"#] {
        assert_eq!(None, in_delta(nothing).fault, "{nothing}");
    }
}

/// A fragment of a call of the declared tool, with these fields besides.
fn weather(fields: &str, arguments: &str) -> String {
    let arguments = arguments.replace('"', "\\\"");
    let function = format!(r#"{{"name":"get_weather","arguments":"{arguments}"}}"#);
    format!(r#"{{{fields}"function":{function}}}"#)
}

#[test]
fn arguments_satisfy_the_schema_of_their_tool() {
    for (arguments, problem) in [
        (r#"{"city":"Paris"}"#, None),
        ("", None),
        (r#"{"city":1}"#, Some("schema")),
        (r#"["city"]"#, Some("arguments")),
        ("null", Some("arguments")),
        (r#"{"city":"Paris"} 1"#, Some("arguments")),
        (r#"{"city":1e999}"#, Some("arguments")),
    ] {
        let said = called(&[&weather(r#""id":"a","#, arguments)], "tool_calls");

        assert_eq!(problem, said.wrong().map(|(_, problem)| problem), "{arguments}");
        assert_eq!(usize::from(problem.is_none()), said.calls.len(), "{arguments}");
    }
    let deep = format!(r#"{{"city":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let said = called(&[&weather(r#""id":"a","#, &deep)], "tool_calls");
    assert_eq!(Some(("tool_call_invalid", "arguments")), said.wrong());
}

#[test]
fn a_tool_with_required_arguments_is_not_called_without_any() {
    let required = r#"{"type":"object","required":["city"]}"#;
    for (parameters, problem) in
        [(required, Some("schema")), ("", None), ("{}", None), ("[", Some("schema"))]
    {
        let tool = Declared { name: "get_weather".to_owned(), parameters: parameters.to_owned() };
        let decoder = Decoder::new(Wire::Chat, vec![tool], Expected::Text, true, false);
        let body = calls_of(&[&weather(r#""id":"a","#, "")], "tool_calls");
        let said = heard(decoder, body.as_bytes(), &[7]);

        assert_eq!(problem, said.wrong().map(|(_, problem)| problem), "{parameters}");
    }
}

#[test]
fn no_two_calls_of_an_answer_have_one_id() {
    let hand = |id: &str, index: u64| {
        weather(&format!(r#""index":{index},"id":"{id}","#), r#"{"city":"Paris"}"#)
    };
    let ids = |fragments: &[&str]| called(fragments, "tool_calls").ids;

    assert_eq!(
        vec![(0, "call_2".to_owned()), (1, "call_1".to_owned()), (2, "call_0".to_owned())],
        ids(&[&hand("", 0), &hand("call_1", 1), &hand("call_0", 2)])
    );
    assert_eq!(
        Some(("tool_call_invalid", "duplicate_id")),
        called(&[&hand("a", 0), &hand("a", 1)], "tool_calls").wrong()
    );
}

#[test]
fn a_call_that_is_not_the_callers_to_carry_out_is_none() {
    let start = r#""type":"content_block_start","index":0"#;
    let block = |kind: &str| {
        stream(&[
            START,
            &format!(
                r#"{{{start},"content_block":{{"type":"{kind}",{}}}}}"#,
                r#""id":"a","name":"get_weather","input":{}"#,
            ),
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
            END,
        ])
    };
    assert_eq!(None, said(Wire::Messages, &block("tool_use")).wrong());
    for kind in ["server_tool_use", "mcp_tool_use", "web_search_tool_result", "mcp_tool_result"] {
        let said = said(Wire::Messages, &block(kind));

        assert_eq!(Some(("tool_call_invalid", "provider_executed")), said.wrong(), "{kind}");
    }
    for (kind, problem) in [
        ("null", None),
        ("\"\"", None),
        ("\"function\"", None),
        ("\"custom\"", Some("provider_executed")),
        ("\"web_search\"", Some("provider_executed")),
    ] {
        let fields = format!(r#""id":"a","type":{kind},"#);
        let said = called(&[&weather(&fields, "{}")], "tool_calls");

        assert_eq!(problem, said.wrong().map(|(_, problem)| problem), "{kind}");
    }
}
