//! The batches' time: the database's clock, but for what that may do and time may not.
//!
//! It goes on by the monotonic clock for as long as the database's is behind what has been
//! recorded: set back by an hour, time would else stand still for one, and with it every slot,
//! expiry and lease. It never goes back.

use chenu_operation::Moment;

/// What the last batch knew of the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    last: Option<Moment>,
}

/// A batch's time, and how wrong the database's clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The time.
    pub now: Moment,
    /// How far the database's clock is behind it.
    pub behind_us: i64,
    /// How far that has gone on beyond what went by since the last batch.
    pub jumped_us: i64,
}

impl Clock {
    /// A batch's time. `clock_us` is the database's clock, read at the monotonic `mono_ns`;
    /// `last_us` is the time of the last batch that recorded anything, in whichever process.
    pub fn tell(&mut self, clock_us: i64, mono_ns: i64, last_us: i64) -> Told {
        // Its own last batch tells how much time has gone by; that of another worker does not.
        let gone_us = self.last.map(|last| last.at(mono_ns));
        // Its own last batch counts too: one that left nothing has recorded no time, but was
        // told one.
        let latest_us = self.last.map_or(last_us, |last| last_us.max(last.now_us));
        let now_us = if clock_us >= latest_us {
            clock_us
        } else {
            latest_us.max(gone_us.unwrap_or(latest_us))
        };
        let now = Moment { now_us, mono_ns };
        self.last = Some(now);
        // Against the monotonic clock, the only one here that nobody can set.
        let jumped_us = gone_us.map_or(0, |gone_us| clock_us - gone_us);
        Told { now, behind_us: now_us - clock_us, jumped_us }
    }

    /// What a batch's time would be at a monotonic reading; none before the first batch.
    #[must_use]
    pub fn at(&self, mono_ns: i64) -> Option<i64> {
        self.last.map(|last| last.at(mono_ns))
    }
}
