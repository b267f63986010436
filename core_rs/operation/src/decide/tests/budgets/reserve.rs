//! Holding money: in every budget that applies, or in none.

use std::collections::{BTreeMap, BTreeSet};

use chenu_engine::reasons::ErrorReason;
use chenu_engine::vocabulary::BudgetScope;

use super::rows::{DAY_US, MONTH_US, Rows, TODAY_US, budget, monthly, owned_by, scoped, total};
use crate::Broken;
use crate::command::{Candidate, Plan, Verdict};
use crate::decide::budgets::{self, Short, Standing};
use crate::decide::judge::{self, Case, Judgement};
use crate::refusal::Refusal;
use crate::rows::{Budget, Bytes, Hold, HoldState, SYSTEM};
use crate::rules::{ProviderLimit, Rules};
use crate::view::Row;

/// What each budget has reserved.
fn held(rows: &Rows) -> BTreeMap<&str, i64> {
    rows.each(|period| period.reserved_nanousd)
}

fn global(budget_id: &str, limit: i64) -> Budget {
    owned_by(SYSTEM, scoped(BudgetScope::Global, "", budget(budget_id, limit)))
}

fn exhausted(budget_id: &str) -> Short {
    Short::Exhausted { scope: BudgetScope::Identity, budget_id: budget_id.to_owned() }
}

/// Own, matching and global ones; not another sphere's or identity's, nor a deleted one.
#[test]
fn what_is_held_stands_in_every_budget_that_applies() {
    let of_sphere = |value, id| scoped(BudgetScope::Sphere, value, budget(id, 100));
    let mut rows = Rows::new([
        budget("day", 100),
        monthly("month", 100),
        of_sphere("business", "sphere"),
        of_sphere("personal", "elsewhere"),
        Budget { deleted: true, ..total("gone", 0) },
        global("global", 100),
        owned_by(SYSTEM, budget("system's own", 0)),
        owned_by("bob", budget("bob's", 0)),
    ]);

    let hold = rows.reserved("q", 60);

    let each = [("day", 60), ("month", 60), ("sphere", 60), ("global", 60)];
    assert_eq!(BTreeMap::from(each), held(&rows));
    let legs = [("day", TODAY_US), ("month", MONTH_US), ("sphere", TODAY_US), ("global", TODAY_US)];
    let legs = legs.map(|(budget_id, start_us)| (budget_id.to_owned(), start_us));
    assert_eq!(BTreeSet::from(legs), hold.legs.into_iter().collect());
}

/// A partial hold would leak money that nobody releases.
#[test]
fn one_budget_without_room_leaves_all_untouched() {
    let mut rows = Rows::new([budget("day", 100), monthly("month", 10)]);

    assert_eq!(Err(exhausted("month")), rows.try_reserve("q", 60));
    assert_eq!(BTreeMap::new(), held(&rows));
    assert_eq!(Vec::<Hold>::new(), rows.holds());
}

/// It belongs to `system`.
#[test]
fn an_identity_is_not_told_the_id_of_a_global_budget() {
    let mut rows = Rows::new([budget("day", 100), global("global", 10)]);
    let short = Short::Exhausted { scope: BudgetScope::Global, budget_id: String::new() };

    assert_eq!(Err(short), rows.try_reserve("q", 60));
}

/// An off-by-one here is an overspend.
#[test]
fn the_last_nanodollar_can_be_held_and_not_one_more() {
    let mut rows = Rows::new([budget("day", 100)]);
    rows.reserved("first", 99);

    assert_eq!(Err(exhausted("day")), rows.try_reserve("q", 2));
    assert_eq!(Ok(()), rows.try_reserve("q", 1));
}

// --- where there is no budget -----------------------------------------------------------------

fn candidate() -> Candidate {
    Candidate {
        provider: "anthropic".to_owned(),
        model: "model".to_owned(),
        bound_nanousd: 1,
        body_bytes: 0,
        extra_tokens: 0,
        dearest_input: 0,
        output_rate: 1_000_000,
        rates_source: "test".to_owned(),
    }
}

/// What a query of one output token, which costs one nano-dollar, comes to in these budgets.
fn judged(standings: Vec<Standing>, budget_required: bool) -> Result<Judgement, Refusal> {
    let plan = Plan {
        chain: vec![candidate()],
        exclusions: Vec::new(),
        price_unknown: false,
        snapshot: Bytes::default(),
        output_cap: 1,
        cap_is_default: false,
        max_cost_nanousd: 1,
        action_digest: Bytes::default(),
    };
    let verdict = Verdict { allowed: true, denied_by: Vec::new(), checkpoints: Vec::new() };
    let limit = ProviderLimit { requests: 1, window_us: 1, guard_us: 0, dispatch_within_us: 1 };
    let rules = Rules {
        expiry_us: 1,
        expiry_by_type_us: BTreeMap::new(),
        four_eyes: BTreeSet::new(),
        default_limit: limit,
        limits: BTreeMap::new(),
        ledger_number: 0,
        owner_id: "owner".to_owned(),
        least_cap: 1,
        budget_required,
        pending_max: 0,
        policies_revision: "revision".to_owned(),
    };
    let (verdict, plan) = (&verdict, &plan);
    let identity_id = super::rows::ALICE;
    let case = Case { verdict, plan, identity_id, standings, current: None, held_nanousd: 0 };
    judge::judge(case, &rules).unwrap()
}

/// Nothing runs without a limit on its cost.
#[test]
fn no_budget_is_a_refusal_where_one_is_required() {
    let rows = Rows::new([]);
    let refusal = judged(rows.standings(), true).unwrap_err();

    assert_eq!(Refusal::new(ErrorReason::BudgetRequired), refusal);
}

/// The query's life is the same; only nothing is counted.
#[test]
fn without_a_required_budget_what_is_held_has_no_legs() {
    let mut rows = Rows::new([]);
    let judgement = judged(rows.standings(), false).unwrap();

    let outcome = rows.reserve_in(&judgement.standings, "q", judgement.amount_nanousd);

    assert_eq!((Ok(()), 1), (outcome, judgement.amount_nanousd));
    let hold = rows.hold("q");
    assert_eq!((HoldState::Held, 1, 0), (hold.state, hold.amount_nanousd, hold.legs.len()));
}

// --- how much there is ------------------------------------------------------------------------

/// Yesterday's hold does not count against today.
#[test]
fn a_new_day_starts_at_zero() {
    let mut rows = Rows::new([budget("day", 100)]);
    rows.reserved("yesterday", 100);
    rows.now_us += DAY_US;

    assert_eq!(Ok(()), rows.try_reserve("q", 100));
}

/// A person has approved exactly that.
#[test]
fn the_grant_of_an_approval_adds_to_the_limit() {
    let mut rows = Rows::new([Budget { granted_nanousd: 20, ..budget("day", 100) }]);

    assert_eq!(Err(exhausted("day")), rows.try_reserve("q", 121));
    assert_eq!(Ok(()), rows.try_reserve("q", 120));
}

/// The output cap is lowered to it; without a budget it is a billion dollars.
#[test]
fn what_is_available_is_the_least_of_all() {
    let mut rows = Rows::new([budget("day", 100), monthly("month", 70)]);
    rows.reserved("q", 30);

    assert_eq!(Ok(40), budgets::available(&rows.standings()));
    assert_eq!(Ok(1_000_000_000_000_000_000), budgets::available(&[]));
}

/// An admin may lower it at any time; what is held stays held.
#[test]
fn a_lowered_limit_admits_nothing_until_the_spending_falls_under_it() {
    let mut rows = Rows::new([budget("day", 100)]);
    let before = rows.reserved("before", 60);
    rows.put(Row::Budget(budget("day", 50)));

    assert_eq!(Err(exhausted("day")), rows.try_reserve("q", 1));
    assert_eq!(Ok(0), budgets::available(&rows.standings()));
    assert_eq!((vec![before], 60), (rows.holds(), held(&rows)["day"]));
}

// --- more -------------------------------------------------------------------------------------

/// A query that runs over midnight stays in the day that it was admitted in.
#[test]
fn a_top_up_holds_only_the_difference_in_the_periods_of_the_hold() {
    let mut rows = Rows::new([budget("day", 100)]);
    let hold = rows.reserved("q", 60);
    rows.now_us += DAY_US;

    assert_eq!(Ok(Ok(())), rows.top_up(&hold, 90));
    assert_eq!(Hold { amount_nanousd: 90, ..hold }, rows.hold("q"));
    assert_eq!(BTreeMap::from([("day", 90)]), held(&rows));
}

/// The candidate leaves the chain; the query goes on with the next one.
#[test]
fn a_top_up_that_does_not_fit_leaves_what_is_held() {
    let mut rows = Rows::new([budget("day", 100)]);
    let hold = rows.reserved("q", 60);

    assert_eq!(Ok(Err(exhausted("day"))), rows.top_up(&hold, 101));
    assert_eq!(BTreeMap::from([("day", 60)]), held(&rows));
    assert_eq!(hold, rows.hold("q"));
}

/// A cheaper next candidate keeps what is held; settling releases it.
#[test]
fn a_top_up_never_lowers() {
    let mut rows = Rows::new([budget("day", 100)]);
    let hold = rows.reserved("q", 60);
    let now_us = rows.now_us;

    let outcome = rows.on_legs(&hold, |view| budgets::top_up(view, &hold, 10, now_us));

    assert_eq!(Ok(Ok(())), outcome);
    assert_eq!((hold, 60), (rows.hold("q"), held(&rows)["day"]));
}

/// Its money is released: holding more on it would never be released again.
#[test]
fn what_has_ended_cannot_be_topped_up() {
    let mut rows = Rows::new([budget("day", 100)]);
    let ended = Hold { state: HoldState::Voided, ..rows.reserved("q", 60) };
    let now_us = rows.now_us;

    let outcome = rows.on_legs(&ended, |view| budgets::top_up(view, &ended, 90, now_us));

    let why = "what is not held cannot be released or topped up";
    assert_eq!(Err(Broken::State(why)), outcome);
    assert_eq!(60, held(&rows)["day"]);
}

/// Silently starting at zero would lose what was held.
#[test]
fn a_leg_without_a_row_is_a_mistake_and_not_a_zero() {
    let hold = Rows::new([budget("day", 100)]).reserved("q", 60);
    let mut rows = Rows::new([]);

    let why = "money is held in a budget or period that has no row";
    assert_eq!(Err(Broken::Missing(why)), rows.top_up(&hold, 90));
}
