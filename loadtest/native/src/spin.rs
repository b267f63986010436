//! A loop that never changes: the machine's speed at this moment, to divide other times by. It is
//! told in processor time, as the server's is: what else runs on the core makes neither longer.

use std::hint::black_box;
use std::io::BufRead;

use anyhow::Result;
use serde_json::json;

use crate::cpu;

const STEPS: u64 = 20_000_000;

/// Answer each line of standard input with the microseconds of the processor that the loop took.
pub(crate) fn answer() -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        line?;
        let before = cpu::used(std::process::id());
        black_box(spin(black_box(STEPS)));
        let took = cpu::used(std::process::id()).saturating_sub(before);
        crate::say(&json!({ "spin_us": took.as_micros() }))?;
    }
    Ok(())
}

/// Each step needs the one before, so no compiler and no wide core shortens it.
fn spin(steps: u64) -> u64 {
    (0..steps).fold(0x9e37_79b9_7f4a_7c15, |state: u64, step| {
        (state ^ step).wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(29)
    })
}
