//! What a bill beyond what was held does to the budgets.

use chenu_engine::vocabulary::{BudgetScope, LedgerDecision};
use chenu_operation::command::{Command, UnfreezeBudget};
use chenu_operation::decide::Effects;
use chenu_operation::rows::{Budget, Period};
use chenu_operation::view::Row;

use crate::money::goes_on;
use crate::world::World;

/// A period before and after a command.
struct Change<'a> {
    budget: &'a Budget,
    was: Period,
    is: &'a Period,
}

impl Change<'_> {
    fn grows(&self) -> bool {
        self.is.overrun_nanousd > self.was.overrun_nanousd
    }

    /// By more than 1 % of the limit since a person has seen it, or the last bill that did.
    fn goes_too_far(&self) -> bool {
        let beyond = self.is.overrun_nanousd - self.was.overrun_seen_nanousd;
        self.grows() && beyond * 100 > self.budget.limit_nanousd
    }

    fn may_freeze(&self, now_us: i64) -> bool {
        let in_force = !self.budget.deleted && goes_on(self.is, self.budget, now_us);
        self.goes_too_far() && in_force && self.budget.scope != BudgetScope::Global
    }
}

fn changes<'a>(before: &'a World, effects: &'a Effects) -> Vec<Change<'a>> {
    let change = |row: &'a Row| {
        let Row::Period(is) = row else { return None };
        let new =
            Period { overrun_nanousd: 0, overrun_seen_nanousd: 0, frozen_us: 0, ..is.clone() };
        let was = match before.same(row) {
            Some(Row::Period(was)) => was.clone(),
            _ => new,
        };
        Some(Change { budget: before.budget(&is.budget_id), was, is })
    };
    effects.rows.iter().filter_map(change).collect()
}

/// A bill freezes the oldest of the budgets that it takes too far, unless that is frozen already,
/// and none over everybody. Only a person unfreezes. Each overrun is told in the ledger.
pub(crate) fn check(before: &World, command: &Command, effects: &Effects) {
    if let Command::UnfreezeBudget(asked) = command {
        check_unfrozen(before, asked, effects);
        return;
    }
    let changes = changes(before, effects);
    let now_us = before.now_us;
    let candidates = changes.iter().filter(|it| it.may_freeze(now_us));
    let oldest = candidates.min_by_key(|it| (it.budget.created_us, &it.budget.budget_id));
    let freezes = oldest.filter(|it| it.was.frozen_us == 0).map(|it| &it.budget.budget_id);
    for it in &changes {
        let now_seen = if it.goes_too_far() { it.is.overrun_nanousd } else { 0 };
        let seen = now_seen.max(it.was.overrun_seen_nanousd);
        assert_eq!(seen, it.is.overrun_seen_nanousd, "{:?}", it.is);
        let frozen = freezes == Some(&it.budget.budget_id);
        assert_eq!(if frozen { now_us } else { it.was.frozen_us }, it.is.frozen_us, "{:?}", it.is);
    }
    let told = effects.entries.iter().filter(|entry| {
        let reasons = ["BUDGET_FROZEN", "BUDGET_OVERRUN"];
        entry.decision == LedgerDecision::Admin && reasons.contains(&&*entry.reason)
    });
    assert_eq!(changes.iter().filter(|it| it.grows()).count(), told.count());
}

/// A frozen budget admits again in the period that goes on, and what was overrun by then counts as
/// seen. One that is not frozen stays as it is.
fn check_unfrozen(before: &World, asked: &UnfreezeBudget, effects: &Effects) {
    let budget = before.budget(&asked.budget_id);
    let in_force =
        |it: &&Period| it.budget_id == asked.budget_id && goes_on(it, budget, before.now_us);
    let frozen = before.periods().filter(in_force).filter(|it| it.frozen_us != 0);
    let thawed = frozen.filter(|_| !budget.deleted).map(|it| {
        Row::Period(Period { frozen_us: 0, overrun_seen_nanousd: it.overrun_nanousd, ..it.clone() })
    });
    assert_eq!(thawed.collect::<Vec<Row>>(), effects.rows, "{asked:?}");
}
