//! What providers and the proxies before them really send, and what is right.

use chenu_engine::wire::{Blame, Decoder, EVENT_BYTES_MAX, Expected, PARTS_MAX, Stop, Usage, Wire};
mod calls;
mod hearing;
mod outputs;
mod parts;
mod random;
mod refusals;
mod saying;
mod schemas;
mod targets;
mod usage;

use hearing::{CITY, Said, get_weather, heard};

/// The answer in pieces of these sizes, over and over, and then its clean end.
fn said_in(wire: Wire, body: &[u8], sizes: &[usize]) -> Said {
    heard(Decoder::new(wire, vec![get_weather()], Expected::Text, true, false), body, sizes)
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
        plain.replace(',', ",\ndata: "),
        plain.replace(',', ",\ndata: ").replace('\n', "\r\n"),
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
fn an_answer_in_more_parts_than_may_be_is_cut_there() {
    let thought = r#"{"choices":[{"index":0,"delta":{"reasoning":"r"}}]}"#;
    let word = r#"{"choices":[{"index":0,"delta":{"content":"t"}}]}"#;
    let parts = |count: usize| chat(&[thought, word].repeat(count));

    let most = parts(PARTS_MAX as usize / 2 - 1); // and the one that each answer begins with
    let more = parts(PARTS_MAX as usize);

    assert_eq!(None, most.fault);
    assert_eq!(Some(("malformed", "")), more.wrong());
    assert_eq!(PARTS_MAX as usize, more.parts.len());
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
            true,
        ),
        ("<!doctype html><title>Portal</title>".to_owned(), "not_an_answer", Blame::Operator, true),
        ("data: {oops}\n\n".to_owned(), "malformed", Blame::Provider, false),
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
fn an_error_costs_nothing_only_where_no_model_can_have_begun() {
    let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
    let told = r#"{"usage":{"prompt_tokens":11,"completion_tokens":700}}"#;
    let error = r#"{"error":{"code":502,"message":"x"}}"#;
    let named = "event: error\ndata: {\"code\":\"429\"}\n\n";

    for (body, free) in [
        (stream(&[error]), true),
        (stream(&[role, error]), false),
        (stream(&[told, error]), false),
        (named.to_owned(), true),
        (format!("{}{named}", stream(&[HELLO])), false),
    ] {
        let fault = said(Wire::Chat, &body).fault.unwrap_or_else(|| unreachable!("{body}"));

        assert_eq!(free, fault.nothing_generated, "{body}");
    }
}

#[test]
fn a_model_that_did_not_stop_by_itself_gave_no_answer() {
    for reason in ["error", "ERROR", "insufficient_system_resource", "abort", "timeout"] {
        let chat = stream(&[HELLO, &STOP.replace("stop", reason), "[DONE]"]);
        let delta = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}}}}"#);
        for (wire, body) in
            [(Wire::Chat, chat), (Wire::Messages, stream(&[START, TEXT, &delta, END]))]
        {
            let kind = said(wire, &body).fault.map(|fault| fault.kind);

            assert_eq!(Some("finish_error"), kind.as_deref(), "{body}");
        }
    }
}

#[test]
fn what_is_of_another_kind_is_no_answer() {
    for body in [
        r#"{"detail":"Not Found"}"#,
        r#"{"status":"ok"}"#,
        "OK\n",
        "upstream connect error or disconnect",
        "\u{1f}\u{8b}\u{8}binary",
    ] {
        for wire in [Wire::Chat, Wire::Messages] {
            let fault = said(wire, body).fault.unwrap_or_else(|| unreachable!("{body}"));

            assert_eq!(("not_an_answer", true), (&*fault.kind, fault.nothing_generated), "{body}");
        }
    }
    for cut in ["da", "data: [\"choices\", ", "event: error\ndata: ["] {
        let kind = said(Wire::Chat, cut).fault.map(|fault| fault.kind);

        assert_eq!(Some("truncated"), kind.as_deref(), "{cut}");
    }
    let limited = r#"{"error":{"code":429,"message":"x"}}"#;
    for body in [limited.to_owned(), stream(&[limited])] {
        let kind = said(Wire::Messages, &body).fault.map(|fault| fault.kind);

        assert_eq!(Some("rate_limit"), kind.as_deref(), "{body}");
    }
}

#[test]
fn a_refusal_in_its_own_field_is_text_and_the_reason_to_stop() {
    let refusal = r#"{"choices":[{"index":0,"delta":{"refusal":"I can't"}}]}"#;

    let whole = said(Wire::Chat, &stream(&[refusal, STOP, "[DONE]"]));
    let cut = said(Wire::Chat, &stream(&[refusal, "[DONE]"]));

    assert_eq!(("I can't", Some(Stop::Refusal)), (&*whole.text, whole.stop));
    assert_eq!(Some("truncated"), cut.fault.map(|fault| fault.kind).as_deref());
}

#[test]
fn text_beside_an_error_was_written() {
    let both = HELLO.replace("\"model\"", r#""error":{"type":"overloaded_error"},"model""#);
    let ended = both.replace("\"delta\"", r#""finish_reason":"error","delta""#);
    for body in [both, ended] {
        let said = said(Wire::Chat, &stream(&[&body]));
        let kind = said.fault.map(|fault| fault.kind);

        assert_eq!(("Hello", Some("overloaded")), (&*said.text, kind.as_deref()), "{body}");
    }
}

#[test]
fn an_error_field_that_says_nothing_is_no_error() {
    for empty in [r#"{"message":"","type":"","code":null}"#, "null", "{}", "\"\"", "[]", "false"] {
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

#[test]
fn a_body_without_an_end_holds_no_more_than_one_event() {
    for start in ["data: ", "{", "<", ": "] {
        let mut decoder = Decoder::new(Wire::Chat, Vec::new(), Expected::Text, true, false);
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
