"""One budget in one of its periods: the rows, and the account that the engine reckons with."""

from __future__ import annotations

from chenu_server import engine
from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.governance.budgets.periods import period_start_us
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget and what stands against it in one of its periods."""

    budget: Budget
    period: BudgetPeriod

    @property
    def account(self) -> engine.Account:
        """Its amounts, as the engine reckons with them."""
        return engine.Account(
            limit=self.budget.limit_nanousd,
            granted=self.budget.granted_nanousd,
            posted=self.period.posted_nanousd,
            reserved=self.period.reserved_nanousd,
            overrun=self.period.overrun_nanousd,
        )

    def after(self, account: engine.Account) -> BudgetPeriod:
        """The period's row once the engine has decided. Each query makes two: no `replace` here."""
        return BudgetPeriod(
            budget_id=self.period.budget_id,
            period_start_us=self.period.period_start_us,
            identity_id=self.period.identity_id,
            posted_nanousd=account.posted,
            reserved_nanousd=account.reserved,
            overrun_nanousd=account.overrun,
            overrun_seen_nanousd=self.period.overrun_seen_nanousd,
            frozen_us=self.period.frozen_us,
        )

    def is_current(self, now_us: int) -> bool:
        """Whether the period goes on. What an ended one forbids binds nobody."""
        return self.period.period_start_us == period_start_us(self.budget.period, now_us)


def current_leg(budget: Budget, now_us: int) -> tuple[str, int]:
    """The key of the budget's period that holds `now_us`."""
    return (budget.budget_id, period_start_us(budget.period, now_us))


def standing_in(budget: Budget, start_us: int, period: BudgetPeriod | None) -> Standing:
    """The budget with its period's row; without one it stands at zero."""
    return Standing(budget, period or _untouched(budget, start_us))


def _untouched(budget: Budget, start_us: int) -> BudgetPeriod:
    return BudgetPeriod(
        budget_id=budget.budget_id,
        period_start_us=start_us,
        identity_id=budget.identity_id,
        posted_nanousd=0,
        reserved_nanousd=0,
        overrun_nanousd=0,
        overrun_seen_nanousd=0,
        frozen_us=0,
    )
