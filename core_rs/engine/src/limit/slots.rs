//! The slots of a provider: N of them, each free again one window after its dispatch.
//!
//! With N slots no span of a window's length holds more than N dispatches, and nothing is refused
//! while a slot is free.

use thiserror::Error;

/// A slot as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its number, from 0.
    pub number: u32,
    /// From this time on it may be taken.
    pub free_at_us: i64,
}

/// Which slot to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotChoice {
    /// This stored slot is free.
    Free(u32),
    /// No stored slot is free, but this one may be created.
    New(u32),
    /// None is free before this time.
    NoneUntil {
        /// When the first one is free.
        retry_at_us: i64,
    },
}

impl SlotChoice {
    /// The slot to take now.
    #[must_use]
    pub fn slot(self) -> Option<u32> {
        match self {
            Self::Free(number) | Self::New(number) => Some(number),
            Self::NoneUntil { .. } => None,
        }
    }

    /// When the first one is free, if none is now.
    #[must_use]
    pub fn retry_at_us(self) -> Option<i64> {
        match self {
            Self::Free(_) | Self::New(_) => None,
            Self::NoneUntil { retry_at_us } => Some(retry_at_us),
        }
    }
}

/// The caller gave no slot that the limit allows, although there are as many as it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no slot below the limit was given, and none may be created")]
pub struct NoSlots;

/// Chooses among `slots`, the candidates that are free first, of a provider that may have `limit`.
///
/// `created` is how many slots the provider has stored. A slot whose number is `limit` or more is
/// left over from a higher limit and never taken. The free slot with the smallest `free_at_us`
/// wins, then the smallest number.
///
/// # Errors
/// [`NoSlots`] when there is nothing to choose from, for one because `limit` is 0.
pub fn choose_slot(
    slots: &[Slot],
    created: u32,
    limit: u32,
    now_us: i64,
) -> Result<SlotChoice, NoSlots> {
    let usable = slots.iter().filter(|slot| slot.number < limit);
    let first = usable.min_by_key(|slot| (slot.free_at_us, slot.number));
    match first {
        Some(slot) if slot.free_at_us <= now_us => Ok(SlotChoice::Free(slot.number)),
        // Only behind the free ones, so that there are never more rows than calls were ever in one
        // window.
        _ if created < limit => Ok(SlotChoice::New(created)),
        Some(slot) => Ok(SlotChoice::NoneUntil { retry_at_us: slot.free_at_us }),
        None => Err(NoSlots),
    }
}
