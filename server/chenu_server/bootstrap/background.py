"""Work that is done again and again while a server lives, and that nothing may end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import structlog

from chenu_server.errors import ChenuError

_log = structlog.get_logger(__name__)

AGAIN_AFTER_FAILURE_S = 60.0


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
    for long is tried again after a minute.
    """
    failed = False
    while True:
        await asyncio.sleep(min(wait_s(), AGAIN_AFTER_FAILURE_S) if failed else wait_s())
        failed = not await _done(name, work)


async def _done(name: str, work: Callable[[], Awaitable[object]]) -> bool:
    try:
        await work()
    except ChenuError as error:  # nothing can be recorded now, for one: no bug of the work's
        _log.warning("background_work_refused", work=name, error=str(error))
        return False
    except Exception:  # noqa: BLE001 - see `repeated`
        _log.exception("background_work_failed", work=name)
        return False
    return True
