"""Keeps the writer's thread busy, so that what is submitted meanwhile makes one batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chenu_server import engine, failpoints
from chenu_server.command import Command
from chenu_server.infra.db.batch import Batch
from chenu_server.infra.db.intake import Job
from chenu_server.infra.db.writer import SqlWriter
from tests.contract.db.sample import Nothing


@asynccontextmanager
async def held(writer: SqlWriter) -> AsyncIterator[None]:
    """Inside, the writer's thread is about to run a batch that writes nothing."""
    entered, released = threading.Event(), threading.Event()
    committer = writer._committer
    commit = committer._commit

    def wait(jobs: Sequence[Job], begun: Batch | None = None) -> None:
        entered.set()
        released.wait(10)
        commit(jobs, begun)

    committer._commit = wait  # type: ignore[method-assign]  # once, and then as it was
    engine.failpoints_armed(True)  # else a batch that goes well does not come by here
    holding = asyncio.create_task(writer.submit(Nothing()))
    await asyncio.get_running_loop().run_in_executor(None, entered.wait)
    engine.failpoints_armed(failpoints.any_armed())
    committer._commit = commit  # type: ignore[method-assign]  # see above
    try:
        yield
    finally:
        released.set()
        await holding


async def until(holds: Callable[[], object]) -> None:
    """Wait for something that another thread does; the test's own time limit ends it."""
    while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
        await asyncio.sleep(0.01)


async def queued(writer: SqlWriter, *commands: Command[Any]) -> list[asyncio.Task[Any]]:
    """Submit commands in this order, and return once they wait."""
    tasks = [asyncio.create_task(writer.submit(command)) for command in commands]
    await asyncio.sleep(0)
    return tasks
