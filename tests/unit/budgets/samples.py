"""Budgets, amounts and times that the tests of this folder share."""

from __future__ import annotations

from datetime import UTC, datetime

from chenu_server.governance.budgets.decide import (
    Exhausted,
    Facts,
    Frozen,
    Held,
    Hold,
    NoBudget,
    budgets_for,
    needs_for_legs,
    needs_for_reserve,
    reserve,
)
from chenu_server.governance.budgets.model import Budget, Reservation
from chenu_server.vocabulary import Period, Scope
from tests.fakes.rows import FakeRows

ALICE = "alice"
SPHERE: Facts = {
    Scope.AGENT: "nova",
    Scope.THREAD: "42",
    Scope.SPHERE: "business",
    Scope.PROVIDER: "anthropic",
}


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


def try_reserve(
    rows: FakeRows, amount: int, *, request_id: str = "q", now_us: int = NOON, required: bool = True
) -> Held | Exhausted | Frozen | NoBudget:
    """Reserve for one of Alice's queries, with only the rows that a unit names."""
    seen = rows.naming(*needs_for_reserve(ALICE, now_us))
    standings = budgets_for(seen, ALICE, SPHERE, now_us)
    hold = Hold(
        identity_id=ALICE,
        request_id=request_id,
        amount_nanousd=amount,
        owner_id="owner",
        expires_us=0,
    )
    return reserve(seen, standings, hold, required=required, now_us=now_us)


def reserved(
    rows: FakeRows, amount: int, *, request_id: str = "q", now_us: int = NOON
) -> Reservation:
    """As `try_reserve`, where it must fit."""
    outcome = try_reserve(rows, amount, request_id=request_id, now_us=now_us)
    assert isinstance(outcome, Held)
    return outcome.reservation


def legs_of(rows: FakeRows, reservation: Reservation) -> FakeRows:
    """The rows as a unit sees them that named only the reservation's legs."""
    return rows.naming(*needs_for_legs(reservation))


def topping_up(rows: FakeRows, reservation: Reservation, now_us: int = NOON) -> FakeRows:
    """The rows as a unit sees them that may hold more: the legs, and budgets today."""
    needs = needs_for_reserve(reservation.identity_id, now_us)
    return rows.naming(*needs, *needs_for_legs(reservation))
