//! Any bytes in any split, on both wires.
#![no_main]
#![expect(dead_code, reason = "the tests of the engine use the rest of the two modules")]

#[path = "../../engine/tests/wire/hearing.rs"]
mod hearing;
#[path = "../../engine/tests/wire/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::any_split_says_the_same(input));
