"""A bell wakes the one who waits at it, and nobody else later."""

from __future__ import annotations

import asyncio

import pytest

from chenu_server.pipeline.bell import Bell


async def test_who_waits_is_woken_once() -> None:
    """Two rings before it goes on are one."""
    bell = Bell()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    bell.ring()
    bell.ring()

    done, _ = await asyncio.wait([waiting], timeout=10)
    assert {waiting} == done


async def test_a_ring_that_nobody_waits_for_is_lost() -> None:
    """Who waits has looked at what there is, so an earlier ring has nothing to tell it."""
    bell = Bell()
    bell.ring()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    is_woken = waiting.done()
    bell.ring()
    await waiting

    assert not is_woken


async def test_a_wait_ends_with_its_time() -> None:
    """Nobody rings: a reader whose window is over goes on."""
    waiting = asyncio.create_task(Bell().wait(0.001))

    done, _ = await asyncio.wait([waiting], timeout=10)
    assert {waiting} == done


async def test_the_time_of_an_earlier_wait_ends_no_later_one() -> None:
    """A reader waits for one window after another."""
    bell = Bell()
    first = asyncio.create_task(bell.wait(0.001))
    await asyncio.sleep(0)
    bell.ring()
    await first
    waiting = asyncio.create_task(bell.wait())
    await asyncio.wait([waiting], timeout=0.01)
    is_woken = waiting.done()
    waiting.cancel()

    assert not is_woken


async def test_a_ring_finds_a_waiter_that_was_cancelled_gone() -> None:
    """Whoever leaves in the very turn in which the bell rings has left."""
    bell = Bell()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    bell.ring()

    with pytest.raises(asyncio.CancelledError):
        await waiting
