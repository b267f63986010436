"""Each who waits for a commit waits so long and no longer, however many wait."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.intake import Job
from chenu_server.infra.db.patience import Patience

WITHIN_MS = 40


class Asked:
    """A command that notes that it was left, and whether that was before its caller was told."""

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self.future = future
        self.left_first: bool | None = None

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self.left_first = not self.future.done()


def job() -> Job:
    """Somebody's command."""
    future = asyncio.get_running_loop().create_future()
    return Job(cast(Any, None), cast(Any, Asked(future)), future)


async def waited_ms(patience: Patience, waiting: Job) -> float:
    """How long it waits until it is told that it could not be recorded."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    patience.begin(waiting, loop)
    assert waiting.future is not None
    try:
        await waiting.future
    except GovernanceUnavailable:
        return (loop.time() - begun) * 1_000
    finally:
        patience.end(waiting)
    raise AssertionError("it was answered")


async def test_each_is_told_when_its_own_time_is_up() -> None:
    """Who came later is told later, though one timer serves both."""
    patience = Patience(WITHIN_MS)
    early = asyncio.create_task(waited_ms(patience, job()))
    await asyncio.wait([early], timeout=WITHIN_MS / 2_000)
    late = asyncio.create_task(waited_ms(patience, job()))
    await early
    waits_on = not late.done()

    assert waits_on
    assert WITHIN_MS <= min(await early, await late) + 0.001


async def test_a_command_is_left_before_its_caller_is_told() -> None:
    """What is told not to be recorded must not be decided a moment later."""
    waiting = job()
    await waited_ms(Patience(1), waiting)

    assert cast(Asked, cast(Any, waiting.asked)).left_first is True


async def test_whoever_waits_behind_one_that_was_answered_is_told_in_time() -> None:
    """The timer was set for one that waits no longer, and goes on to the next."""
    patience, answered, waiting = Patience(WITHIN_MS), job(), job()
    loop = asyncio.get_running_loop()
    patience.begin(answered, loop)
    patience.end(answered)
    told = await asyncio.wait_for(waited_ms(patience, waiting), 10)
    again = await asyncio.wait_for(waited_ms(patience, job()), 10)

    assert WITHIN_MS <= min(told, again) + 0.001
    assert answered.future is not None
    assert not answered.future.done()


async def test_what_was_answered_is_let_go_of_at_once() -> None:
    """Thousands of answers would else stay in memory for as long as they might have taken."""
    patience = Patience(10_000)
    first, second = job(), job()
    for each in (first, second):
        patience.begin(each, asyncio.get_running_loop())
    patience.end(second)

    assert [first] == list(patience._due)
