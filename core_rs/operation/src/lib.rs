//! Governed operations: what a command does to their rows, and what it answers.
//!
//! A command names the rows it needs, is given them with the batch's time, and leaves [`Effects`]:
//! rows, ledger entries and an answer. Nothing here reads a clock, starts a thread or touches a
//! file, so a decision can be replayed from its rows. Whole or nothing: what a command that fails
//! has put is forgotten by who called it.

pub mod answer;
pub mod command;
pub mod decide;
pub mod entry;
pub mod event;
pub mod periods;
pub mod refusal;
pub mod rows;
pub mod rules;
pub mod view;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use chenu_engine::budget::AmountError;

/// The batch's time: it goes on with the database's clock and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Unix time in microseconds. Every expiry, lease and period is decided by it.
    pub now_us: i64,
    /// The process's monotonic clock when `now_us` was read.
    pub mono_ns: i64,
}

impl Moment {
    /// The batch's clock at a monotonic reading of the same process.
    #[must_use]
    pub fn at(&self, mono_ns: i64) -> i64 {
        // Rounded down on both sides of the batch's moment: a division toward 0 would call what
        // lies just before it the moment itself.
        self.now_us + (mono_ns - self.mono_ns).div_euclid(1_000)
    }

    /// How long ago a monotonic reading was, in microseconds; 0 for one that is to come.
    #[must_use]
    pub fn since(&self, mono_ns: i64) -> i64 {
        (self.mono_ns - mono_ns).div_euclid(1_000).max(0)
    }
}

/// What the rows promise does not hold, so that nothing may be decided on them. A bug, or a
/// database that somebody else has written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Broken {
    /// A row that another one stands for is not there.
    #[error("{0}")]
    Missing(&'static str),
    /// A row is in a state in which this cannot happen to it.
    #[error("{0}")]
    State(&'static str),
    /// Amounts that cannot be.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// A text that should be JSON and is none, or the like.
    #[error("{0}")]
    Text(String),
}

/// What deciding comes to.
pub type Decided<T> = Result<T, Broken>;
