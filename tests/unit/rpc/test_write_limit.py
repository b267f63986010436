"""One timer for all writes of a stream, and each write limited from its own beginning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from chenu_server.infra.rpc.interceptors.write_limit import WriteLimit

LIMIT_S = 10.0


class Timer:
    """One that a test sets off."""

    def __init__(self, due_s: float, act: Callable[[], None]) -> None:
        self.due_s = due_s
        self.act = act
        self.cancelled = False

    def cancel(self) -> None:
        """It will not go off."""
        self.cancelled = True


class Clock:
    """The time and the timers of a loop."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        """The time that the test says."""
        return self.now_s

    def call_at(self, due_s: float, act: Callable[[], None]) -> Timer:
        """One more timer."""
        self.timers.append(Timer(due_s, act))
        return self.timers[-1]

    def limit(self) -> WriteLimit:
        """A limit on the writes of this task."""
        return WriteLimit(cast("Any", self), LIMIT_S)

    def go_off(self) -> None:
        """The last timer's time has come."""
        self.now_s = self.timers[-1].due_s
        self.timers[-1].act()


async def test_messages_that_are_taken_share_one_timer() -> None:
    """A timer for each costs more than the message."""
    clock = Clock()
    limit = clock.limit()
    for _ in range(1_000):
        limit.begin()
        limit.done()

    assert [110.0] == [timer.due_s for timer in clock.timers]


async def test_a_write_is_timed_from_its_own_beginning() -> None:
    """A message that follows many others has as long as the first."""
    clock = Clock()
    limit = clock.limit()
    limit.begin()
    limit.done()
    clock.now_s = 107.0
    limit.begin()
    clock.go_off()
    in_time = limit.is_cause()
    clock.go_off()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()

    assert [110.0, 117.0] == [timer.due_s for timer in clock.timers]
    assert (False, True) == (in_time, limit.is_cause())


async def test_time_without_a_write_does_not_count() -> None:
    """A query that says nothing for an hour has no slow reader, and its stream no timer."""
    clock = Clock()
    limit = clock.limit()
    limit.begin()
    limit.done()
    clock.go_off()
    await asyncio.sleep(0)  # where a cancelled task would learn of it
    clock.now_s = 3_700.0
    limit.begin()

    assert [110.0, 3_710.0] == [timer.due_s for timer in clock.timers]
    assert not limit.is_cause()


async def test_a_stream_that_is_over_has_no_timer() -> None:
    """Else each stream would stay in memory for the limit, and could cancel what comes after."""
    clock = Clock()
    limit = clock.limit()
    limit.begin()
    limit.close()

    assert [True] == [timer.cancelled for timer in clock.timers]


async def test_a_call_that_is_cancelled_too_is_no_slow_reader() -> None:
    """Whoever cancelled it waits for the cancellation."""
    clock = Clock()
    limit = clock.limit()
    limit.begin()
    clock.go_off()
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()

    assert not limit.is_cause()
