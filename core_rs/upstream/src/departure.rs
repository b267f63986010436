//! The moment at which a request leaves.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

use crate::client::OnLeave;
use crate::exchange::locked;

const HERE: u64 = 0;
const STOPPED: u64 = 1;

/// Whether a request's first byte has been handed to its connection. Decided once: what a reader
/// is told of it holds, whatever the thread that sends does a moment later.
pub(crate) struct Departure {
    at: AtomicU64, // or one of the above, which no clock shows
    on_leave: Mutex<Option<OnLeave>>,
}

impl Departure {
    pub(crate) fn new(on_leave: Option<OnLeave>) -> Self {
        Self { at: AtomicU64::new(HERE), on_leave: Mutex::new(on_leave) }
    }

    /// When it left, by the monotonic clock in nanoseconds.
    pub(crate) fn left_ns(&self) -> Option<u64> {
        Some(self.at.load(Ordering::Acquire)).filter(|at| *at > STOPPED)
    }

    /// Lets nothing leave any more.
    pub(crate) fn stop(&self) {
        // Lost against a thread that has just set the time, it changes nothing: then the request
        // has left.
        let _ = self.at.compare_exchange(HERE, STOPPED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The first byte leaves now, unless that was stopped.
    pub(crate) fn leave(&self) -> bool {
        let now = monotonic_ns();
        match self.at.compare_exchange(HERE, now, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                if let Some(tell) = locked(&self.on_leave).take() {
                    tell(now);
                }
                true
            }
            Err(at) => at != STOPPED,
        }
    }
}

/// The clock of Python's `time.monotonic_ns`.
fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    // Since the machine began: 64 bits hold 584 years of it, and it is beyond `STOPPED` at once.
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn watched() -> (Departure, Arc<Mutex<Vec<u64>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        (Departure::new(Some(Box::new(move |at| locked(&tell).push(at)))), told)
    }

    #[test]
    fn what_was_stopped_does_not_leave() {
        let (departure, told) = watched();
        departure.stop();

        assert_eq!((false, None), (departure.leave(), departure.left_ns()));
        assert!(locked(&told).is_empty());
    }

    #[test]
    fn what_has_left_is_not_stopped_and_is_told_once() {
        let (departure, told) = watched();
        let before = monotonic_ns();
        let left = [departure.leave(), departure.leave()];
        departure.stop();

        let at = departure.left_ns().unwrap();
        assert_eq!(([true, true], vec![at]), (left, locked(&told).clone()));
        assert!((before..=monotonic_ns()).contains(&at));
    }
}
