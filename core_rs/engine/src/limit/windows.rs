//! Exact sliding windows for each identity: a limit, a burst, and a block for who breaks them.

use std::collections::VecDeque;

use super::keys::{Expiring, KeyTable};

/// What an identity may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSettings {
    /// Admissions in any `window_us`; 0 is off.
    pub limit: usize,
    /// The limit's span in microseconds.
    pub window_us: i64,
    /// Admissions in any `burst_window_us`; 0 is off.
    pub burst: usize,
    /// The burst's span in microseconds.
    pub burst_window_us: i64,
    /// How long breaking limit or burst blocks the identity; 0 is off.
    pub block_us: i64,
    /// How many identities are remembered at once.
    pub keys_max: usize,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Admitted and counted.
    Admitted,
    /// The call broke the limit or the burst; it is not counted.
    Limited,
    /// The identity is blocked because an earlier call broke the limit; not counted.
    Blocked,
    /// Too many identities are active to remember one more; not counted.
    Full,
}

impl Verdict {
    /// The verdict's name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Limited => "limited",
            Self::Blocked => "blocked",
            Self::Full => "full",
        }
    }
}

/// The answer to an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// What became of it.
    pub verdict: Verdict,
    /// After this long the same call is admitted if nobody came in between; 0 when admitted.
    pub retry_after_us: i64,
}

impl Arrival {
    const ADMITTED: Self = Self { verdict: Verdict::Admitted, retry_after_us: 0 };

    fn refused(verdict: Verdict, until_us: i64, now_us: i64) -> Self {
        Self { verdict, retry_after_us: until_us.saturating_sub(now_us) }
    }
}

/// How much of its windows an identity has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowState {
    /// Admissions in the last `window_us`.
    pub used: usize,
    /// Admissions in the last `burst_window_us`.
    pub burst_used: usize,
    /// End of the block; 0 when not blocked.
    pub blocked_until_us: i64,
}

/// All that counts of an identity, so that several processes can share its windows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Its last admissions, oldest first.
    pub admissions_us: Vec<i64>,
    /// End of its block; 0 or in the past when it is not blocked.
    pub blocked_until_us: i64,
}

/// The windows of all identities.
#[derive(Debug)]
pub struct IdentityWindows {
    settings: WindowSettings,
    keys: KeyTable<History>,
}

/// The last admissions of one identity, oldest first, at most as many as the larger limit.
#[derive(Debug, Default)]
struct History {
    admissions: VecDeque<i64>,
    blocked_until_us: i64,
    expires_us: i64,
}

impl Expiring for History {
    fn expires_us(&self) -> i64 {
        self.expires_us
    }
}

impl IdentityWindows {
    /// Starts with no history.
    #[must_use]
    pub fn new(settings: WindowSettings) -> Self {
        Self { settings, keys: KeyTable::new(settings.keys_max) }
    }

    /// Counts a call of `identity` if there is room for it.
    ///
    /// An admission leaves its window when the window's length has passed since it. A clock that
    /// steps back never makes room.
    pub fn arrive(&mut self, identity: &str, now_us: i64) -> Arrival {
        let settings = self.settings;
        if settings.ring() == 0 {
            return Arrival::ADMITTED;
        }
        match self.keys.claim(identity, now_us) {
            Ok(history) => history.arrive(&settings, now_us),
            // Never admitted uncounted: enough names at once would else lift the limit.
            Err(room_us) => Arrival::refused(Verdict::Full, room_us, now_us),
        }
    }

    /// Takes back one admission at `arrived_us`, if it is still counted.
    pub fn give_back(&mut self, identity: &str, arrived_us: i64) {
        let settings = self.settings;
        self.keys.shorten(identity, |history| history.give_back(&settings, arrived_us));
    }

    /// Adds admissions that were stored before a restart, in any order.
    ///
    /// It forgets nobody, so it may take more than `keys_max` identities; the stored rows bound it.
    pub fn restore(&mut self, identity: &str, times_us: &[i64]) {
        let settings = self.settings;
        if settings.ring() == 0 {
            return;
        }
        if let Some(history) = self.keys.insert(identity) {
            history.restore(&settings, times_us);
        }
    }

    /// Takes what is kept of `identity` in the place of what is known of it here.
    pub fn put(&mut self, identity: &str, kept: &Kept) {
        // Dropped and not merged: what is kept elsewhere holds the same admissions, which would
        // count twice.
        self.keys.remove(identity);
        self.restore(identity, &kept.admissions_us);
        let settings = self.settings;
        if let Some(history) = self.keys.get_mut(identity) {
            history.blocked_until_us = kept.blocked_until_us;
            history.expires_us = settings.expiry_us(history);
        }
    }

    /// What is to be kept of `identity`.
    #[must_use]
    pub fn kept(&self, identity: &str) -> Kept {
        self.keys.get(identity).map_or_else(Kept::default, |it| Kept {
            admissions_us: it.admissions.iter().copied().collect(),
            blocked_until_us: it.blocked_until_us,
        })
    }

    /// What `identity` has used at `now_us`.
    #[must_use]
    pub fn state(&self, identity: &str, now_us: i64) -> WindowState {
        self.keys
            .get(identity)
            .map_or_else(WindowState::default, |it| it.state(&self.settings, now_us))
    }

    /// Forgets all admissions and the block of `identity`.
    pub fn reset(&mut self, identity: &str) {
        self.keys.remove(identity);
    }
}

impl WindowSettings {
    fn ring(&self) -> usize {
        self.limit.max(self.burst)
    }

    /// When nothing of an identity with these admissions counts any more.
    fn expiry_us(&self, history: &History) -> i64 {
        let Some(&last_us) = history.admissions.back() else {
            return history.blocked_until_us;
        };
        let limit_us = if self.limit == 0 { 0 } else { self.window_us };
        let burst_us = if self.burst == 0 { 0 } else { self.burst_window_us };
        last_us.saturating_add(limit_us.max(burst_us)).max(history.blocked_until_us)
    }
}

impl History {
    fn arrive(&mut self, settings: &WindowSettings, now_us: i64) -> Arrival {
        // A blocked call is looked at no further: it neither counts nor makes the block longer, so
        // the wait that was told stays true.
        if now_us < self.blocked_until_us {
            return Arrival::refused(Verdict::Blocked, self.blocked_until_us, now_us);
        }
        let room_us = self.room_us(settings);
        if now_us < room_us {
            return self.limit(settings, room_us, now_us);
        }
        self.admit(settings, now_us);
        Arrival::ADMITTED
    }

    /// The first time at which one more admission breaks neither limit nor burst.
    fn room_us(&self, settings: &WindowSettings) -> i64 {
        let limit_us = self.leaves_us(settings.limit, settings.window_us);
        limit_us.max(self.leaves_us(settings.burst, settings.burst_window_us))
    }

    /// When the admission `count` places from the newest leaves a window of `window_us`.
    fn leaves_us(&self, count: usize, window_us: i64) -> i64 {
        // The admissions stand in order, so the one that must leave first is found by its place,
        // however many there are.
        let place = if count == 0 { None } else { self.admissions.len().checked_sub(count) };
        let time_us = place.and_then(|place| self.admissions.get(place));
        time_us.map_or(i64::MIN, |time_us| time_us.saturating_add(window_us))
    }

    /// Blocks for at least as long as there is no room, so that the block's end is the exact wait.
    fn limit(&mut self, settings: &WindowSettings, room_us: i64, now_us: i64) -> Arrival {
        let mut until_us = room_us;
        if settings.block_us > 0 {
            until_us = until_us.max(now_us.saturating_add(settings.block_us));
            self.blocked_until_us = until_us;
            self.expires_us = settings.expiry_us(self);
        }
        Arrival::refused(Verdict::Limited, until_us, now_us)
    }

    fn admit(&mut self, settings: &WindowSettings, now_us: i64) {
        // One ring serves both windows: neither looks back further than the larger of their limits.
        if self.admissions.len() >= settings.ring() {
            self.admissions.pop_front();
        }
        // Never before the last one: a clock that steps back would put the ring out of order, and
        // open a place too early.
        let newest_us = self.admissions.back().map_or(now_us, |last_us| now_us.max(*last_us));
        self.admissions.push_back(newest_us);
        self.expires_us = settings.expiry_us(self);
    }

    fn give_back(&mut self, settings: &WindowSettings, arrived_us: i64) {
        // Of several at one microsecond any will do, for they leave together.
        if let Ok(place) = self.admissions.binary_search(&arrived_us) {
            self.admissions.remove(place);
        }
        self.expires_us = settings.expiry_us(self);
    }

    fn restore(&mut self, settings: &WindowSettings, times_us: &[i64]) {
        self.admissions.extend(times_us);
        self.admissions.make_contiguous().sort_unstable();
        // The oldest go, for no limit looks back as far as to them.
        let surplus = self.admissions.len().saturating_sub(settings.ring());
        self.admissions.drain(..surplus);
        self.expires_us = settings.expiry_us(self);
    }

    fn state(&self, settings: &WindowSettings, now_us: i64) -> WindowState {
        let blocked = now_us < self.blocked_until_us;
        WindowState {
            used: self.used(settings.window_us, now_us),
            burst_used: self.used(settings.burst_window_us, now_us),
            blocked_until_us: if blocked { self.blocked_until_us } else { 0 },
        }
    }

    fn used(&self, window_us: i64, now_us: i64) -> usize {
        // They stand in order, so those that have left the window are the first ones.
        let left = self.admissions.partition_point(|it| it.saturating_add(window_us) <= now_us);
        self.admissions.len() - left
    }
}
