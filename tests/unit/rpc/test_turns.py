"""Few at a time, fewer of one owner, the rest in line and one owner after another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from chenu_server.infra.rpc.turns import Turns


def called(turns: Iterable[asyncio.Future[None] | None]) -> list[bool]:
    """Which of these have their turn."""
    return [turn is None or turn.done() for turn in turns]


async def test_an_owner_waits_for_its_own_turns() -> None:
    """Who takes many keeps nobody else out."""
    turns = Turns(3, 2)

    ours, theirs = [turns.take("a") for _ in range(3)], [turns.take("b") for _ in range(2)]
    before = called(ours + theirs)
    turns.give("a")

    assert [True, True, False, True, False] == before
    assert [True, True, True, True, False] == called(ours + theirs)


async def test_owners_that_wait_are_called_one_after_another() -> None:
    """Not in the order in which they came: one may have come a thousand times."""
    turns = Turns(1, 1)
    turns.take("x")
    a, b = [turns.take("a") for _ in range(3)], [turns.take("b") for _ in range(2)]

    turns.give("x")
    orders = [called(a + b)]
    for owner in "ab":
        turns.give(owner)
        orders.append(called(a + b))

    assert [
        [True, False, False, False, False],
        [True, False, False, True, False],
        [True, True, False, True, False],
    ] == orders


async def test_an_owner_whose_turn_brought_nothing_has_one_until_it_has_paid() -> None:
    """Else who calls and says nothing would take half of all turns for ever."""
    turns = Turns(8, 4)
    turns.take("a")
    turns.owe("a")
    turns.give("a")

    before = called([turns.take("a") for _ in range(8)])
    for _ in range(8):  # each gives the next its turn
        turns.pay("a")
        turns.give("a")

    assert [True, *[False] * 7] == before
    assert [True] * 3 == called([turns.take("a") for _ in range(3)])


async def test_owners_that_owe_share_half_of_the_turns_and_wait_behind_all_others() -> None:
    """However many they are, a turn of another owner is never far."""
    turns = Turns(4, 4)
    for owner in "abc":
        turns.owe(owner)

    owing = [turns.take(owner) for owner in "abc"]
    others = [turns.take("x") for _ in range(3)]
    before = called(owing + others)
    turns.give("a")

    assert [True, True, False, True, True, False] == before
    assert [True, True, False, True, True, True] == called(owing + others)


async def test_who_has_left_the_line_is_passed_by() -> None:
    """Its turn would never be given back."""
    turns = Turns(1, 1)
    turns.take("x")
    left, next_ = turns.take("a"), turns.take("a")
    assert left is not None
    left.cancel()

    turns.give("x")

    assert [True] == called([next_])


async def test_a_line_that_is_closed_is_told_so() -> None:
    """A drain waits for nobody in it."""
    turns = Turns(1, 1)
    turns.take("x")
    waiting = turns.take("a")
    assert waiting is not None

    turns.close(RuntimeError("closed"))

    with pytest.raises(RuntimeError, match="closed"):
        await waiting
