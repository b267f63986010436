//! A rate with a burst for each key: the generic cell rate algorithm.

use std::num::NonZeroU32;

use super::keys::{Expiring, KeyTable};

const MICROS_PER_SECOND: i128 = 1_000_000;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketSettings {
    /// Calls a second in the long run; 0 is off.
    pub rate_per_s: u32,
    /// Calls at once after a pause.
    pub burst: NonZeroU32,
    /// How many keys are remembered at once.
    pub keys_max: usize,
}

/// The buckets of all keys.
#[derive(Debug)]
pub struct CallBuckets {
    settings: BucketSettings,
    keys: KeyTable<Cell>,
}

/// When the key's bucket is full again, in microseconds times the rate.
///
/// Scaled by the rate, the interval between two calls is a whole number for every rate.
#[derive(Debug, Default)]
struct Cell {
    full_at_scaled: i128,
    full_at_us: i64,
}

impl Expiring for Cell {
    fn expires_us(&self) -> i64 {
        self.full_at_us
    }
}

impl CallBuckets {
    /// Starts with every bucket full.
    #[must_use]
    pub fn new(settings: BucketSettings) -> Self {
        Self { settings, keys: KeyTable::new(settings.keys_max) }
    }

    /// Takes one call of `key`: 0 when admitted, else the exact microseconds to wait.
    pub fn take(&mut self, key: &str, now_us: i64) -> i64 {
        let (rate, burst) =
            (i128::from(self.settings.rate_per_s), i128::from(self.settings.burst.get()));
        if rate == 0 {
            return 0;
        }
        // No key is forgotten before its bucket is full again: pushed out by new ones, it would
        // begin with a full one.
        let cell = match self.keys.claim(key, now_us) {
            Ok(cell) => cell,
            Err(room_us) => return room_us.saturating_sub(now_us),
        };
        // A time of 64 bits and a rate of 32 fit 128 as a product, with room for the burst.
        let now_scaled = i128::from(now_us) * rate;
        // A bucket fills no further than full, and a clock that steps back takes nothing out of
        // what is owed.
        let full_at_scaled = cell.full_at_scaled.max(now_scaled) + MICROS_PER_SECOND;
        let early = full_at_scaled - now_scaled - burst * MICROS_PER_SECOND;
        // The cell stays as it was: a refused call costs nothing, so whoever hammers does not wait
        // longer for it.
        if early > 0 {
            return micros(early, rate);
        }
        *cell = Cell { full_at_scaled, full_at_us: micros(full_at_scaled, rate) };
        0
    }
}

/// The microseconds of a scaled time, rounded up.
fn micros(scaled: i128, rate: i128) -> i64 {
    // Up, for a call that waited one microsecond less would be refused again.
    let rounded_up = scaled.div_euclid(rate) + i128::from(scaled.rem_euclid(rate) > 0);
    i64::try_from(rounded_up).unwrap_or(i64::MAX)
}
