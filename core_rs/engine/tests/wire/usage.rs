//! Tokens as providers tell of them: believed where they can be, never exact where they cannot.

use chenu_engine::wire::{Usage, Wire};

use crate::{END, HELLO, START, STOP, TEXT, USAGE, chat, exact, said, stream};

fn told(usage: &str) -> Usage {
    chat(&[&format!(r#"{{"choices":[],"usage":{usage}}}"#)]).usage
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
fn a_count_that_cannot_be_is_never_exact() {
    let counted = |prompt: u64, completion: i64| {
        format!(r#"{{"usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion}}}}}"#)
    };
    let long = HELLO.replace("Hello", &"word ".repeat(2_000));
    let thought = concat!(
        r#"{"usage":{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"#,
        r#""completion_tokens_details":{"reasoning_tokens":73997}}}"#,
    );
    let capped = STOP.replace("stop", "length");
    for events in [
        vec![HELLO.to_owned(), counted(11, 1), counted(11, -1), STOP.to_owned()],
        vec![counted(11, 1), long.clone(), STOP.to_owned()],
        vec![HELLO.to_owned(), thought.to_owned(), STOP.to_owned()],
        vec![counted(11, 0), capped],
        vec![r#"{"usage":{"prompt_tokens":11}}"#.to_owned(), STOP.to_owned()],
    ] {
        let lines: Vec<&str> = events.iter().map(String::as_str).chain(["[DONE]"]).collect();
        let said = said(Wire::Chat, &stream(&lines));

        assert!(said.done && !said.usage.exact, "{events:?}");
    }
    let shrunk = stream(&[
        START,
        &TEXT.replace("Hello", &"word ".repeat(2_000)),
        concat!(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"#,
            r#""usage":{"output_tokens":0}}"#,
        ),
        END,
    ]);
    assert!(!said(Wire::Messages, &shrunk).usage.exact);
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

/// A Messages answer whose start tells `usage` of its input.
fn written(usage: &str) -> Usage {
    let start = format!(r#"{{"type":"message_start","message":{{"usage":{usage}}}}}"#);
    said(Wire::Messages, &stream(&[&start.replace('\n', ""), TEXT, FINAL, END])).usage
}

const FINAL: &str = concat!(
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"#,
    r#""usage":{"output_tokens":7}}"#,
);

#[test]
fn what_was_written_to_a_cache_is_told_by_how_long_it_is_kept() {
    for (told, usual, hour) in [
        (
            r#""cache_creation_input_tokens":8,"cache_creation":{"ephemeral_5m_input_tokens":3,
            "ephemeral_1h_input_tokens":5}"#,
            3,
            5,
        ),
        (r#""cache_creation_input_tokens":8"#, 8, 0),
        (r#""cache_creation_input_tokens":8,"cache_creation":null"#, 8, 0),
        (
            r#""cache_creation_input_tokens":8,"cache_creation":{"ephemeral_1h_input_tokens":5}"#,
            3,
            5,
        ),
        (
            r#""cache_creation_input_tokens":8,"cache_creation":{"ephemeral_5m_input_tokens":3}"#,
            3,
            5,
        ),
        (r#""cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":5}"#, 3, 5),
    ] {
        let usage = written(&format!(r#"{{"input_tokens":11,{told}}}"#));

        let kept =
            Usage { cache_write_tokens: usual, cache_write_hour_tokens: hour, ..exact(11, 7) };
        assert_eq!(kept, usage, "{told}");
    }
}

#[test]
fn writes_that_disagree_are_an_estimate_of_no_less_than_was_told() {
    for (told, usual, hour) in [
        (
            r#""cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":3,
            "ephemeral_1h_input_tokens":5}"#,
            4,
            5,
        ),
        (
            r#""cache_creation_input_tokens":2,"cache_creation":{"ephemeral_5m_input_tokens":3,
            "ephemeral_1h_input_tokens":5}"#,
            3,
            5,
        ),
        (
            r#""cache_creation_input_tokens":2,"cache_creation":{"ephemeral_1h_input_tokens":5}"#,
            0,
            5,
        ),
        (r#""cache_creation":{"ephemeral_5m_input_tokens":3}"#, 3, 0),
        (
            r#""cache_creation_input_tokens":8,"cache_creation":{"ephemeral_5m_input_tokens":8,
            "ephemeral_1h_input_tokens":-1}"#,
            8,
            0,
        ),
    ] {
        let usage = written(&format!(r#"{{"input_tokens":11,{told}}}"#));

        assert!(!usage.exact, "{told}");
        assert_eq!(
            (usual, hour),
            (usage.cache_write_tokens, usage.cache_write_hour_tokens),
            "{told}"
        );
    }
}

#[test]
fn a_write_that_falls_keeps_its_highest_count_and_the_cost_is_an_estimate() {
    let told = |usual: u64, hour: u64| {
        format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{{
            "output_tokens":7,"cache_creation_input_tokens":5,"cache_creation":{{
            "ephemeral_5m_input_tokens":{usual},"ephemeral_1h_input_tokens":{hour}}}}}}}"#
        )
        .replace('\n', "")
    };

    let usage = said(Wire::Messages, &stream(&[START, TEXT, &told(5, 0), &told(0, 5), END])).usage;

    assert!(!usage.exact);
    assert_eq!((5, 5), (usage.cache_write_tokens, usage.cache_write_hour_tokens));
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
