//! A loop that never changes: the machine's speed at this moment, to divide other times by.

use std::hint::black_box;
use std::io::BufRead;
use std::time::Instant;

use anyhow::Result;
use serde_json::json;

const STEPS: u64 = 20_000_000;

/// Answer each line of standard input with the microseconds that the loop took.
pub(crate) fn answer() -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        line?;
        let started = Instant::now();
        black_box(spin(black_box(STEPS)));
        crate::say(&json!({ "spin_us": started.elapsed().as_micros() }))?;
    }
    Ok(())
}

/// Each step needs the one before, so no compiler and no wide core shortens it.
fn spin(steps: u64) -> u64 {
    (0..steps).fold(0x9e37_79b9_7f4a_7c15, |state: u64, step| {
        (state ^ step).wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(29)
    })
}
