//! Binding of [`chenu_engine::limit`].

use std::num::NonZeroU32;
use std::sync::Mutex;

use chenu_engine::limit::{self as engine, BucketSettings, WindowSettings};
use pyo3::prelude::*;

use crate::classes::result_class;
use crate::convert::{locked, mistake};

result_class! {
    /// The answer to an arrival.
    Arrival from arrival: engine::Arrival {
        verdict: &'static str = arrival.verdict.name(),
        retry_after_us: i64 = arrival.retry_after_us,
    }
}

result_class! {
    /// How much of its windows an identity has used.
    WindowState from state: engine::WindowState {
        used: usize = state.used,
        burst_used: usize = state.burst_used,
        blocked_until_us: i64 = state.blocked_until_us,
    }
}

/// Exact sliding windows for each identity. Thread-safe.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct IdentityWindows(Mutex<engine::IdentityWindows>);

#[pymethods]
impl IdentityWindows {
    #[new]
    #[pyo3(signature = (*, limit, window_us, burst, burst_window_us, block_us, keys_max))]
    fn new(
        limit: usize,
        window_us: i64,
        burst: usize,
        burst_window_us: i64,
        block_us: i64,
        keys_max: usize,
    ) -> Self {
        let settings =
            WindowSettings { limit, window_us, burst, burst_window_us, block_us, keys_max };
        Self(Mutex::new(engine::IdentityWindows::new(settings)))
    }

    /// Counts a call of `identity` if there is room for it.
    fn arrive(&self, identity: &str, now_us: i64) -> Arrival {
        // The lock is held for microseconds and no Python runs under it, so it may be waited for
        // with the interpreter in hand.
        locked(&self.0).arrive(identity, now_us).into()
    }

    /// Takes back one admission at `arrived_us`, if it is still counted.
    fn give_back(&self, identity: &str, arrived_us: i64) {
        locked(&self.0).give_back(identity, arrived_us);
    }

    /// Adds admissions that were stored before a restart.
    fn restore(&self, identity: &str, times_us: Vec<i64>) {
        locked(&self.0).restore(identity, &times_us);
    }

    /// Takes what is kept of `identity` in the place of what is known of it here.
    fn put(&self, identity: &str, admissions_us: Vec<i64>, blocked_until_us: i64) {
        locked(&self.0).put(identity, &engine::Kept { admissions_us, blocked_until_us });
    }

    /// What is to be kept of `identity`: its admissions, and the end of its block.
    fn kept(&self, identity: &str) -> (Vec<i64>, i64) {
        let kept = locked(&self.0).kept(identity);
        (kept.admissions_us, kept.blocked_until_us)
    }

    /// What `identity` has used at `now_us`.
    fn state(&self, identity: &str, now_us: i64) -> WindowState {
        locked(&self.0).state(identity, now_us).into()
    }

    /// Forgets all admissions and the block of `identity`.
    fn reset(&self, identity: &str) {
        locked(&self.0).reset(identity);
    }
}

/// A rate with a burst for each key. Thread-safe.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct CallBuckets(Mutex<engine::CallBuckets>);

#[pymethods]
impl CallBuckets {
    #[new]
    #[pyo3(signature = (*, rate_per_s, burst, keys_max))]
    fn new(rate_per_s: u32, burst: u32, keys_max: usize) -> PyResult<Self> {
        // A bucket that holds nothing admits nobody, ever: no setting means that.
        let burst = NonZeroU32::new(burst).ok_or_else(|| mistake("burst must be at least 1"))?;
        let settings = BucketSettings { rate_per_s, burst, keys_max };
        Ok(Self(Mutex::new(engine::CallBuckets::new(settings))))
    }

    /// Microseconds to wait; 0 means admitted.
    fn take(&self, key: &str, now_us: i64) -> i64 {
        locked(&self.0).take(key, now_us)
    }
}

/// Who waits for one provider, and in which order. Thread-safe.
#[pyclass(frozen, module = "chenu_server._core")]
pub(crate) struct FairQueue(Mutex<engine::FairQueue>);

#[pymethods]
impl FairQueue {
    #[new]
    #[pyo3(signature = (*, waiting_max))]
    fn new(waiting_max: usize) -> Self {
        Self(Mutex::new(engine::FairQueue::new(waiting_max)))
    }

    /// Lets a call wait: its place from 0, or `None` when the queue is full.
    fn join(&self, identity: &str, ticket: i64) -> Option<usize> {
        locked(&self.0).join(identity, ticket)
    }

    /// Lets a call go without service.
    fn leave(&self, ticket: i64) {
        locked(&self.0).leave(ticket);
    }

    /// The call whose turn it is.
    fn next(&self) -> Option<i64> {
        locked(&self.0).next()
    }

    /// Serves the call whose turn it is.
    fn take(&self) -> Option<i64> {
        locked(&self.0).take()
    }

    /// How many calls are served before this one.
    fn place(&self, ticket: i64) -> Option<usize> {
        locked(&self.0).place(ticket)
    }

    fn __len__(&self) -> usize {
        locked(&self.0).len()
    }
}
