//! Money: what an attempt costs or may cost at most, and the accounts that it must fit in.
//!
//! All amounts are nano-USD, all rates nano-USD per million tokens. Sums are made in 128 bits; a
//! result that does not fit 64 is an error, never a smaller number.

mod account;
mod cost;

pub use account::{Account, Exhausted, available, late_post, overran, post, reserve, void};
pub use cost::{CapQuery, Worst, bound, cap_that_fits, cost};

use thiserror::Error;

/// A caller's mistake with an amount; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AmountError {
    /// An amount, count or rate is below zero.
    #[error("amounts, counts and rates are never negative")]
    Negative,
    /// The result does not fit 64 bits.
    #[error("the amount does not fit 64 bits")]
    Overflow,
    /// More leaves the reservation than the account has reserved.
    #[error("the account has less reserved than is taken out")]
    NotReserved,
}

fn not_negative(amounts: &[i64]) -> Result<(), AmountError> {
    if amounts.iter().any(|amount| *amount < 0) { Err(AmountError::Negative) } else { Ok(()) }
}

fn narrow(amount: i128) -> Result<i64, AmountError> {
    i64::try_from(amount).map_err(|_| AmountError::Overflow)
}
