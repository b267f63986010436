"""Work that is done again and again while a server lives, and that nothing may end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from enum import Enum, auto

import structlog

from chenu_server.errors import ChenuError, Internal

_log = structlog.get_logger(__name__)

AGAIN_AFTER_FAILURE_S = 60.0
# Enough for what waits 1 ms, and no number that grows for as long as a server lives.
_DOUBLED_MAX = 16


def spawn_repeated(
    stack: AsyncExitStack,
    name: str,
    work: Callable[[], Awaitable[object]],
    wait_s: Callable[[], float],
) -> None:
    """Run `work` after each wait until the stack closes."""
    task = asyncio.create_task(repeated(name, work, wait_s), name=name)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


async def repeated(
    name: str, work: Callable[[], Awaitable[object]], wait_s: Callable[[], float]
) -> None:
    """Run `work` after each wait, until cancelled.

    A failure, a bug's too, is logged and the work is done again: a loop that died would leave
    every later expiry, price or approval lying, and nobody would be told. What ordinarily waits
    for long is tried again after a minute, and what a bug fails again and again after twice as
    long each time, up to that: every 20 ms it would fill the log with stacks.
    """
    turn, bugs = _Turn.DONE, 0
    while True:
        pause_s = wait_s()
        if turn is not _Turn.DONE:
            pause_s = min(pause_s * 2 ** max(0, bugs - 1), AGAIN_AFTER_FAILURE_S)
        await asyncio.sleep(pause_s)
        turn = await _turn(name, work)
        bugs = min(bugs, _DOUBLED_MAX) + 1 if turn is _Turn.FAILED else 0


class _Turn(Enum):
    DONE = auto()
    REFUSED = auto()
    FAILED = auto()


async def _turn(name: str, work: Callable[[], Awaitable[object]]) -> _Turn:
    try:
        await work()
    except ChenuError as error:  # nothing can be recorded now, for one: no bug of the work's
        _log.warning("background_work_refused", work=name, error=str(error))
        return _Turn.FAILED if isinstance(error, Internal) else _Turn.REFUSED
    except Exception:  # noqa: BLE001 - see `repeated`
        _log.exception("background_work_failed", work=name)
        return _Turn.FAILED
    return _Turn.DONE
