"""One budget in one of its periods."""

from __future__ import annotations

from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """One budget and what stands against it in one of its periods."""

    budget: Budget
    period: BudgetPeriod


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
