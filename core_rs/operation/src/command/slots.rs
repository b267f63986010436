//! What can be asked of a provider's slots.

use serde::{Deserialize, Serialize};

use crate::rows::Slot;

/// The call of a slot went out. Without it the slot frees later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatched {
    /// The slot as it was taken.
    pub slot: Slot,
    /// When, by the monotonic clock.
    pub dispatched_ns: i64,
}

/// A provider has said when to come back: no slot of it is given out before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldBack {
    /// Which.
    pub provider: String,
    /// When it said so, by the monotonic clock.
    pub told_ns: i64,
    /// How long from then on.
    pub wait_us: i64,
}

/// A provider is called in another way: what held it back was told to the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetGo {
    /// Which.
    pub provider: String,
}

/// A call did not go out in time and asks again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readmit {
    /// The slot as it was taken.
    pub slot: Slot,
}
