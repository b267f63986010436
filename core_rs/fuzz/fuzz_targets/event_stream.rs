//! Any bytes as an event stream, against a plain reading of its standard.
#![no_main]
#![expect(dead_code, reason = "the tests of the engine use the rest of the two modules")]

#[path = "../../engine/tests/wire/hearing.rs"]
mod hearing;
#[path = "../../engine/tests/wire/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::a_stream_says_what_the_standard_says(input));
