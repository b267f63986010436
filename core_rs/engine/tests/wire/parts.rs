//! An answer's parts: numbered as they begin, each whole by itself.

use chenu_engine::wire::{PROOFS_BYTES_MAX, Wire};

use crate::{END, START, STOP, Said, said, stream};

/// What these deltas of the chat wire come to.
fn deltas(deltas: &[&str]) -> Said {
    let chunks: Vec<String> = deltas
        .iter()
        .map(|delta| format!(r#"{{"choices":[{{"index":0,"delta":{{{delta}}}}}]}}"#))
        .chain([STOP.to_owned(), "[DONE]".to_owned()])
        .collect();
    said(Wire::Chat, &stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// What these blocks, and pieces of them, come to on the messages wire.
fn blocks(events: &[String]) -> Said {
    let stop = r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#;
    let events = events.iter().map(String::as_str);
    said(
        Wire::Messages,
        &stream(&[START].into_iter().chain(events).chain([stop, END]).collect::<Vec<_>>()),
    )
}

fn begun(index: u64, block: &str) -> String {
    format!(r#"{{"type":"content_block_start","index":{index},"content_block":{{{block}}}}}"#)
}

fn piece(index: u64, delta: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":{index},"delta":{{{delta}}}}}"#)
}

fn parts(parts: &[(u32, &'static str, &str)]) -> Vec<(u32, &'static str, String)> {
    parts.iter().map(|(part, kind, text)| (*part, *kind, (*text).to_owned())).collect()
}

#[test]
fn a_change_of_kind_begins_a_part() {
    let said = deltas(&[
        r#""content":"""#,
        r#""reasoning":"h""#,
        r#""reasoning_content":"m""#,
        r#""content":"a""#,
        r#""content":"""#,
        r#""reasoning":"""#,
        r#""content":"b""#,
        r#""reasoning":"so""#,
    ]);

    assert_eq!(
        parts(&[(0, "reasoning", "hm"), (1, "text", "ab"), (2, "reasoning", "so")]),
        said.parts
    );
}

/// Servers that rename the field tell it under both names for a while.
#[test]
fn a_thought_under_two_names_is_thought_once() {
    let said = deltas(&[
        r#""reasoning_content":"hm","reasoning":"hm""#,
        r#""reasoning_content":"","reasoning":" so""#,
        r#""reasoning_content":null,"reasoning":" be it""#,
        r#""content":"a""#,
    ]);

    assert_eq!(parts(&[(0, "reasoning", "hm so be it"), (1, "text", "a")]), said.parts);
}

#[test]
fn a_content_block_is_a_part_and_an_empty_one_is_none() {
    let said = blocks(&[
        begun(0, r#""type":"text","text":"""#),
        begun(1, r#""type":"text","text":"a""#),
        piece(1, r#""type":"text_delta","text":"b""#),
        begun(2, r#""type":"text","text":"""#),
        piece(2, r#""type":"text_delta","text":"c""#),
        begun(3, r#""type":"tool_use","id":"x","name":"get_weather","input":{}"#),
        begun(4, r#""type":"text","text":"d""#),
        piece(5, r#""text":"e""#),
    ]);

    assert_eq!(
        parts(&[(0, "text", "ab"), (1, "text", "c"), (2, "text", "d"), (3, "text", "e")]),
        said.parts
    );
    assert_eq!(vec![(4, "x".to_owned())], said.ids);
}

#[test]
fn blocks_are_told_apart_by_their_starts_where_all_have_one_index() {
    let said = blocks(&[begun(0, r#""text":"a""#), begun(0, r#""text":"b""#)]);

    assert_eq!(parts(&[(0, "text", "a"), (1, "text", "b")]), said.parts);
}

#[test]
fn half_a_character_stays_in_its_part() {
    let mixed =
        deltas(&[r#""content":"a\ud83d""#, r#""reasoning":"\ude00""#, r#""content":"\ud83d""#]);
    let cut = blocks(&[begun(0, r#""text":"\ud83d""#), begun(1, r#""text":"\ude00""#)]);
    let joined = blocks(&[begun(0, r#""text":"\ud83d""#), piece(0, r#""text":"\ude00""#)]);

    assert_eq!(
        parts(&[(0, "text", "a\u{FFFD}"), (1, "reasoning", "\u{FFFD}"), (2, "text", "\u{FFFD}")]),
        mixed.parts
    );
    assert_eq!(parts(&[(0, "text", "\u{FFFD}"), (1, "text", "\u{FFFD}")]), cut.parts);
    assert_eq!(parts(&[(0, "text", "\u{1F600}")]), joined.parts);
}

#[test]
fn a_thought_comes_with_what_its_provider_wants_back() {
    let said = blocks(&[
        begun(0, r#""type":"thinking","thinking":"","signature":"""#),
        piece(0, r#""type":"thinking_delta","thinking":"hm""#),
        piece(0, r#""type":"signature_delta","signature":"si""#),
        piece(0, r#""type":"signature_delta","signature":"gn""#),
        begun(1, r#""type":"redacted_thinking","data":"secret""#),
        begun(2, r#""type":"thinking","thinking":"","signature":"silent""#),
        begun(3, r#""type":"text","text":"a""#),
    ]);

    assert_eq!(parts(&[(0, "reasoning", "hm"), (3, "text", "a")]), said.parts);
    assert_eq!(
        vec![
            (0, "sign".to_owned(), String::new()),
            (1, String::new(), "secret".to_owned()),
            (2, "silent".to_owned(), String::new()),
        ],
        said.proofs
    );
}

#[test]
fn a_whole_answer_has_the_parts_and_proofs_of_a_stream() {
    let body = concat!(
        r#"{"type":"message","content":[{"type":"thinking","thinking":"hm","signature":"s"},"#,
        r#"{"type":"redacted_thinking","data":"d"},{"type":"text","text":"a"},"#,
        r#"{"type":"text","text":"b"}],"stop_reason":"end_turn"}"#,
    );
    let said = said(Wire::Messages, body);

    assert_eq!(parts(&[(0, "reasoning", "hm"), (2, "text", "a"), (3, "text", "b")]), said.parts);
    assert_eq!(
        vec![(0, "s".to_owned(), String::new()), (1, String::new(), "d".to_owned())],
        said.proofs
    );
}

#[test]
fn proofs_are_bounded_all_together() {
    let signed = |bytes: usize| {
        let half = piece(0, &format!(r#""signature":"{}""#, "a".repeat(PROOFS_BYTES_MAX / 2)));
        let rest = piece(1, &format!(r#""signature":"{}""#, "a".repeat(bytes)));
        blocks(&[half, rest]).wrong().map(|(kind, _)| kind.to_owned())
    };

    assert_eq!(None, signed(PROOFS_BYTES_MAX / 2));
    assert_eq!(Some("malformed"), signed(PROOFS_BYTES_MAX / 2 + 1).as_deref());
}
