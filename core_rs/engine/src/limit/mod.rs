//! Who may start something now, who waits, and for how long exactly.
//!
//! Windows are exact: no span of the window's length ever holds more than the limit, and nothing is
//! refused while there is room. Every wait is exact too: one microsecond less would be refused.

mod buckets;
mod keys;
mod queue;
mod slots;
mod windows;

pub use buckets::{BucketSettings, CallBuckets};
pub use queue::FairQueue;
pub use slots::{NoSlots, Slot, SlotChoice, choose_slot};
pub use windows::{Arrival, IdentityWindows, Kept, Verdict, WindowSettings, WindowState};
