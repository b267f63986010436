//! How long an answer may say nothing. Told the time, it reads no clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::Failure;

/// When a body has said nothing for too long.
#[derive(Debug)]
pub(crate) struct Silence {
    between: Duration,
    due: Instant,
    has_begun: bool,
}

impl Silence {
    pub(crate) fn new(first_due: Instant, between: Duration) -> Self {
        Self { between, due: first_due, has_begun: false }
    }

    /// When it will have lasted too long, if nothing is heard till then.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// What says something was heard; the first wait may be the longer one.
    pub(crate) fn broken(&mut self, now: Instant) {
        self.due = now + self.between;
        self.has_begun = true;
    }

    /// Nobody has listened till now: that was not the provider's silence.
    pub(crate) fn listened_again(&mut self, now: Instant) {
        // Never shortened: the wait for the first event may still have longer to go.
        self.due = self.due.max(now + self.between);
    }

    pub(crate) fn failure(&self) -> Failure {
        if self.has_begun { Failure::NoNextEvent } else { Failure::NoFirstEvent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const BETWEEN: Duration = Duration::from_secs(3);

    fn begun(now: Instant) -> Silence {
        Silence::new(now + FIRST, BETWEEN)
    }

    #[test]
    fn an_answer_that_does_not_begin_has_its_own_time() {
        let now = Instant::now();
        let silence = begun(now);

        assert_eq!((now + FIRST, Failure::NoFirstEvent), (silence.due(), silence.failure()));
    }

    #[test]
    fn each_event_gives_time_for_the_next_and_never_less_than_its_own() {
        let now = Instant::now();
        let mut silence = begun(now);
        silence.broken(now + BETWEEN);

        assert_eq!((now + 2 * BETWEEN, Failure::NoNextEvent), (silence.due(), silence.failure()));
    }

    #[test]
    fn a_reader_that_is_away_is_not_the_providers_silence() {
        let now = Instant::now();
        let mut silence = begun(now);
        silence.broken(now);
        silence.listened_again(now + 5 * FIRST);

        assert_eq!(now + 5 * FIRST + BETWEEN, silence.due());
    }

    #[test]
    fn a_reader_that_was_away_for_a_moment_takes_nothing_from_the_first_wait() {
        let now = Instant::now();
        let mut silence = begun(now);
        silence.listened_again(now);

        assert_eq!(now + FIRST, silence.due());
    }
}
