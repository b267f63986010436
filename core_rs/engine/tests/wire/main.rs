//! What providers and the proxies before them really send, and what is right.

use chenu_engine::wire::{
    ARGUMENTS_BYTES_MAX, Blame, Decoder, EVENT_BYTES_MAX, Event, Fault, Stop, Usage, Wire,
    refusal_of,
};
mod random;

/// Everything that an answer said.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    reasoning: String,
    calls: Vec<(String, String)>,
    fault: Option<Fault>,
    done: bool,
    usage: Usage,
    stop: Option<Stop>,
}

/// The answer in pieces of these sizes, over and over, and then its clean end.
fn said_in(wire: Wire, body: &[u8], sizes: &[usize]) -> Said {
    let mut decoder = Decoder::new(wire, vec!["get_weather".to_owned()], true, false);
    let mut said = Said::default();
    let mut rest = body;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        let fed = decoder.feed(piece);
        take(&mut said, fed.events, fed.fault);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let fed = decoder.end();
    take(&mut said, fed.events, fed.fault);
    said.done = decoder.is_done();
    said.usage = decoder.usage();
    said.stop = Some(decoder.stop());
    said
}

fn take(said: &mut Said, events: Vec<Event>, fault: Option<Fault>) {
    for event in events {
        match event {
            Event::Text(text) => said.text += &text,
            Event::Reasoning(text) => said.reasoning += &text,
            Event::Call { name, arguments, .. } => said.calls.push((name, arguments)),
        }
    }
    said.fault = said.fault.take().or(fault);
}

fn said(wire: Wire, body: &str) -> Said {
    said_in(wire, body.as_bytes(), &[body.len()])
}

/// A stream of these events, each on a `data` line.
fn stream(events: &[&str]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect::<Vec<_>>().concat()
}

const HELLO: &str = r#"{"model":"m1","choices":[{"index":0,"delta":{"content":"Hello"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#;

/// A whole answer on the chat wire: these events, a stop, the terminator.
fn chat(events: &[&str]) -> Said {
    said(Wire::Chat, &stream(&[&[HELLO], events, &[STOP, "[DONE]"]].concat()))
}

fn told(usage: &str) -> Usage {
    chat(&[&format!(r#"{{"choices":[],"usage":{usage}}}"#)]).usage
}

fn exact(input: u64, output: u64) -> Usage {
    Usage { input_tokens: input, output_tokens: output, exact: true, ..Usage::default() }
}

#[test]
fn an_answer_is_its_text_its_stop_and_its_usage() {
    let said = chat(&[USAGE]);

    assert_eq!(("Hello", Some(Stop::End), exact(11, 7)), (&*said.text, said.stop, said.usage));
    assert!(said.done && said.fault.is_none());
}

#[test]
fn a_later_smaller_count_never_erases_an_earlier_one() {
    for later in ["{}", "null", r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#] {
        let said = chat(&[USAGE, &format!(r#"{{"choices":[],"usage":{later}}}"#)]);

        assert_eq!(exact(11, 7), said.usage, "{later}");
    }
}

#[test]
fn usage_can_make_a_cost_estimated_but_never_an_answer_false() {
    for (usage, input, output) in [
        (r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#, 0, 0),
        (r#"{"prompt_tokens":null,"completion_tokens":7}"#, 0, 7),
        (r#"{"prompt_tokens":11}"#, 11, 0),
        (r#"{"prompt_tokens":-1,"completion_tokens":7}"#, 0, 7),
        (r#"{"prompt_tokens":11.5,"completion_tokens":7}"#, 0, 7),
        (r#"{"prompt_tokens":"11","completion_tokens":7}"#, 0, 7),
        (r#"{"prompt_tokens":1e300,"completion_tokens":7}"#, 0, 7),
        (
            concat!(
                r#"{"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"#,
                r#""cached_tokens":50}}"#,
            ),
            0,
            7,
        ),
        (r#""eleven""#, 0, 0),
        ("[1]", 0, 0),
    ] {
        let said = chat(&[&format!(r#"{{"choices":[],"usage":{usage}}}"#)]);

        assert!(said.done && said.fault.is_none(), "{usage}");
        assert!(!said.usage.exact, "{usage}");
        assert_eq!((input, output), (said.usage.input_tokens, said.usage.output_tokens), "{usage}");
    }
}

#[test]
fn what_was_told_in_any_spelling_is_exact() {
    assert_eq!(exact(11, 7), told(r#"{"prompt_tokens":11.0,"completion_tokens":7.0}"#));
    assert_eq!(exact(11, 7), told(r#"{"prompt_tokens":11,"total_tokens":18}"#));
    assert_eq!(exact(11, 7), told(r#"{"completion_tokens":7,"total_tokens":18}"#));
    // Reasoning that the output leaves out is in the total, and billed.
    assert_eq!(
        exact(11, 107),
        told(r#"{"prompt_tokens":11,"completion_tokens":7,"total_tokens":118}"#)
    );
    let cached =
        r#"{"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4}}"#;
    assert_eq!(Usage { cache_read_tokens: 4, ..exact(7, 7) }, told(cached));
}

#[test]
fn usage_is_read_wherever_a_provider_puts_it() {
    let groq = r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":11,"completion_tokens":7}}}"#;
    let beside = concat!(
        r#"{"choices":[{"index":0,"delta":{},"usage":{"prompt_tokens":11,"#,
        r#""completion_tokens":7}}]}"#,
    );

    assert_eq!(exact(11, 7), chat(&[groq]).usage);
    assert_eq!(exact(11, 7), chat(&[beside]).usage);
}

#[test]
fn an_answer_without_its_terminator_or_its_reason_was_cut() {
    let cut = [stream(&[HELLO, STOP]), stream(&[HELLO, "[DONE]"]), stream(&[HELLO]), String::new()];
    for body in cut {
        let said = said(Wire::Chat, &body);

        assert_eq!(Some("truncated"), said.fault.map(|fault| fault.kind).as_deref(), "{body}");
    }
}

#[test]
fn what_the_event_stream_standard_allows_is_read() {
    let same = chat(&[USAGE]);
    let events = [HELLO, STOP, USAGE, "[DONE]"];
    let plain = stream(&[HELLO, USAGE, STOP, "[DONE]"]);
    for body in [
        format!("\u{FEFF}{plain}"),
        plain.replace('\n', "\r\n"),
        plain.replace("data: {", "data: {\ndata: "),
        plain.replace("data: {", "data: {\ndata: ").replace('\n', "\r\n"),
        plain.replace('\n', "\r"),
        format!(": a comment\n\nretry: 10\nid: 4\n\n{plain}"),
        format!("data: null\n\ndata:\n\n{plain}"),
        plain.replace("data: ", "data:"),
        plain.replace("[DONE]", "[DONE] "),
        plain.trim_end().to_owned(),
        format!("{plain}data: what follows is not read\n\n"),
        events
            .iter()
            .map(|event| format!("event: chunk\ndata: {event}\n\n"))
            .collect::<Vec<_>>()
            .concat(),
    ] {
        assert_eq!(same, said(Wire::Chat, &body), "{body:?}");
    }
}

#[test]
fn parts_are_text_and_thoughts_and_only_the_first_choice_is_read() {
    let parts = concat!(
        r#"{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","#,
        r#""thinking":[{"text":"hm"}]},{"type":"text","text":" there"}]}},{"#,
        r#""index":1,"delta":{"content":"NO"}}]}"#,
    );
    let aloud = r#"{"choices":[{"index":0,"delta":{"reasoning_content":"m"}}]}"#;
    let said = chat(&[parts, aloud]);

    assert_eq!(("Hello there", "hmm"), (&*said.text, &*said.reasoning));
}

#[test]
fn every_reason_to_stop_is_told_by_its_name() {
    let chat = |reason: &str| {
        let stop =
            format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#);
        said(Wire::Chat, &stream(&[HELLO, &stop, "[DONE]"])).stop
    };
    let messages = |reason: &str| {
        let delta = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}}}}"#);
        said(Wire::Messages, &stream(&[&delta, r#"{"type":"message_stop"}"#])).stop
    };

    for (reason, stop) in [
        ("stop", Stop::End),
        ("length", Stop::Length),
        ("content_filter", Stop::Refusal),
        ("weather", Stop::Other),
    ] {
        assert_eq!(Some(stop), chat(reason), "{reason}");
    }
    for (reason, stop) in [
        ("end_turn", Stop::End),
        ("stop_sequence", Stop::End),
        ("max_tokens", Stop::Length),
        ("model_context_window_exceeded", Stop::Length),
        ("refusal", Stop::Refusal),
        ("pause_turn", Stop::Pause),
        ("weather", Stop::Other),
    ] {
        assert_eq!(Some(stop), messages(reason), "{reason}");
    }
}

#[test]
fn an_error_is_no_answer_wherever_it_stands() {
    for (body, kind, blame, free) in [
        (
            stream(&[HELLO, r#"{"error":{"type":"server_error","message":"x"}}"#]),
            "server_error",
            Blame::Provider,
            false,
        ),
        (stream(&[r#"{"error":{"type":"rate_limit_error"}}"#]), "rate_limit", Blame::Rate, true),
        (
            r#"{"error":{"message":"slow down","type":"rate_limit_error","code":429}}"#.to_owned(),
            "rate_limit",
            Blame::Rate,
            true,
        ),
        (
            stream(&[
                HELLO,
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
                "[DONE]",
            ]),
            "finish_error",
            Blame::Provider,
            false,
        ),
        (
            "event: error\ndata: {\"message\":\"overloaded\"}\n\n".to_owned(),
            "overloaded",
            Blame::Provider,
            false,
        ),
        ("<!doctype html><title>Portal</title>".to_owned(), "not_an_answer", Blame::Operator, true),
        ("data: {oops\n\n".to_owned(), "malformed", Blame::Provider, false),
    ] {
        let said = said(Wire::Chat, &body);
        let fault = said.fault.unwrap_or_else(|| unreachable!("{body} is no answer"));

        assert_eq!(
            (kind, blame, free),
            (&*fault.kind, fault.blame, fault.nothing_generated),
            "{body}"
        );
    }
}

#[test]
fn an_error_field_that_says_nothing_is_no_error() {
    for empty in ["null", "{}", "\"\"", "[]", "false"] {
        let said = chat(&[&format!(r#"{{"choices":[],"error":{empty}}}"#)]);

        assert!(said.done && said.fault.is_none(), "{empty}");
    }
}

#[test]
fn a_whole_answer_in_json_is_an_answer() {
    let chat = concat!(
        r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}],"#,
        r#""usage":{"prompt_tokens":11,"completion_tokens":7}}"#,
    );
    let messages = concat!(
        r#"{"type":"message","content":[{"type":"text","text":"Hello"}],"#,
        r#""stop_reason":"end_turn","usage":{"input_tokens":11,"output_tokens":7}}"#,
    );

    for (wire, body) in [(Wire::Chat, chat), (Wire::Messages, messages)] {
        let said = said(wire, body);

        assert_eq!(("Hello", exact(11, 7), None), (&*said.text, said.usage, said.fault));
    }
}

const START: &str = concat!(
    r#"{"type":"message_start","message":{"model":"m1","usage":{"#,
    r#""input_tokens":11,"output_tokens":1}}}"#,
);
const TEXT: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
const END: &str = r#"{"type":"message_stop"}"#;

/// A whole answer on the messages wire whose last usage is this.
fn messages(usage: &str) -> Said {
    let delta = format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}"#
    );
    said(Wire::Messages, &stream(&[START, TEXT, &delta, r#"{"type":"ping"}"#, END]))
}

#[test]
fn counts_of_messages_are_cumulative_and_final_at_the_end_only() {
    assert_eq!(exact(11, 7), messages(r#"{"output_tokens":7}"#).usage);
    assert_eq!(exact(11, 7), messages(r#"{"input_tokens":0,"output_tokens":7}"#).usage);
    assert_eq!(exact(3602, 7), messages(r#"{"input_tokens":3602,"output_tokens":7}"#).usage);
    for half in ["null", "{}", r#"{"output_tokens":null}"#, r#"{"output_tokens":"7"}"#] {
        let said = messages(half);

        assert!(said.done && !said.usage.exact, "{half}");
        assert_eq!((11, 1), (said.usage.input_tokens, said.usage.output_tokens), "{half}");
    }
}

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

#[test]
fn a_refusal_says_whose_trouble_it_is() {
    let credit =
        br#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
    let context = br#"{"error":{"code":"context_length_exceeded"}}"#;
    let quota = br#"{"error":{"code":"insufficient_quota"}}"#;
    let flagged = br#"{"error":{"code":403,"message":"flagged by moderation"}}"#;

    for (status, body, kind, blame) in [
        (400, &context[..], "request", Blame::Caller),
        (400, credit, "credit", Blame::Operator),
        (400, b"", "request", Blame::Caller),
        (400, br#"{"error":{"type":"api_error"}}"#, "request", Blame::Caller),
        (401, b"", "key", Blame::Operator),
        (402, b"", "credit", Blame::Operator),
        (403, b"", "permission", Blame::Operator),
        (403, flagged, "moderation", Blame::Caller),
        (404, b"<html>", "not_found", Blame::Operator),
        (307, b"", "redirect", Blame::Operator),
        (413, b"", "request", Blame::Caller),
        (429, b"", "rate_limit", Blame::Rate),
        (429, quota, "credit", Blame::Operator),
        (500, credit, "server_error", Blame::Provider),
        (529, b"", "overloaded", Blame::Provider),
    ] {
        let refusal = refusal_of(status, body);

        assert_eq!((kind, blame), (refusal.kind, refusal.blame), "{status}");
    }
}

#[test]
fn a_body_without_an_end_holds_no_more_than_one_event() {
    for start in ["data: ", "{", "<", ": "] {
        let mut decoder = Decoder::new(Wire::Chat, Vec::new(), true, false);
        let mut fault = decoder.feed(start.as_bytes()).fault;
        let piece = vec![b'a'; 1 << 16];
        for _ in 0..(20 << 20 >> 16) {
            fault = fault.or(decoder.feed(&piece).fault);
        }

        let told = fault.or(decoder.end().fault).map(|fault| fault.kind);
        assert!(matches!(told.as_deref(), Some("malformed" | "not_an_answer")), "{start} {told:?}");
    }
    assert_eq!(1 << 20, EVENT_BYTES_MAX);
}
