//! Any bytes in any split, and usage in any order.

use proptest::prelude::*;

use crate::targets::{a_stream_says_what_the_standard_says, any_split_says_the_same};
use crate::{END, HELLO, START, STOP, TEXT, USAGE, chat};

/// Lines such as streams are made of, whole and broken.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let events = prop::sample::select(vec![
        HELLO,
        STOP,
        USAGE,
        START,
        TEXT,
        END,
        "[DONE]",
        "null",
        "[",
        "",
        r#"{"choices":[{"index":0,"delta":{"content":"\ud83d"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"\ude00é"}}]}"#,
        r#"{"type":"content_block_delta","delta":{"text":"\ud83d"}}"#,
        concat!(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"#,
            r#""output_tokens":3}}"#,
        ),
        concat!(
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"a","function":{"#,
            r#""name":"get_weather","arguments":"{\"a\":"}}]}}]}"#,
        ),
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"1}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"reasoning":"hm\ud83d"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"```json\n{\"city\":"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"\"Paris\"}```"}}]}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"[]"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"thinking":"hm","signature":"s"}}"#,
        concat!(
            r#"{"type":"content_block_start","index":2,"content_block":{"#,
            r#""type":"redacted_thinking","data":"d"}}"#,
        ),
        concat!(
            r#"{"type":"content_block_start","index":3,"content_block":{"#,
            r#""type":"tool_use","id":"a","name":"get_weather","input":{"city":"Paris"}}}"#,
        ),
    ]);
    let line = prop_oneof![
        events.prop_map(|event| format!("data: {event}").into_bytes()),
        Just(b"event: error".to_vec()),
        Just("\u{FEFF}".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    let ending = prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n", "\r\n\r\n", ""]);
    prop::collection::vec((line, ending), 0..24).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end.as_bytes().to_vec()].concat()).collect()
    })
}

/// How to read, and what.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![lines(), prop::collection::vec(any::<u8>(), 0..200)];
    (any::<[u8; 5]>(), body).prop_map(|(reading, body)| [&reading[..], &body].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_same_bytes_says_the_same(input in inputs()) {
        any_split_says_the_same(&input);
    }

    #[test]
    fn a_stream_is_read_as_its_standard_says(input in inputs()) {
        a_stream_says_what_the_standard_says(&input);
    }

    #[test]
    fn usage_grows_and_an_exact_one_is_no_less_than_anything_told(
        told in prop::collection::vec((0_u64..40, 0_u64..40), 1..6),
    ) {
        let blocks: Vec<String> = told
            .iter()
            .map(|(prompt, completion)| format!(
                r#"{{"usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion}}}}}"#
            ))
            .collect();

        let usage = chat(&blocks.iter().map(String::as_str).collect::<Vec<_>>()).usage;

        let most = |of: fn(&(u64, u64)) -> u64| told.iter().map(of).max().unwrap_or(0);
        prop_assert_eq!(most(|it| it.0), usage.input_tokens);
        prop_assert_eq!(most(|it| it.1), usage.output_tokens);
        prop_assert_eq!(usage.exact, usage.input_tokens > 0 && usage.output_tokens > 0);
    }
}
