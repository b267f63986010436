"""What the budgets feature offers and needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from chenu_server.caller import Caller
from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.values import dataclass
from chenu_server.vocabulary import Period

Starts = Mapping[Period, int]
"""Each period's current start."""


@dataclass(frozen=True, slots=True)
class Place:
    """A budget's place in a list: by creation, then by id."""

    created_us: int
    budget_id: str


class BudgetReader(Protocol):
    """Open budgets, each with its current period's row if it has one."""

    async def get(
        self, identity_id: str, budget_id: str, starts: Starts
    ) -> tuple[Budget, BudgetPeriod | None] | None:
        """One budget of the identity."""
        ...

    async def page(
        self, identity_id: str, starts: Starts, after: Place | None, count: int
    ) -> Sequence[tuple[Budget, BudgetPeriod | None]]:
        """At most `count` budgets of the identity behind a place, oldest first."""
        ...


class Boundary(Protocol):
    """Answers for ids that are not inside the caller's identity."""

    async def refuse(self, caller: Caller, *, kind: str, id: str) -> NoReturn:
        """Record the violation and raise `IdentityBoundaryViolation`."""
        ...
