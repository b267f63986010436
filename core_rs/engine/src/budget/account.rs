//! Two-phase spending: reserve, then post what was used or void.

use super::{AmountError, narrow, not_negative};

/// One budget in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account {
    /// What the budget allows.
    pub limit: i64,
    /// What approvals added to it.
    pub granted: i64,
    /// What was spent of it.
    pub posted: i64,
    /// What running work may still spend.
    pub reserved: i64,
    /// What was billed beyond the reservation.
    pub overrun: i64,
}

/// A reservation does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// Place of the account that has the least available among those it does not fit in.
    pub index: usize,
}

impl Account {
    /// Checks the amounts.
    ///
    /// # Errors
    /// [`AmountError::Negative`].
    pub fn checked(self) -> Result<Self, AmountError> {
        not_negative(&[self.limit, self.granted, self.posted, self.reserved, self.overrun])?;
        Ok(self)
    }

    fn room(&self) -> i128 {
        // In 128 bits: a sum of 64 that wrapped would turn an exhausted budget into an endless one.
        let allowed = i128::from(self.limit) + i128::from(self.granted);
        let used = i128::from(self.posted) + i128::from(self.reserved) + i128::from(self.overrun);
        allowed - used
    }
}

/// What may still be reserved; 0 when the account is overdrawn.
///
/// # Errors
/// [`AmountError::Overflow`].
pub fn available(account: &Account) -> Result<i64, AmountError> {
    narrow(account.room().max(0))
}

/// Reserves `amount` in all accounts, or in none. An overdrawn account admits nothing, not even 0.
///
/// # Errors
/// [`AmountError`], or [`Exhausted`] inside: the first of the accounts that have the least.
pub fn reserve(
    accounts: &[Account],
    amount: i64,
) -> Result<Result<Vec<Account>, Exhausted>, AmountError> {
    not_negative(&[amount])?;
    // Less than nothing is short of 0, too: an overdrawn account lets not even a free call begin.
    let short = accounts.iter().enumerate().filter(|(_, it)| it.room() < i128::from(amount));
    if let Some((index, _)) = short.min_by_key(|(_, account)| account.room()) {
        return Ok(Err(Exhausted { index }));
    }
    // New values, and nothing changed in place: where one sum does not fit, no account has taken
    // anything.
    let taken: Result<Vec<Account>, AmountError> =
        accounts.iter().map(|account| with_reserved(account, amount)).collect();
    taken.map(Ok)
}

/// Ends a reservation with what was `used`: it is posted as far as `reserved` goes, the rest is
/// overrun.
///
/// # Errors
/// [`AmountError`].
pub fn post(account: &Account, reserved: i64, used: i64) -> Result<Account, AmountError> {
    not_negative(&[used])?;
    let freed = void(account, reserved)?;
    split(&freed, used.min(reserved), used)
}

/// Posts what was `used` after its reservation had ended: as far as it fits, the rest is overrun.
///
/// # Errors
/// [`AmountError`].
pub fn late_post(account: &Account, used: i64) -> Result<Account, AmountError> {
    not_negative(&[used])?;
    // An overdrawn account has less than no room, of which nothing may be posted.
    let fitting = account.room().clamp(0, i128::from(used));
    split(account, narrow(fitting)?, used)
}

/// Whether the overrun has grown by more than 1 % of the limit since it was `seen`.
///
/// The limit alone counts: a grant was approved for what was asked, not for what a provider adds.
///
/// # Errors
/// [`AmountError::Negative`].
pub fn overran(account: &Account, seen: i64) -> Result<bool, AmountError> {
    not_negative(&[seen])?;
    let grown = i128::from(account.overrun) - i128::from(seen);
    // Multiplied and not divided, for 1 % of a small limit would be rounded to 0 and any overrun
    // would freeze.
    Ok(grown * 100 > i128::from(account.limit))
}

/// Ends a reservation of which nothing was used.
///
/// # Errors
/// [`AmountError::Negative`] or [`AmountError::NotReserved`].
pub fn void(account: &Account, reserved: i64) -> Result<Account, AmountError> {
    not_negative(&[reserved])?;
    // Nobody has reserved so much: given back all the same, it would be room that was never taken.
    if reserved > account.reserved {
        return Err(AmountError::NotReserved);
    }
    with_reserved(account, -reserved)
}

fn with_reserved(account: &Account, change: i64) -> Result<Account, AmountError> {
    let reserved = account.reserved.checked_add(change).ok_or(AmountError::Overflow)?;
    Ok(Account { reserved, ..*account })
}

/// Adds `posted` of `used` to what was spent and the rest to the overrun.
fn split(account: &Account, posted: i64, used: i64) -> Result<Account, AmountError> {
    // What is posted is never more than what was used, so this is exact.
    let excess = used.saturating_sub(posted);
    let posted = account.posted.checked_add(posted).ok_or(AmountError::Overflow)?;
    let overrun = account.overrun.checked_add(excess).ok_or(AmountError::Overflow)?;
    Ok(Account { posted, overrun, ..*account })
}
