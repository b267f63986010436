//! What an attempt costs, and what it may cost at most.

use super::{AmountError, narrow, not_negative};

/// Rates are for this many tokens.
const RATE_TOKENS: i128 = 1_000_000;
const RATE_TOKENS_SMALL: u64 = 1_000_000;

/// What may make an attempt dear: the bytes it sends and the tokens it may get back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// Length of the serialised upstream body; no token is shorter than a byte.
    pub body_bytes: i64,
    /// The wire's own constants for images and tools.
    pub extra_tokens: i64,
    /// The dearest rate that can apply to what is sent.
    pub dearest_input_rate: i64,
    /// Tokens that may come back.
    pub output_cap: i64,
    /// The rate for them.
    pub output_rate: i64,
}

/// Which output caps would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapQuery {
    /// The attempt, with the cap that is wanted: none larger is tried.
    pub wanted: Worst,
    /// Below this an answer is of no use.
    pub least: i64,
    /// What the attempt may cost at most.
    pub available: i64,
}

/// The cost of `tokens_and_rates`: the exact sum, rounded up once.
///
/// # Errors
/// [`AmountError::Negative`] or [`AmountError::Overflow`].
pub fn cost(tokens_and_rates: &[(i64, i64)]) -> Result<i64, AmountError> {
    let mut sum: i128 = 0;
    for &(tokens, rate) in tokens_and_rates {
        not_negative(&[tokens, rate])?;
        // Two numbers of 64 bits always fit 128 as a product, so only the sum needs a check.
        let part = i128::from(tokens) * i128::from(rate);
        sum = sum.checked_add(part).ok_or(AmountError::Overflow)?;
    }
    // Rounded up once, over the sum: each kind of token by itself would add up to a nano-dollar
    // that nobody bills.
    match u64::try_from(sum) {
        // A division of 128 bits takes ten times as long, and hardly any sum needs it.
        Ok(small) => narrow(small.div_ceil(RATE_TOKENS_SMALL).into()),
        Err(_) => narrow(sum.div_euclid(RATE_TOKENS) + i128::from(sum.rem_euclid(RATE_TOKENS) > 0)),
    }
}

/// The most that an attempt can cost.
///
/// # Errors
/// [`AmountError::Negative`] or [`AmountError::Overflow`].
pub fn bound(worst: &Worst) -> Result<i64, AmountError> {
    not_negative(&[worst.body_bytes, worst.extra_tokens])?;
    let input = worst.body_bytes.checked_add(worst.extra_tokens).ok_or(AmountError::Overflow)?;
    cost(&[(input, worst.dearest_input_rate), (worst.output_cap, worst.output_rate)])
}

/// The largest cap from `least` to the wanted one whose bound is at most `available`.
///
/// # Errors
/// [`AmountError::Negative`] or [`AmountError::Overflow`].
pub fn cap_that_fits(query: &CapQuery) -> Result<Option<i64>, AmountError> {
    let CapQuery { wanted, least, available } = *query;
    not_negative(&[least, available])?;
    if wanted.output_cap < least {
        not_negative(&[wanted.output_cap])?;
        return Ok(None);
    }
    // Asked of the least cap first: its bound also says that no amount is negative, and no sum
    // too large.
    let bound_at = |output_cap| bound(&Worst { output_cap, ..wanted });
    if bound_at(least)? > available {
        return Ok(None);
    }
    // In millionths, and exact: a bound that is rounded up is within a whole amount exactly where
    // its millionths are.
    let spare = i128::from(available) * RATE_TOKENS - input_cost(&wanted)?;
    // Output that costs nothing fits at any length.
    let cap = spare.checked_div(i128::from(wanted.output_rate));
    // No less than the least cap, which was found to fit just now.
    let wanted_cap = i128::from(wanted.output_cap);
    narrow(cap.map_or(wanted_cap, |cap| cap.min(wanted_cap))).map(Some)
}

/// What is sent costs this much at most, times [`RATE_TOKENS`].
fn input_cost(worst: &Worst) -> Result<i128, AmountError> {
    let input = worst.body_bytes.checked_add(worst.extra_tokens).ok_or(AmountError::Overflow)?;
    Ok(i128::from(input) * i128::from(worst.dearest_input_rate))
}
