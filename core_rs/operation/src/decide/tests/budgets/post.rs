//! The end of what is held: posted, voided, expired, or posted late.

use std::collections::BTreeMap;

use super::rows::{NOON_US, Rows, budget, monthly};
use crate::decide::budgets;
use crate::rows::{Hold, HoldState};
use crate::view::View;
use crate::{Broken, Decided};

const LATER_US: i64 = NOON_US + 5_000_000;

/// Posted, reserved and overrun of each budget.
fn amounts(rows: &Rows) -> BTreeMap<&str, (i64, i64, i64)> {
    rows.each(|it| (it.posted_nanousd, it.reserved_nanousd, it.overrun_nanousd))
}

/// What is held, posted and overrun for one operation.
fn amounts_of(hold: &Hold) -> (i64, i64, i64) {
    (hold.amount_nanousd, hold.posted_nanousd, hold.overrun_nanousd)
}

/// Some later time, with so much held of a day's limit of 100.
fn holding(amount: i64) -> (Rows, Hold) {
    let mut rows = Rows::new([budget("day", 100)]);
    let hold = rows.reserved("q", amount);
    rows.now_us = LATER_US;
    (rows, hold)
}

fn void(rows: &mut Rows, hold: &Hold) -> Hold {
    rows.on_legs(hold, |view| budgets::void(view, hold, LATER_US)).unwrap();
    rows.hold(&hold.request_id)
}

/// Every leg gets the same.
#[test]
fn a_post_keeps_what_was_used_and_releases_the_rest() {
    let mut rows = Rows::new([budget("day", 100), monthly("month", 100)]);
    let hold = rows.reserved("q", 60);
    rows.now_us = LATER_US;
    let ended = rows.post(&hold, 25).unwrap();

    assert_eq!(BTreeMap::from([("day", (25, 0, 0)), ("month", (25, 0, 0))]), amounts(&rows));
    assert_eq!((HoldState::Posted, (0, 25, 0)), (ended.state, amounts_of(&ended)));
    assert_eq!(LATER_US, ended.ended_us);
    assert_eq!(vec![ended], rows.holds());
}

/// Spent money is never dropped, and `posted` never passes the limit.
#[test]
fn what_was_billed_beyond_what_is_held_is_overrun() {
    let mut rows = Rows::new([budget("day", 60)]);
    let hold = rows.reserved("q", 60);
    let ended = rows.post(&hold, 75).unwrap();

    assert_eq!(BTreeMap::from([("day", (60, 0, 15))]), amounts(&rows));
    assert_eq!((0, 60, 15), amounts_of(&ended));
}

/// The next attempt goes on with it, topped up to its own bound.
#[test]
fn a_failed_attempts_charge_leaves_the_rest_held() {
    let (mut rows, first) = holding(60);
    let charged = rows.post_part(&first, 20);

    assert_eq!(BTreeMap::from([("day", (20, 40, 0))]), amounts(&rows));
    assert_eq!((HoldState::Held, (40, 20, 0)), (charged.state, amounts_of(&charged)));
    assert!(charged.estimated);
    assert_eq!(charged, rows.hold("q"));
    assert_eq!(Ok(Ok(())), rows.top_up(&charged, 80));
    assert_eq!(BTreeMap::from([("day", (20, 80, 0))]), amounts(&rows));
}

/// The query's cost is the sum; one estimate makes the sum an estimate.
#[test]
fn charges_of_several_attempts_add_up() {
    let (mut rows, first) = holding(60);
    let charged = rows.post_part(&first, 70);
    let ended = rows.post(&charged, 5).unwrap();

    assert_eq!(BTreeMap::from([("day", (60, 0, 15))]), amounts(&rows));
    assert_eq!(((0, 60, 15), true), (amounts_of(&ended), ended.estimated));
}

/// Nothing was dispatched, so nothing is charged.
#[test]
fn a_void_releases_all() {
    let (mut rows, hold) = holding(60);
    let ended = void(&mut rows, &hold);

    assert_eq!(BTreeMap::from([("day", (0, 0, 0))]), amounts(&rows));
    assert_eq!((HoldState::Voided, (0, 0, 0)), (ended.state, amounts_of(&ended)));
    assert_eq!(LATER_US, ended.ended_us);
}

/// Others took the room meanwhile; the money was spent all the same.
#[test]
fn a_late_settlement_posts_what_fits_in_each_budget() {
    let mut rows = Rows::new([budget("day", 100), monthly("month", 1_000)]);
    let hold = rows.reserved("q", 60);
    let expired = rows.expire(&hold);
    rows.reserved("other", 80);
    let ended = rows.post(&expired, 50).unwrap();

    assert_eq!(BTreeMap::from([("day", (20, 80, 30)), ("month", (50, 80, 0))]), amounts(&rows));
    assert_eq!((HoldState::Expired, (0, 20, 30)), (ended.state, amounts_of(&ended)));
}

/// Whoever let it go was wrong about what was dispatched; what was spent counts all the same.
#[test]
fn what_was_voided_may_be_posted_late() {
    let (mut rows, hold) = holding(60);
    let voided = void(&mut rows, &hold);
    rows.reserved("other", 80);
    let ended = rows.post(&voided, 50).unwrap();

    assert_eq!(BTreeMap::from([("day", (20, 80, 30))]), amounts(&rows));
    assert_eq!((HoldState::Voided, (0, 20, 30)), (ended.state, amounts_of(&ended)));
}

/// Releasing twice would free money that someone else holds.
#[test]
fn what_is_held_ends_once() {
    type End = fn(&mut View<'_>, &Hold, i64) -> Decided<()>;
    let ends: [End; 2] = [budgets::void, budgets::expire];
    for end in ends {
        let (mut rows, hold) = holding(60);
        let ended = void(&mut rows, &hold);
        let again = rows.on_legs(&ended, |view| end(view, &ended, LATER_US));

        let why = "what is not held cannot be released or topped up";
        assert_eq!(Err(Broken::State(why)), again);
        assert_eq!(ended, rows.hold("q"));
    }
}

/// It would be charged twice.
#[test]
fn what_was_posted_is_not_posted_again() {
    let (mut rows, hold) = holding(60);
    let ended = rows.post(&hold, 25).unwrap();

    let why = "what is held, or was posted, is not posted late";
    assert_eq!(Err(Broken::State(why)), rows.post(&ended, 25));
    assert_eq!(BTreeMap::from([("day", (25, 0, 0))]), amounts(&rows));
}

/// Where no budget is required, the query's cost is known all the same.
#[test]
fn what_is_held_without_legs_still_adds_up() {
    let (mut rows, hold) = holding(60);
    let unbudgeted = Hold { legs: Vec::new(), ..hold };

    assert_eq!((0, 25, 0), amounts_of(&rows.post(&unbudgeted, 25).unwrap()));
}
