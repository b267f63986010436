//! What monitoring knows of providers now. Everything neutral says nothing, and changes nothing.

use super::score::FULL;

/// An answer of this many tokens is what a latency is weighed against.
const ANSWER_TOKENS: u64 = 256;
/// Room for a tenth of a window's calls and more is room enough.
const ROOM_ENOUGH: u32 = 100;

/// What a provider's probes and calls say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Nobody has looked yet; counts as healthy.
    #[default]
    Unknown,
    /// It answers.
    Healthy,
    /// It answers badly: half its score.
    Degraded,
    /// It does not answer: last.
    Unhealthy,
}

impl Health {
    /// The health of this name in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "unknown" => Some(Self::Unknown),
            "healthy" => Some(Self::Healthy),
            "degraded" => Some(Self::Degraded),
            "unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }
}

/// Whether calls are let through to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Breaker {
    /// They are.
    #[default]
    Closed,
    /// One at a time, to try: half its score.
    HalfOpen,
    /// They are not: last.
    Open,
}

impl Breaker {
    /// The state of this name in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "closed" => Some(Self::Closed),
            "half_open" => Some(Self::HalfOpen),
            "open" => Some(Self::Open),
            _ => None,
        }
    }
}

/// What is known of one provider at the time of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// What its probes say.
    pub health: Health,
    /// Whether calls are let through.
    pub breaker: Breaker,
    /// Average time to the first event; 0 where none was measured. It lowers the speed factor.
    pub latency_ms: u32,
    /// Calls in a thousand that failed; its score is lowered by as much.
    pub error_per_mille: u32,
    /// What is free of its rate window, in per mille: under 100 its score is lowered, at 0 it is
    /// last.
    pub room_per_mille: u32,
}

impl Default for Signal {
    fn default() -> Self {
        Self {
            health: Health::Unknown,
            breaker: Breaker::Closed,
            latency_ms: 0,
            error_per_mille: 0,
            room_per_mille: FULL,
        }
    }
}

impl Signal {
    /// What a score is multiplied by, in per mille; at 0 a provider's models come last.
    #[must_use]
    pub fn standing(&self) -> u32 {
        let health = match self.health {
            Health::Unknown | Health::Healthy => FULL,
            Health::Degraded => FULL / 2,
            Health::Unhealthy => 0,
        };
        let breaker = match self.breaker {
            Breaker::Closed => FULL,
            Breaker::HalfOpen => FULL / 2,
            Breaker::Open => 0,
        };
        let working = FULL - self.error_per_mille.min(FULL);
        let room = self.room_per_mille.min(ROOM_ENOUGH) * (FULL / ROOM_ENOUGH);
        // Multiplied, so that any one of them at 0 makes the whole 0, and the provider last.
        [breaker, working, room].into_iter().fold(health, |all, each| all * each / FULL)
    }

    /// Tokens a second of an answer of usual length, its latency counted in.
    pub(super) fn speed(&self, speed: u32) -> u32 {
        // Nothing was measured, or the record tells no speed to divide by.
        if self.latency_ms == 0 || speed == 0 {
            return speed;
        }
        let writing_ms = ANSWER_TOKENS * 1_000 / u64::from(speed);
        let all_ms = writing_ms + u64::from(self.latency_ms);
        // Whole milliseconds are rounded down, which must not make a fast model faster than it
        // writes.
        u32::try_from(ANSWER_TOKENS * 1_000 / all_ms).unwrap_or(speed).min(speed)
    }
}

/// What is known of a catalogue's providers; made by [`super::Catalogue::signals`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signals {
    /// By the provider's place in the catalogue. Empty: nothing is known of any.
    pub(super) of_provider: Vec<Signal>,
}

impl Signals {
    pub(super) fn of(&self, provider: usize) -> Signal {
        self.of_provider.get(provider).copied().unwrap_or_default()
    }
}
