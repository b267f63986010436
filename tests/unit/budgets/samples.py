"""Budgets, amounts and times that the tests of this folder share."""

from __future__ import annotations

from datetime import UTC, datetime

from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.governance.budgets.periods import period_start_us
from chenu_server.vocabulary import Period, Scope
from tests.fakes.rows import FakeRows

ALICE = "alice"


def at(text: str) -> int:
    """Unix microseconds of an ISO time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


NOON = at("2026-11-18T12:00:00")
"""A Wednesday."""


def budget(
    budget_id: str,
    limit: int,
    *,
    identity_id: str = ALICE,
    scope: Scope = Scope.IDENTITY,
    scope_value: str = "",
    period: Period = Period.DAILY,
    granted: int = 0,
    deleted: bool = False,
    created_us: int = NOON,
) -> Budget:
    """An open budget of Alice's, unless told otherwise."""
    return Budget(
        budget_id=budget_id,
        identity_id=identity_id,
        scope=scope,
        scope_value=scope_value,
        period=period,
        limit_nanousd=limit,
        granted_nanousd=granted,
        deleted=deleted,
        version=1,
        created_us=created_us,
        updated_us=NOON,
    )


def reserved(rows: FakeRows, amount: int) -> None:
    """So much is held at noon in each of the budgets there are, by some query."""
    for each in rows.all(Budget):
        rows.put(
            BudgetPeriod(
                budget_id=each.budget_id,
                period_start_us=period_start_us(each.period, NOON),
                identity_id=each.identity_id,
                posted_nanousd=0,
                reserved_nanousd=amount,
                overrun_nanousd=0,
                overrun_seen_nanousd=0,
                frozen_us=0,
            )
        )
