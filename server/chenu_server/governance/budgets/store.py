"""Budgets as they are stored, read outside any command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.governance.budgets.ports import Place, Starts
from chenu_server.governance.budgets.tables import BUDGET_PERIOD_ROWS, BUDGETS
from chenu_server.infra.db.reader import Reader


class SqlBudgets:
    """A `BudgetReader`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(
        self, identity_id: str, budget_id: str, starts: Starts
    ) -> tuple[Budget, BudgetPeriod | None] | None:
        """One open budget of the identity, with its current period."""
        wanted = _open(identity_id, starts).where(BUDGETS.c.budget_id == budget_id)
        rows = await self._reader.rows(wanted)
        return _pair(rows[0]) if rows else None

    async def page(
        self, identity_id: str, starts: Starts, after: Place | None, count: int
    ) -> Sequence[tuple[Budget, BudgetPeriod | None]]:
        """Oldest first, then by id."""
        columns = BUDGETS.c
        wanted = _open(identity_id, starts)
        if after is not None:
            place = sa.tuple_(columns.created_us, columns.budget_id)
            wanted = wanted.where(place > sa.tuple_(after.created_us, after.budget_id))
        ordered = wanted.order_by(columns.created_us, columns.budget_id)
        return [_pair(row) for row in await self._reader.rows(ordered.limit(count))]


def _open(identity_id: str, starts: Starts) -> sa.Select[Any]:
    """Open budgets beside their current period's row; its columns are NULL if there is none."""
    budgets, periods = BUDGETS.c, BUDGET_PERIOD_ROWS.c
    start = sa.case(*((budgets.period == period, at_us) for period, at_us in starts.items()))
    current = sa.and_(periods.budget_id == budgets.budget_id, periods.period_start_us == start)
    return (
        # By names of their own: both tables know a budget's id and its identity.
        sa.select(*budgets, *(column.label(f"p_{column.name}") for column in periods))
        .select_from(BUDGETS.outerjoin(BUDGET_PERIOD_ROWS, current))
        .where(budgets.identity_id == identity_id, sa.not_(budgets.deleted))
    )


def _pair(row: sa.Row[Any]) -> tuple[Budget, BudgetPeriod | None]:
    values = row._mapping
    budget = Budget(**{column.name: values[column.name] for column in BUDGETS.c})
    period = {column.name: values[f"p_{column.name}"] for column in BUDGET_PERIOD_ROWS.c}
    return budget, None if period["budget_id"] is None else BudgetPeriod(**period)
