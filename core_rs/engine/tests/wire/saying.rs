//! What of an answer says something.

use chenu_engine::wire::{Decoder, Event, Expected, Hearing, Wire};
use serde_json::{Value, json};

use crate::hearing::get_weather;

/// Feeds pieces of an answer; says of each whether it says something.
struct Listener {
    decoder: Decoder,
    hearing: Hearing,
}

impl Listener {
    fn of(wire: Wire, is_stream: bool) -> Self {
        let decoder = Decoder::new(wire, vec![get_weather()], Expected::Text, is_stream, false);
        Self { decoder, hearing: Hearing::new(is_stream) }
    }

    fn hears(&mut self, piece: &[u8]) -> bool {
        let fed = self.decoder.feed(piece);
        assert_eq!(None, fed.fault);
        let is_text = |event: &Event| matches!(event, Event::Text { .. } | Event::Reasoning { .. });
        self.hearing.hears(piece, self.decoder.usage(), fed.events.iter().any(is_text))
    }
}

fn chat() -> Listener {
    Listener::of(Wire::Chat, true)
}

fn messages() -> Listener {
    Listener::of(Wire::Messages, true)
}

/// One event of a stream.
fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

/// A delta on the chat wire.
fn delta(fields: &Value) -> Vec<u8> {
    event(&json!({"object": "chunk", "choices": [{"index": 0, "delta": fields}]}))
}

/// A part of a tool's call on the chat wire.
fn call(fields: &Value) -> Vec<u8> {
    delta(&json!({"tool_calls": [fields]}))
}

/// A delta on the messages wire.
fn block(fields: &Value) -> Vec<u8> {
    event(&json!({"type": "content_block_delta", "index": 0, "delta": fields}))
}

fn part_of_a_call() -> Vec<u8> {
    call(&json!({"index": 0, "function": {"arguments": "x"}}))
}

#[test]
fn what_goes_on_is_heard() {
    let long = [b"data: [[\"".to_vec(), vec![b'x'; 2_000]]; // whatever it will be
    for piece in [
        delta(&json!({"content": "x"})),
        delta(&json!({"reasoning_content": "x"})),
        call(&json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}})),
        part_of_a_call(),
        delta(&json!({"audio": {"data": "x"}})), // what nobody knows yet
        event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})),
        long.concat(),
    ] {
        assert!(chat().hears(&piece), "{}", String::from_utf8_lossy(&piece));
    }
}

#[test]
fn what_only_keeps_a_connection_open_is_not() {
    let filler = json!({"choices": [{"delta": {"content": ""}}], "obfuscation": "aW5ub2NlbnQ"});
    for piece in [
        Vec::new(),
        b"\n".to_vec(),
        b": ping\n\n".to_vec(),
        [b":".to_vec(), vec![b'x'; 2_000]].concat(),
        delta(&json!({"role": "assistant", "content": ""})),
        delta(&json!({})),
        event(&json!({"choices": []})),
        call(&json!({"index": 0, "function": {"arguments": ""}})),
        delta(&json!({"content": null, "tool_calls": null, "reasoning": null})),
        event(&filler),
        b"event: keepalive\nid: 7\n\n".to_vec(),
        [b"data: ".to_vec(), vec![b'['; 1_010], b"\n".to_vec()].concat(),
    ] {
        assert!(!chat().hears(&piece), "{}", String::from_utf8_lossy(&piece));
    }
}

#[test]
fn what_goes_on_is_heard_on_the_messages_wire() {
    let tool = json!({"type": "tool_use", "id": "a", "name": "f", "input": {}});
    for piece in [
        block(&json!({"type": "text_delta", "text": "x"})),
        block(&json!({"type": "thinking_delta", "thinking": "x"})),
        block(&json!({"type": "signature_delta", "signature": "x"})),
        event(&json!({"type": "content_block_start", "index": 0, "content_block": tool})),
        block(&json!({"type": "input_json_delta", "partial_json": "x"})),
    ] {
        assert!(messages().hears(&piece), "{}", String::from_utf8_lossy(&piece));
    }
}

#[test]
fn what_only_keeps_a_connection_open_is_not_on_the_messages_wire() {
    let text = json!({"type": "text", "text": ""});
    for piece in [
        b"event: ping\ndata: {\"type\": \"ping\"}\n\n".to_vec(),
        event(&json!({"type": "content_block_start", "index": 0, "content_block": text})),
        block(&json!({"type": "text_delta", "text": ""})),
        block(&json!({"type": "input_json_delta", "partial_json": ""})),
        event(&json!({"type": "keepalive", "at": "2026-01-01"})),
    ] {
        assert!(!messages().hears(&piece), "{}", String::from_utf8_lossy(&piece));
    }
}

#[test]
fn pieces_of_pings_are_pings_and_pieces_of_calls_are_calls() {
    let ping = b": ping\r\n\r\ndata: {\"type\": \"ping\"}\r\n\r\n";
    let (pings, part) = (ping.repeat(99), part_of_a_call());
    for size in [1, 2, 7] {
        let heard = |body: &[u8]| {
            let mut listener = chat();
            body.chunks(size).filter(|piece| listener.hears(piece)).count() > 0
        };

        let (behind, before) = ([&ping[..], &part].concat(), [&part, &ping[..]].concat());
        assert_eq!((false, true, true), (heard(&pings), heard(&behind), heard(&before)));
    }
}

#[test]
fn an_event_that_ends_with_the_next_ones_beginning_is_followed() {
    let text = delta(&json!({"content": "x"}));
    let heard = |next: &[u8]| {
        let (mut listener, (head, tail)) = (chat(), next.split_at(9));
        [listener.hears(&[&text, head].concat()), listener.hears(tail)]
    };

    assert_eq!([true, false], heard(b"data: {\"type\": \"ping\"}\n\n"));
    assert_eq!([true, true], heard(&part_of_a_call()));
}

#[test]
fn a_count_goes_on_an_answer_and_begins_none() {
    let start = event(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 9}}}));
    let count = json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}});
    let (count, text) = (event(&count), block(&json!({"type": "text_delta", "text": "x"})));
    let mut listener = messages();

    let heard = [&start, &text, &count, &count].map(|piece| listener.hears(piece));
    assert_eq!([false, true, true, false], heard);
}

#[test]
fn a_whole_answer_that_comes_in_parts_is_heard() {
    let mut listener = Listener::of(Wire::Chat, false);

    let pieces = ["\u{7b}\"choices\": ", " \n ", "[]"];
    assert_eq!([true, false, true], pieces.map(|piece| listener.hears(piece.as_bytes())));
}
