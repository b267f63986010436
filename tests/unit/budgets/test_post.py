"""Ending a reservation: posted, voided, expired, or posted late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.governance.budgets.decide import expire, post, post_part, top_up, void
from chenu_server.governance.budgets.model import BudgetPeriod, Reservation, ReservationState
from chenu_server.vocabulary import Period
from tests.fakes.rows import FakeRows
from tests.unit.budgets.samples import NOON, budget, legs_of, reserved, topping_up

LATER = NOON + 5_000_000


def amounts(rows: FakeRows) -> dict[str, tuple[int, int, int]]:
    """Posted, reserved and overrun of each budget."""
    return {
        row.budget_id: (row.posted_nanousd, row.reserved_nanousd, row.overrun_nanousd)
        for row in rows.all(BudgetPeriod)
    }


def settle(rows: FakeRows, reservation: Reservation, used: int) -> Reservation:
    """Post the exact cost of the last attempt."""
    seen = legs_of(rows, reservation)
    return post(seen, reservation, used, estimated=False, now_us=LATER)


def test_post_keeps_what_was_used_and_releases_the_rest() -> None:
    """Every leg gets the same."""
    rows = FakeRows(budget("day", 100), budget("month", 100, period=Period.MONTHLY))
    ended = settle(rows, reserved(rows, 60), 25)

    assert {"day": (25, 0, 0), "month": (25, 0, 0)} == amounts(rows)
    assert (ReservationState.POSTED, 0, 25, 0) == (
        ended.state,
        ended.amount_nanousd,
        ended.posted_nanousd,
        ended.overrun_nanousd,
    )
    assert LATER == ended.ended_us
    assert [ended] == rows.all(Reservation)


def test_what_was_billed_beyond_the_reservation_is_overrun() -> None:
    """Spent money is never dropped, and `posted` never passes the limit."""
    rows = FakeRows(budget("day", 60))
    ended = settle(rows, reserved(rows, 60), 75)

    assert {"day": (60, 0, 15)} == amounts(rows)
    assert (60, 15) == (ended.posted_nanousd, ended.overrun_nanousd)


def test_a_failed_attempts_charge_leaves_the_rest_held() -> None:
    """The next attempt goes on with it, topped up to its own bound."""
    rows = FakeRows(budget("day", 100))
    first = reserved(rows, 60)
    charged = post_part(legs_of(rows, first), first, 20, estimated=True, now_us=LATER)

    assert {"day": (20, 40, 0)} == amounts(rows)
    assert (ReservationState.HELD, 40, 20, True) == (
        charged.state,
        charged.amount_nanousd,
        charged.posted_nanousd,
        charged.estimated,
    )
    top_up(topping_up(rows, charged, LATER), charged, 80, now_us=LATER)
    assert {"day": (20, 80, 0)} == amounts(rows)


def test_charges_of_several_attempts_add_up() -> None:
    """The query's cost is the sum; one estimate makes the sum an estimate."""
    rows = FakeRows(budget("day", 100))
    first = reserved(rows, 60)
    charged = post_part(legs_of(rows, first), first, 70, estimated=True, now_us=LATER)
    ended = settle(rows, charged, 5)

    assert {"day": (60, 0, 15)} == amounts(rows)
    assert (60, 15, True) == (ended.posted_nanousd, ended.overrun_nanousd, ended.estimated)


def test_void_releases_all() -> None:
    """Nothing was dispatched, so nothing is charged."""
    rows = FakeRows(budget("day", 100))
    reservation = reserved(rows, 60)
    ended = void(legs_of(rows, reservation), reservation, LATER)

    assert {"day": (0, 0, 0)} == amounts(rows)
    assert (ReservationState.VOIDED, 0, LATER) == (
        ended.state,
        ended.amount_nanousd,
        ended.ended_us,
    )


def test_a_late_settle_posts_what_fits_in_each_budget() -> None:
    """Others took the room meanwhile; the money was spent all the same."""
    rows = FakeRows(budget("day", 100), budget("month", 1_000, period=Period.MONTHLY))
    reservation = reserved(rows, 60)
    expired = expire(legs_of(rows, reservation), reservation, LATER)
    reserved(rows, 80, request_id="other")
    ended = settle(rows, expired, 50)

    assert {"day": (20, 80, 30), "month": (50, 80, 0)} == amounts(rows)
    assert (ReservationState.EXPIRED, 20, 30) == (
        ended.state,
        ended.posted_nanousd,
        ended.overrun_nanousd,
    )


@pytest.mark.parametrize("end", [void, expire])
def test_a_reservation_ends_once(end: object) -> None:
    """Releasing twice would free money that someone else holds."""
    rows = FakeRows(budget("day", 100))
    reservation = reserved(rows, 60)
    ended = void(legs_of(rows, reservation), reservation, LATER)

    assert callable(end)
    with pytest.raises(ValueError, match="voided, not held"):
        end(legs_of(rows, ended), ended, LATER)


def test_a_posted_reservation_is_not_posted_again() -> None:
    """It would be charged twice."""
    rows = FakeRows(budget("day", 100))
    ended = settle(rows, reserved(rows, 60), 25)

    with pytest.raises(ValueError, match="posted late"):
        settle(rows, ended, 25)


def test_a_reservation_without_legs_still_adds_up() -> None:
    """Where no budget is required, the query's cost is known all the same."""
    rows = FakeRows(budget("day", 100))
    unbudgeted = replace(reserved(rows, 60), legs=())

    assert 25 == settle(rows, unbudgeted, 25).posted_nanousd
