//! A bill beyond what was held: entered always, and beyond 1 % of a limit it freezes a budget.

use std::collections::{BTreeMap, BTreeSet};

use chenu_engine::vocabulary::{BudgetScope, LedgerAction, LedgerDecision, PrincipalType};
use serde_json::Value;

use super::rows::{ALICE, DAY_US, NOON_US, Rows, budget, owned_by, scoped, total};
use crate::decide::budgets::{self, Short};
use crate::rows::{Budget, Hold, Period, SYSTEM};
use crate::view::{Row, View};

const LIMIT: i64 = 10_000;
const ONE_PERCENT: i64 = LIMIT / 100;

/// With one budget of a day.
fn a_day() -> Rows {
    Rows::new([budget("day", LIMIT)])
}

/// A query that held 10 and was billed so much more.
fn overrun(rows: &mut Rows, request_id: &str, by: i64) {
    let hold = rows.reserved(request_id, 10);
    rows.post(&hold, 10 + by).unwrap();
}

/// The budgets with a frozen period.
fn frozen(rows: &Rows) -> BTreeSet<&str> {
    let frozen = rows.periods().filter(|period| period.frozen_us != 0);
    frozen.map(|period| period.budget_id.as_str()).collect()
}

fn nothing() -> BTreeSet<&'static str> {
    BTreeSet::new()
}

fn only(budget_id: &str) -> BTreeSet<&str> {
    BTreeSet::from([budget_id])
}

/// Alice's own budget admits nothing.
fn is_frozen(budget_id: &str) -> Short {
    Short::Frozen { scope: BudgetScope::Identity, budget_id: budget_id.to_owned() }
}

/// As `UnfreezeBudget` leaves the row.
fn thaw(rows: &mut Rows, budget_id: &str) {
    let frozen: Vec<Period> =
        rows.periods().filter(|period| period.budget_id == budget_id).cloned().collect();
    for period in frozen {
        let seen = period.overrun_nanousd;
        rows.put(Row::Period(Period { frozen_us: 0, overrun_seen_nanousd: seen, ..period }));
    }
}

// --- how much is too much -----------------------------------------------------------------------

/// One nano-dollar decides, and the last query is told by nobody: the next one is.
#[test]
fn an_overrun_beyond_one_percent_freezes() {
    let cases =
        [(ONE_PERCENT, nothing(), Ok(())), (ONE_PERCENT + 1, only("day"), Err(is_frozen("day")))];
    for (by, after, next) in cases {
        let mut rows = a_day();
        overrun(&mut rows, "q", by);

        assert_eq!(after, frozen(&rows), "{by}");
        assert_eq!(next, rows.try_reserve("next", 1), "{by}");
    }
}

/// A provider that always bills a little more is no better than one that once bills much.
#[test]
fn small_overruns_add_up() {
    let mut rows = a_day();
    overrun(&mut rows, "first", ONE_PERCENT);
    overrun(&mut rows, "second", 1);

    assert_eq!(only("day"), frozen(&rows));
}

/// 1 % of nothing is nothing.
#[test]
fn a_limit_of_nothing_is_frozen_by_any_overrun() {
    let mut rows = Rows::new([budget("day", 0)]);
    let hold = rows.reserved("q", 0);
    rows.post(&hold, 1).unwrap();

    assert_eq!(only("day"), frozen(&rows));
}

/// A person approved it for what was asked, not for what a provider adds.
#[test]
fn a_grant_does_not_widen_the_hundredth() {
    let mut rows = Rows::new([Budget { granted_nanousd: LIMIT, ..budget("day", LIMIT) }]);
    overrun(&mut rows, "q", ONE_PERCENT + 1);

    assert_eq!(only("day"), frozen(&rows));
}

// --- which budget -------------------------------------------------------------------------------

/// A budget of some scope, all of the same limit; of the two of identity the older is named so.
fn named(name: &str) -> Budget {
    let wide = budget(name, LIMIT);
    match name {
        "agent" => scoped(BudgetScope::Agent, "nova", wide),
        "thread" => scoped(BudgetScope::Thread, "42", wide),
        "sphere" => scoped(BudgetScope::Sphere, "business", wide),
        "provider" => scoped(BudgetScope::Provider, "anthropic", wide),
        "old" => Budget { created_us: NOON_US - 2, ..total(name, LIMIT) },
        "young" => Budget { created_us: NOON_US - 1, ..wide },
        "all" => owned_by(SYSTEM, scoped(BudgetScope::Global, "", wide)),
        other => panic!("there is no budget {other}"),
    }
}

/// With all of these held in. No query is about a thread yet, so nothing finds a thread's budget;
/// where there is one, it stands among the others by hand.
fn overrun_in(names: &[&str], by: i64) -> Rows {
    let mut rows = Rows::new(names.iter().map(|name| named(name)));
    let mut standings = rows.standings();
    if names.contains(&"thread") {
        let now_us = rows.now_us;
        let thread = rows.on(&[], |view| budgets::current(view, &named("thread"), now_us));
        standings.push(thread);
    }
    assert_eq!(names.len(), standings.len(), "all of them apply");
    assert_eq!(Ok(()), rows.reserve_in(&standings, "q", 10));
    let hold = rows.hold("q");
    rows.post(&hold, 10 + by).unwrap();
    rows
}

/// Agent, thread, sphere, identity, provider; the older of two alike; everybody's goes on.
#[test]
fn the_narrowest_budget_is_frozen_and_never_a_global_one() {
    let cases: [(&[&str], _); 6] = [
        (&["all", "sphere", "thread", "agent"], only("agent")),
        (&["all", "provider", "young", "sphere", "thread"], only("thread")),
        (&["all", "provider", "young", "sphere"], only("sphere")),
        (&["all", "provider", "young", "old"], only("old")),
        (&["all", "provider"], only("provider")),
        (&["all"], nothing()),
    ];
    for (applying, narrowest) in cases {
        let rows = overrun_in(applying, ONE_PERCENT + 1);

        assert_eq!(narrowest, frozen(&rows), "{applying:?}");
    }
}

/// What is frozen was overrun itself: so the refusal says.
#[test]
fn a_budget_whose_own_limit_is_far_is_not_frozen_for_another() {
    let wide = scoped(BudgetScope::Sphere, "business", budget("wide", 100 * LIMIT));
    let mut rows = Rows::new([wide, budget("tight", LIMIT)]);
    overrun(&mut rows, "q", ONE_PERCENT + 1);

    assert_eq!(only("tight"), frozen(&rows));
}

/// Unfreezing the narrowest must not let the next nano-dollar freeze the one around it.
#[test]
fn one_freeze_answers_for_every_budget_that_was_overrun() {
    let mut rows = overrun_in(&["sphere", "young"], ONE_PERCENT + 1);
    assert_eq!(only("sphere"), frozen(&rows));
    thaw(&mut rows, "sphere");
    overrun(&mut rows, "next", 1);

    assert_eq!(nothing(), frozen(&rows));
}

/// More money would not help; a person must look first.
#[test]
fn a_frozen_budget_refuses_before_an_exhausted_one() {
    let mut rows = Rows::new([budget("day", LIMIT), total("small", 0)]);
    let hold = rows.reserved("q", 0);
    rows.post(&hold, ONE_PERCENT + 1).unwrap();
    thaw(&mut rows, "small");

    assert_eq!(Err(is_frozen("day")), rows.try_reserve("next", 1));
    thaw(&mut rows, "day");
    let exhausted =
        Short::Exhausted { scope: BudgetScope::Identity, budget_id: "small".to_owned() };
    assert_eq!(Err(exhausted), rows.try_reserve("next", 1));
}

// --- how long -----------------------------------------------------------------------------------

/// The freeze ends with its period, without anybody.
#[test]
fn the_next_day_is_not_frozen() {
    let mut rows = a_day();
    overrun(&mut rows, "q", ONE_PERCENT + 1);
    rows.now_us += DAY_US;

    assert_eq!(Ok(()), rows.try_reserve("next", 1));
}

/// Its period never ends.
#[test]
fn a_total_budget_stays_frozen() {
    let mut rows = Rows::new([total("total", LIMIT)]);
    overrun(&mut rows, "q", ONE_PERCENT + 1);
    rows.now_us += 400 * DAY_US;

    assert_eq!(Err(is_frozen("total")), rows.try_reserve("next", 1));
}

/// It counts against yesterday, whose freeze is over; it is entered all the same.
#[test]
fn yesterdays_bill_freezes_nothing_today() {
    let mut rows = a_day();
    let hold = rows.reserved("q", 10);
    rows.now_us += DAY_US;
    rows.post(&hold, LIMIT).unwrap();

    assert_eq!(nothing(), frozen(&rows));
    let reasons: Vec<&str> = rows.entries.iter().map(|entry| &*entry.reason).collect();
    assert_eq!(vec!["BUDGET_OVERRUN"], reasons);
}

/// There is nothing to unfreeze.
#[test]
fn a_deleted_budget_is_not_frozen() {
    let mut rows = a_day();
    let hold = rows.reserved("q", 10);
    rows.put(Row::Budget(Budget { deleted: true, ..budget("day", LIMIT) }));
    rows.post(&hold, LIMIT).unwrap();

    assert_eq!(nothing(), frozen(&rows));
}

// --- whose bill ---------------------------------------------------------------------------------

/// Whatever books a bill decides by the same rule, in its own command.
#[test]
fn a_failed_attempts_bill_freezes_too() {
    let mut rows = a_day();
    let hold = rows.reserved("q", 10);
    rows.post_part(&hold, 11 + ONE_PERCENT);

    assert_eq!(only("day"), frozen(&rows));
}

/// Its owner was thought dead, others took the room: what does not fit is overrun.
#[test]
fn a_late_bill_freezes_too() {
    let mut rows = a_day();
    let hold = rows.reserved("q", 500);
    let ended = rows.expire(&hold);
    rows.reserved("other", LIMIT);
    let late =
        |view: &mut View<'_>| budgets::late_post(view, &ended, ONE_PERCENT + 1, true, NOON_US);

    assert_eq!(Ok(()), rows.on_legs(&ended, late));
    assert_eq!(only("day"), frozen(&rows));
}

// --- what a frozen budget still does ------------------------------------------------------------

/// A budget that was frozen at this time while one of its queries held 60.
fn frozen_at(frozen_us: i64) -> (Rows, Hold) {
    let mut rows = a_day();
    let running = rows.reserved("running", 60);
    rows.now_us = frozen_us;
    overrun(&mut rows, "q", ONE_PERCENT + 1);
    (rows, running)
}

/// Running queries end as they would; only what is new is refused.
#[test]
fn what_is_held_is_posted_though_the_budget_is_frozen() {
    let (mut rows, running) = frozen_at(NOON_US);
    let ended = rows.post(&running, 25).unwrap();

    assert_eq!((25, 0), (ended.posted_nanousd, ended.overrun_nanousd));
}

/// A further attempt may use what is held and not more.
#[test]
fn a_frozen_budget_tops_nothing_up() {
    let (mut rows, running) = frozen_at(NOON_US);

    assert_eq!(Ok(Err(is_frozen("day"))), rows.top_up(&running, 61));
    assert_eq!(Ok(Ok(())), rows.top_up(&running, 60));
    assert_eq!(running, rows.hold("running"));
    assert_eq!(40, rows.room_after(&running, 20));
}

/// The money is yesterday's. A freeze of yesterday is over; one of today binds it.
#[test]
fn over_midnight_today_says_what_is_frozen() {
    let tomorrow_us = NOON_US + DAY_US;
    for (frozen_us, binds) in [(NOON_US, false), (tomorrow_us, true)] {
        let (mut rows, running) = frozen_at(frozen_us);
        rows.now_us = tomorrow_us;
        let outcome = if binds { Err(is_frozen("day")) } else { Ok(()) };

        assert_eq!(binds, 40 == rows.room_after(&running, 20), "{frozen_us}");
        assert_eq!(Ok(outcome), rows.top_up(&running, 61), "{frozen_us}");
    }
}

/// Also where the bill is an overrun, and where that very overrun freezes the budget.
#[test]
fn the_room_after_a_bill_is_what_a_top_up_gets() {
    let cases = [
        (0, LIMIT),
        (20, LIMIT - 20),
        (60, LIMIT - 60),
        (60 + ONE_PERCENT, LIMIT - 60 - ONE_PERCENT),
        (61 + ONE_PERCENT, 0),
    ];
    for (used, room) in cases {
        let mut rows = a_day();
        let hold = rows.reserved("q", 60);

        assert_eq!(room, rows.room_after(&hold, used), "{used}");
        let after = rows.post_part(&hold, used);
        let beyond = rows.top_up(&after, room + 1);
        assert!(matches!(beyond, Ok(Err(_))), "{used}: {beyond:?}");
        assert_eq!(Ok(Ok(())), rows.top_up(&after, room), "{used}");
    }
}

// --- the ledger ---------------------------------------------------------------------------------

/// By the system, with how much and by which query; the budget that it froze says so.
#[test]
fn every_overrun_is_entered_for_each_budget() {
    let rows = overrun_in(&["young", "all"], ONE_PERCENT + 1);
    assert_eq!(2, rows.entries.len());
    let of_budget: BTreeMap<&str, (&str, &str)> = rows
        .entries
        .iter()
        .map(|it| (it.resource_id.as_str(), (it.identity_id.as_str(), it.reason.as_str())))
        .collect();

    let (young, all) = ((ALICE, "BUDGET_FROZEN"), (SYSTEM, "BUDGET_OVERRUN"));
    assert_eq!(BTreeMap::from([("young", young), ("all", all)]), of_budget);
    for entry in &rows.entries {
        assert_eq!((LedgerDecision::Admin, LedgerAction::Update), (entry.decision, entry.action));
        let subject = (entry.subject.kind, entry.subject.id.as_str());
        assert_eq!((PrincipalType::Service, SYSTEM), subject);
        assert_eq!("budget", entry.resource_kind);
        let told: Value = serde_json::from_str(&entry.payload).unwrap();
        assert_eq!("q", told["request_id"]);
        assert_eq!(101, told["overrun_by_nanousd"]);
        assert_eq!(101, told["overrun_nanousd"]);
        assert_eq!(LIMIT, told["limit_nanousd"]);
    }
}

/// The settling entry says what it cost.
#[test]
fn an_ordinary_bill_is_not_entered() {
    let mut rows = a_day();
    overrun(&mut rows, "q", 0);

    assert!(rows.entries.is_empty(), "{:?}", rows.entries);
}
