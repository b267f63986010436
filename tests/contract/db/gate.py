"""Keeps the writer's thread busy, so that what is submitted meanwhile makes one batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from chenu_server.infra.db.writer import SqlWriter
from chenu_server.unit import Moment, Rows, Unit
from tests.contract.db.sample import Do


@asynccontextmanager
async def held(writer: SqlWriter) -> AsyncIterator[None]:
    """Inside, the writer's thread is in the middle of a batch that writes nothing."""
    entered, released = threading.Event(), threading.Event()

    def wait(_rows: Rows, _now: Moment) -> None:
        entered.set()
        released.wait(10)

    holding = asyncio.create_task(writer.submit(Do(wait, name="hold")))
    await asyncio.get_running_loop().run_in_executor(None, entered.wait)
    try:
        yield
    finally:
        released.set()
        await holding


async def until(holds: Callable[[], object]) -> None:
    """Wait for something that another thread does; the test's own time limit ends it."""
    while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.01)


async def queued(writer: SqlWriter, *units: Unit[Any]) -> list[asyncio.Task[Any]]:
    """Submit units in this order, and return once they wait."""
    tasks = [asyncio.create_task(writer.submit(unit)) for unit in units]
    await asyncio.sleep(0)
    return tasks
