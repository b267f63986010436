"""Cancelling a query that another process runs, from wherever it is known as what."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from chenu_server.caller import Caller, Principal
from chenu_server.command import Key
from chenu_server.errors import GovernanceUnavailable, QueryCancelled
from chenu_server.errors import QueryState as QueryStateError
from chenu_server.pipeline.cancels import Cancels
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.stop import Stopped
from chenu_server.vocabulary import PrincipalType, QueryStatus
from tests.contract.tables import samples
from tests.unit.pipeline.test_log import ASKED, KEY

CALLER = Caller(
    principal=Principal(type=PrincipalType.SERVICE, id="backend"),
    identity_id=KEY[0],
    roles=frozenset(),
    method="m",
    peer="p",
)
RUNNING = replace(
    samples.QUERY,
    identity_id=KEY[0],
    request_id=KEY[1],
    status=QueryStatus.RUNNING,
    owner_id="other",
    checkpoint_id="",
)
ENDED = replace(RUNNING, status=QueryStatus.CANCELLED, event_count=RUNNING.event_count + 1)


class NoCalls:
    """Nothing that anybody proposed is held here."""

    async def cancel(self, query: Operation, by: Principal, reason: str) -> None:
        """Nothing to do."""


class World:
    """A query as it is stored, and the process that runs it, which hears or does not."""

    def __init__(self, stored: Operation | None, *, hears: bool = True) -> None:
        self.stored = stored
        self.meanwhile = stored
        self.hears = hears
        self.away = False
        self.asked: list[str] = []
        self.governed: list[Operation] = []
        self.runs: dict[Key, QueryRun] = {}
        self.log = QueryLog(KEY, ASKED)
        self.cancels = Cancels(
            self.runs,
            cast(Any, self),
            cast(Any, self),
            open_log=self._open_log,
            calls=NoCalls(),
            stops=self,
            within_s=0.05,
        )

    async def _open_log(self, query: Operation) -> QueryLog:
        self.log.set_query(query)
        return self.log

    def is_other(self, owner_id: str) -> bool:
        """Everybody is."""
        return owner_id == "other"

    async def stop(self, owner_id: str, key: Key) -> None:
        """It ends there, if it is heard."""
        if self.away:
            raise GovernanceUnavailable
        self.asked.append(owner_id)
        if self.hears:
            self.log.set_query(ENDED)

    async def get(self, identity_id: str, request_id: str) -> Operation | None:
        """As it is stored."""
        return self.stored

    async def cancel(self, query: Operation, by: Principal, reason: str) -> Operation:
        """The unit's answer: what is stored by now."""
        self.governed.append(query)
        assert self.meanwhile is not None
        return self.meanwhile

    async def cancelled(self) -> Operation:
        """Cancel it."""

        async def get() -> Operation:
            assert self.stored is not None
            return self.stored

        return await self.cancels.cancel(CALLER, KEY[1], "changed my mind", get)

    async def waiting(self) -> QueryRun:
        """A run here that waits for its turn, until it is stopped."""
        run = QueryRun(QueryLog(KEY, ASKED), deadline_s=60, abandon_after_s=60, detached=False)
        self.runs[KEY] = run
        task = asyncio.create_task(self._wait(run))
        await asyncio.sleep(0)
        self._task = task
        return run

    async def _wait(self, run: QueryRun) -> None:
        try:
            with run.stop.interrupts():
                await asyncio.Event().wait()
        except Stopped:
            run.log.refuse(QueryCancelled(KEY[1]))


async def test_what_another_process_runs_is_ended_there() -> None:
    """And is told as it ended."""
    world = World(RUNNING)

    assert ENDED == await world.cancelled()
    assert ["other"] == world.asked


async def test_what_only_waits_here_is_ended_where_it_runs() -> None:
    """That nothing of it was ever stored would be a lie: it runs, and is charged."""
    world = World(RUNNING)
    await world.waiting()

    assert ENDED == await world.cancelled()
    assert ["other"] == world.asked


async def test_what_waits_here_and_runs_nowhere_never_was() -> None:
    """There is nothing to end but the wait."""
    world = World(None)
    await world.waiting()
    with pytest.raises(QueryCancelled):
        await world.cancelled()

    assert [] == world.asked


async def test_an_approval_that_was_used_elsewhere_meanwhile_is_ended_there() -> None:
    """It was approved when it was read, and running when the command came to it."""
    approved = replace(RUNNING, status=QueryStatus.APPROVED, checkpoint_id="c", owner_id="")
    world = World(approved)
    world.meanwhile = replace(RUNNING, checkpoint_id="c")

    assert ENDED == await world.cancelled()
    assert (["other"], [approved]) == (world.asked, world.governed)


@pytest.mark.parametrize("follows", [False, True])
async def test_who_is_not_heard_is_said_to_run(follows: bool) -> None:
    """After a while, also where somebody here waits for its answer, who goes on waiting."""
    world = World(RUNNING, hears=False)
    if follows:
        run = await world.waiting()
        run.follows = True
        run.log.set_query(RUNNING)
    with pytest.raises(QueryStateError):
        await world.cancelled()

    assert ["other"] == world.asked
    assert all(run.stop.reason is None for run in world.runs.values())


async def test_nobody_is_asked_while_the_database_is_away() -> None:
    """Who wants it to end is told so, and nobody else anything."""
    world = World(RUNNING)
    world.away = True
    with pytest.raises(GovernanceUnavailable):
        await world.cancelled()
