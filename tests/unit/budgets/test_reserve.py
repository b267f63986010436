"""Holding money: every budget that applies, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.governance.budgets.decide import (
    Exhausted,
    Held,
    NoBudget,
    available,
    budgets_for,
    needs_for_legs,
    top_up,
)
from chenu_server.governance.budgets.model import (
    LIMIT_MAX_NANOUSD,
    BudgetPeriod,
    Reservation,
    ReservationState,
)
from chenu_server.vocabulary import Period, Scope
from tests.fakes.rows import FakeRows
from tests.unit.budgets.samples import (
    ALICE,
    NOON,
    SPHERE,
    at,
    budget,
    legs_of,
    reserved,
    topping_up,
    try_reserve,
)


def held(rows: FakeRows) -> dict[str, int]:
    """What each budget has reserved."""
    return {row.budget_id: row.reserved_nanousd for row in rows.all(BudgetPeriod)}


def test_a_reservation_stands_in_every_budget_that_applies() -> None:
    """Own, matching and global ones; not another sphere's or identity's, nor a deleted one."""
    rows = FakeRows(
        budget("day", 100),
        budget("month", 100, period=Period.MONTHLY),
        budget("sphere", 100, scope=Scope.SPHERE, scope_value="business"),
        budget("elsewhere", 100, scope=Scope.SPHERE, scope_value="personal"),
        budget("gone", 0, period=Period.TOTAL, deleted=True),
        budget("global", 100, identity_id=SYSTEM_IDENTITY, scope=Scope.GLOBAL),
        budget("system's own", 0, identity_id=SYSTEM_IDENTITY),
        budget("bob's", 0, identity_id="bob"),
    )

    reservation = reserved(rows, 60)

    assert {"day": 60, "month": 60, "sphere": 60, "global": 60} == held(rows)
    assert set(reservation.legs) == {
        ("day", at("2026-11-18T00:00:00")),
        ("month", at("2026-11-01T00:00:00")),
        ("sphere", at("2026-11-18T00:00:00")),
        ("global", at("2026-11-18T00:00:00")),
    }


def test_one_budget_without_room_leaves_all_untouched() -> None:
    """A partial hold would leak money that nobody releases."""
    rows = FakeRows(budget("day", 100), budget("month", 10, period=Period.MONTHLY))

    assert Exhausted(Scope.IDENTITY, "month") == try_reserve(rows, 60)
    assert {} == held(rows)
    assert [] == rows.all(Reservation)


def test_an_identity_is_not_told_the_id_of_a_global_budget() -> None:
    """It belongs to `system`."""
    rows = FakeRows(
        budget("day", 100),
        budget("global", 10, identity_id=SYSTEM_IDENTITY, scope=Scope.GLOBAL),
    )

    assert Exhausted(Scope.GLOBAL, "") == try_reserve(rows, 60)


def test_the_last_nanodollar_can_be_held_and_not_one_more() -> None:
    """An off-by-one here is an overspend."""
    rows = FakeRows(budget("day", 100))
    reserved(rows, 99, request_id="first")

    assert Exhausted(Scope.IDENTITY, "day") == try_reserve(rows, 2)
    assert isinstance(try_reserve(rows, 1), Held)


def test_no_budget_is_a_refusal_where_one_is_required() -> None:
    """Nothing runs without a limit on its cost."""
    assert NoBudget() == try_reserve(FakeRows(), 1)


def test_without_a_required_budget_the_reservation_has_no_legs() -> None:
    """The query's life is the same; only nothing is counted."""
    outcome = try_reserve(FakeRows(), 1, required=False)

    assert isinstance(outcome, Held)
    assert () == outcome.reservation.legs


def test_a_new_day_starts_at_zero() -> None:
    """Yesterday's reservation does not count against today."""
    rows = FakeRows(budget("day", 100))
    reserved(rows, 100, request_id="yesterday")

    assert isinstance(try_reserve(rows, 100, now_us=NOON + 86_400_000_000), Held)


def test_the_grant_of_an_approval_adds_to_the_limit() -> None:
    """A person has approved exactly that."""
    rows = FakeRows(budget("day", 100, granted=20))

    assert isinstance(try_reserve(rows, 120), Held)


def test_what_is_available_is_the_least_of_all() -> None:
    """The output cap is lowered to it."""
    rows = FakeRows(budget("day", 100), budget("month", 70, period=Period.MONTHLY))
    reserved(rows, 30)

    assert 40 == available(budgets_for(rows, ALICE, SPHERE, NOON))
    assert LIMIT_MAX_NANOUSD == available(())


def test_a_lowered_limit_admits_nothing_until_the_spending_falls_under_it() -> None:
    """An admin may lower it at any time; what is held stays held."""
    rows = FakeRows(budget("day", 100))
    reserved(rows, 60, request_id="before")
    rows.put(budget("day", 50))

    assert Exhausted(Scope.IDENTITY, "day") == try_reserve(rows, 1)
    assert 0 == available(budgets_for(rows, ALICE, SPHERE, NOON))


def test_top_up_holds_only_the_difference_in_the_reservations_own_periods() -> None:
    """A query that runs over midnight stays in the day that it was admitted in."""
    rows = FakeRows(budget("day", 100))
    reservation = reserved(rows, 60)
    tomorrow = NOON + 86_400_000_000

    outcome = top_up(topping_up(rows, reservation, tomorrow), reservation, 90, now_us=tomorrow)

    assert Held(replace(reservation, amount_nanousd=90)) == outcome
    assert {"day": 90} == held(rows)


def test_a_top_up_that_does_not_fit_leaves_what_is_held() -> None:
    """The candidate leaves the chain; the query goes on with the next one."""
    rows = FakeRows(budget("day", 100))
    reservation = reserved(rows, 60)

    assert Exhausted(Scope.IDENTITY, "day") == top_up(
        topping_up(rows, reservation), reservation, 101, now_us=NOON
    )
    assert {"day": 60} == held(rows)


def test_top_up_never_lowers() -> None:
    """A cheaper next candidate keeps what is held; settling releases it."""
    rows = FakeRows(budget("day", 100))
    reservation = reserved(rows, 60)

    assert Held(reservation) == top_up(legs_of(rows, reservation), reservation, 10, now_us=NOON)


def test_an_ended_reservation_cannot_be_topped_up() -> None:
    """Its money is released: holding more on it would never be released again."""
    rows = FakeRows(budget("day", 100))
    ended = replace(reserved(rows, 60), state=ReservationState.VOIDED)

    with pytest.raises(ValueError, match="voided, not held"):
        top_up(legs_of(rows, ended), ended, 90, now_us=NOON)


def test_a_leg_without_a_row_is_a_mistake_and_not_a_zero() -> None:
    """Silently starting at zero would lose what was held."""
    reservation = reserved(FakeRows(budget("day", 100)), 60)
    rows = FakeRows().naming(*needs_for_legs(reservation))

    with pytest.raises(LookupError, match="has no row"):
        top_up(rows, reservation, 90, now_us=NOON)
