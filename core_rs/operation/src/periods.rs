//! When a budget's periods begin, in UTC.

use chenu_engine::vocabulary::BudgetPeriod;

const DAY_US: i64 = 86_400_000_000;
/// 1970-01-01 was a Thursday, the fourth day of its week.
const EPOCH_WEEKDAY: i64 = 3;

/// The start of the period that holds `now_us`; 0 for `total`, which never starts again.
#[must_use]
pub fn period_start_us(period: BudgetPeriod, now_us: i64) -> i64 {
    let day = now_us.div_euclid(DAY_US);
    match period {
        BudgetPeriod::Daily => day * DAY_US,
        BudgetPeriod::Weekly => (day - (day + EPOCH_WEEKDAY).rem_euclid(7)) * DAY_US,
        BudgetPeriod::Monthly => (day - (day_of_month(day) - 1)) * DAY_US,
        BudgetPeriod::Total => 0,
    }
}

/// Each period's start, without those that are the same.
pub(crate) fn starts(now_us: i64) -> Vec<i64> {
    let mut found = Vec::with_capacity(BudgetPeriod::ALL.len());
    // On a Monday that is the first of a month three periods begin at once; each start is a lookup,
    // which would load the same rows again.
    for period in BudgetPeriod::ALL {
        let start = period_start_us(*period, now_us);
        if !found.contains(&start) {
            found.push(start);
        }
    }
    found
}

/// The day of its month, from 1, of a day counted from 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last one of its year; 400 of them,
/// an era, have always the same days.
fn day_of_month(day: i64) -> i64 {
    // 1970-01-01 is the 719,468th day after 0000-03-01, and 400 years have 146,097 days.
    let from_era = (day + 719_468).rem_euclid(146_097);
    // Takes out the leap days that are over: one in four years, but for each century, but for the
    // last day of the era. What is left divides by 365.
    let leaps = from_era / 1_460 - from_era / 36_524 + from_era / 146_096;
    let year = (from_era - leaps) / 365;
    let of_year = from_era - (365 * year + year / 4 - year / 100);
    // From March on any five months have 153 days, so a straight line gives the month, and its
    // inverse the month's first day.
    let month = (5 * of_year + 2) / 153;
    of_year - (153 * month + 2) / 5 + 1
}
