"""Budgets, their periods and the money held for a query. Standard library only."""

from __future__ import annotations

import enum
from typing import Final

from chenu_server.command import Key
from chenu_server.values import dataclass
from chenu_server.vocabulary import Period, Scope

LIMIT_MAX_NANOUSD: Final = 10**18  # a billion dollars; sums of budgets stay far inside int64


class HoldState(enum.StrEnum):
    """`held` until it is posted, voided or expired, exactly once."""

    HELD = "held"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on what may be spent. `scope_value` is empty for global and identity scopes."""

    budget_id: str
    identity_id: str
    scope: Scope
    scope_value: str
    period: Period
    limit_nanousd: int
    granted_nanousd: int
    deleted: bool
    version: int
    created_us: int
    updated_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.budget_id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPeriod:
    """What one budget has posted and reserved in one period.

    `frozen_us` is since when it admits nothing, 0 if it does. `overrun_seen_nanousd` is how much
    of its overrun was there when it was last taken too far, or when a person unfroze it.
    """

    budget_id: str
    period_start_us: int
    identity_id: str
    posted_nanousd: int
    reserved_nanousd: int
    overrun_nanousd: int
    overrun_seen_nanousd: int
    frozen_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.budget_id, self.period_start_us)


Leg = tuple[str, int]
"""A budget and the start of the period that a reservation stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money held for one query, in every budget that applies, all or none.

    `amount_nanousd` is what is still held in each leg; `posted_nanousd` and
    `overrun_nanousd` add up over the query's attempts.
    """

    identity_id: str
    request_id: str
    state: HoldState
    amount_nanousd: int
    posted_nanousd: int
    overrun_nanousd: int
    estimated: bool
    legs: tuple[Leg, ...]
    owner_id: str
    expires_us: int
    created_us: int
    ended_us: int

    @property
    def key(self) -> Key:
        """The primary key: one reservation per query."""
        return (self.identity_id, self.request_id)
