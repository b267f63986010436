//! All rows of some budgets, and what may be done to them, on only those that a command names.

use std::collections::BTreeMap;

use chenu_engine::vocabulary::{BudgetPeriod, BudgetScope};

use crate::Decided;
use crate::decide::budgets::{self, Facts, Holding, Short, Standing};
use crate::entry::EntryDraft;
use crate::rows::{Budget, Hold, Leg, Period};
use crate::view::{Loaded, Need, Row, View};

pub(super) const ALICE: &str = "alice";
pub(super) const FACTS: Facts<'_> =
    Facts { sphere: "business", agent: "nova", provider: "anthropic" };
pub(super) const DAY_US: i64 = 86_400_000_000;
/// 2026-11-18, a Wednesday.
pub(super) const TODAY_US: i64 = 20_775 * DAY_US;
pub(super) const NOON_US: i64 = TODAY_US + DAY_US / 2;
/// 2026-11-01.
pub(super) const MONTH_US: i64 = TODAY_US - 17 * DAY_US;

/// An open budget of Alice's, over all that she does in a day.
pub(super) fn budget(budget_id: &str, limit_nanousd: i64) -> Budget {
    Budget {
        budget_id: budget_id.to_owned(),
        identity_id: ALICE.to_owned(),
        scope: BudgetScope::Identity,
        scope_value: String::new(),
        period: BudgetPeriod::Daily,
        limit_nanousd,
        granted_nanousd: 0,
        deleted: false,
        version: 1,
        created_us: NOON_US,
        updated_us: NOON_US,
    }
}

/// The same over a month.
pub(super) fn monthly(budget_id: &str, limit_nanousd: i64) -> Budget {
    Budget { period: BudgetPeriod::Monthly, ..budget(budget_id, limit_nanousd) }
}

/// The same for ever.
pub(super) fn total(budget_id: &str, limit_nanousd: i64) -> Budget {
    Budget { period: BudgetPeriod::Total, ..budget(budget_id, limit_nanousd) }
}

/// The same over one sphere, agent or the like.
pub(super) fn scoped(scope: BudgetScope, value: &str, of: Budget) -> Budget {
    Budget { scope, scope_value: value.to_owned(), ..of }
}

/// The same, but somebody else's.
pub(super) fn owned_by(identity_id: &str, of: Budget) -> Budget {
    Budget { identity_id: identity_id.to_owned(), ..of }
}

/// Every row that there is, every entry, and the time.
pub(super) struct Rows {
    pub(super) now_us: i64,
    pub(super) entries: Vec<EntryDraft>,
    budgets: BTreeMap<String, Budget>,
    periods: BTreeMap<Leg, Period>,
    holds: BTreeMap<String, Hold>,
}

impl Rows {
    /// At noon, with these budgets.
    pub(super) fn new(budgets: impl IntoIterator<Item = Budget>) -> Self {
        let (budgets, periods, holds) = (budgets.into_iter(), BTreeMap::new(), BTreeMap::new());
        let budgets = budgets.map(|each| (each.budget_id.clone(), each)).collect();
        Self { now_us: NOON_US, entries: Vec::new(), budgets, periods, holds }
    }

    /// Insert or replace.
    pub(super) fn put(&mut self, row: Row) {
        match row {
            Row::Budget(row) => drop(self.budgets.insert(row.budget_id.clone(), row)),
            Row::Period(row) => {
                drop(self.periods.insert((row.budget_id.clone(), row.period_start_us), row));
            }
            Row::Hold(row) => drop(self.holds.insert(row.request_id.clone(), row)),
            other => panic!("money is no matter of {other:?}"),
        }
    }

    pub(super) fn periods(&self) -> impl Iterator<Item = &Period> {
        self.periods.values()
    }

    pub(super) fn holds(&self) -> Vec<Hold> {
        self.holds.values().cloned().collect()
    }

    /// What is held for one of Alice's operations.
    pub(super) fn hold(&self, request_id: &str) -> Hold {
        self.holds[request_id].clone()
    }

    /// An amount of each budget's one period.
    pub(super) fn each<T>(&self, of: impl Fn(&Period) -> T) -> BTreeMap<&str, T> {
        let found: BTreeMap<&str, T> =
            self.periods().map(|period| (period.budget_id.as_str(), of(period))).collect();
        assert_eq!(self.periods.len(), found.len(), "each budget stands in one period");
        found
    }

    // --- on the rows that are named -----------------------------------------------------------

    /// What is done on these rows, all of which is written whatever it comes to.
    pub(super) fn on<T>(&mut self, needs: &[Need], act: impl FnOnce(&mut View<'_>) -> T) -> T {
        let loaded = self.loaded(needs);
        let mut view = View::new(&loaded);
        let outcome = act(&mut view);
        let (rows, entries) = view.done();
        for row in rows {
            self.put(row);
        }
        self.entries.extend(entries);
        outcome
    }

    /// The same on those that a command names which posts or releases what is held.
    pub(super) fn on_legs<T>(&mut self, hold: &Hold, act: impl FnOnce(&mut View<'_>) -> T) -> T {
        self.on(&budgets::needs_for_legs(Some(hold)), act)
    }

    fn loaded(&self, needs: &[Need]) -> Loaded {
        let mut loaded = Loaded::new();
        for budget in self.budgets.values() {
            let named = |need: &Need| match need {
                Need::Budget(id) => *id == budget.budget_id,
                Need::OpenBudgets(of) => *of == budget.identity_id && !budget.deleted,
                _ => false,
            };
            if needs.iter().any(named) {
                loaded.load(Row::Budget(budget.clone()));
            }
        }
        for (leg, period) in &self.periods {
            let named = |need: &Need| match need {
                Need::Period(key) => key == leg,
                Need::PeriodsAt(of, start) => (of, start) == (&period.identity_id, &leg.1),
                _ => false,
            };
            if needs.iter().any(named) {
                loaded.load(Row::Period(period.clone()));
            }
        }
        loaded
    }

    fn needs_today(&self) -> Vec<Need> {
        budgets::needs_for_reserve(ALICE, self.now_us)
    }

    /// The budgets that an operation of Alice's must fit in.
    pub(super) fn standings(&self) -> Vec<Standing> {
        let loaded = self.loaded(&self.needs_today());
        budgets::budgets_for(&View::new(&loaded), ALICE, &FACTS, self.now_us)
    }

    /// Hold an amount for an operation of Alice's, in every budget that it must fit in.
    pub(super) fn try_reserve(&mut self, request_id: &str, amount: i64) -> Result<(), Short> {
        let standings = self.standings();
        self.reserve_in(&standings, request_id, amount)
    }

    /// The same in these budgets.
    pub(super) fn reserve_in(
        &mut self,
        standings: &[Standing],
        request_id: &str,
        amount_nanousd: i64,
    ) -> Result<(), Short> {
        let (needs, now_us) = (self.needs_today(), self.now_us);
        let key = (ALICE.to_owned(), request_id.to_owned());
        let holding = Holding { key: &key, amount_nanousd, owner_id: "owner", expires_us: 0 };
        self.on(&needs, |view| budgets::reserve(view, standings, &holding, now_us)).unwrap()
    }

    /// As [`Self::try_reserve`], where it must fit.
    pub(super) fn reserved(&mut self, request_id: &str, amount: i64) -> Hold {
        assert_eq!(Ok(()), self.try_reserve(request_id, amount));
        self.hold(request_id)
    }

    /// Raise what is held, on the legs and on the budgets of today.
    pub(super) fn top_up(&mut self, hold: &Hold, amount: i64) -> Decided<Result<(), Short>> {
        let (needs, now_us) = (self.needs_to_top_up(hold), self.now_us);
        self.on(&needs, |view| budgets::top_up(view, hold, amount, now_us))
    }

    /// The most that this could raise it to once an attempt has used so much.
    pub(super) fn room_after(&mut self, hold: &Hold, used: i64) -> i64 {
        let (needs, now_us) = (self.needs_to_top_up(hold), self.now_us);
        self.on(&needs, |view| budgets::room_after(view, hold, used, now_us)).unwrap()
    }

    fn needs_to_top_up(&self, hold: &Hold) -> Vec<Need> {
        let legs = budgets::needs_for_legs(Some(hold));
        self.needs_today().into_iter().chain(legs).collect()
    }

    /// Post the exact cost of the last attempt; gives how it ended.
    pub(super) fn post(&mut self, hold: &Hold, used: i64) -> Decided<Hold> {
        let now_us = self.now_us;
        self.on_legs(hold, |view| budgets::post(view, hold, used, false, now_us))?;
        Ok(self.hold(&hold.request_id))
    }

    /// Post what a failed attempt may have cost; gives what is still held.
    pub(super) fn post_part(&mut self, hold: &Hold, used: i64) -> Hold {
        let now_us = self.now_us;
        self.on_legs(hold, |view| budgets::post_part(view, hold, used, true, now_us)).unwrap()
    }

    /// Release what is held of an operation whose owner is gone.
    pub(super) fn expire(&mut self, hold: &Hold) -> Hold {
        let now_us = self.now_us;
        self.on_legs(hold, |view| budgets::expire(view, hold, now_us)).unwrap();
        self.hold(&hold.request_id)
    }
}
