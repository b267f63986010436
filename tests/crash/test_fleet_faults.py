"""Each of three servers that are at work is killed, or loses lock, lease or both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import pytest
import sqlalchemy as sa

from chenu_server.governance.budgets.tables import RESERVATIONS
from chenu_server.infra.db.ledger_tables import LEDGER_ENTRIES
from chenu_server.pipeline.tables import ATTEMPTS, OUTPUT_CHUNKS, QUERIES, QUERY_EVENTS
from tests.crash.books import assert_books_balance
from tests.crash.edges import UNKNOWN, interrupted
from tests.crash.fleet import (
    ANSWER,
    HALF,
    PATIENCE_S,
    SAID,
    Watching,
    log_of,
    lose_lock,
    runs_at,
    shut_out,
    three,
    until_lease_is_over,
)
from tests.crash.scene import DELETION, QUESTION, Scene
from tests.crash.site import DONE, Running, Site
from tests.harness import eventually

pytestmark = pytest.mark.crash

AWAY: Final = "GOVERNANCE_UNAVAILABLE"
LOOKED_S: Final = 3.0
"""All look every second, and see within it that a lease of two was not renewed."""
LONG_LEASE_S: Final = 60

Fault = Callable[[Site, Running], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(_: Site, at: Running) -> AsyncIterator[None]:
    """It is gone."""
    at.server.kill()
    yield


@asynccontextmanager
async def without_lock(site: Site, at: Running) -> AsyncIterator[None]:
    """The connection breaks that its lock is on, and there is no other until all have looked."""
    with shut_out(site, at):
        await asyncio.sleep(LOOKED_S)
        await _assert_admits_nothing(site, at)
    await _until_it_admits(site, at)
    yield


@asynccontextmanager
async def without_lease(site: Site, at: Running) -> AsyncIterator[None]:
    """Its machine stalls for longer than a lease, and every connection stands."""
    with at.server.paused():
        await until_lease_is_over(site, at, LOOKED_S)
        yield


@asynccontextmanager
async def stalled(site: Site, at: Running) -> AsyncIterator[None]:
    """Its machine stalls, and is gone from the network meanwhile."""
    with at.server.paused():
        lose_lock(site, at)
        yield


@asynccontextmanager
async def excluded(site: Site, at: Running) -> AsyncIterator[None]:
    """It works on, with a database that answers, and can have neither lock nor lease."""
    with shut_out(site, at):
        yield


async def _assert_admits_nothing(site: Site, at: Running) -> None:
    """It works, and is told by its database that it may not decide."""
    scene = Scene(site, QUESTION)

    assert AWAY == await scene.ask(at)
    assert 0 == scene.calls


async def _until_it_admits(site: Site, at: Running) -> None:
    """It has its lock again, and its writer knows."""
    scene = Scene(site, f"{DELETION} but these")

    async def is_admitted() -> bool:
        return await scene.ask(at) == "CHECKPOINT_PENDING"

    await eventually(is_admitted, PATIENCE_S)
    assert DONE == await scene.cancel(at)


HARMLESS: Final[tuple[Fault, ...]] = (without_lock, without_lease)
DEADLY: Final[dict[Fault, str]] = {killed: "UNAVAILABLE", stalled: UNKNOWN, excluded: AWAY}
"""And what becomes of the call whose query it ran."""
VICTIMS: Final = {"who was asked": 0, "who is watched at": 1, "who took the approval": 2}


class Work:
    """What three servers are at: each has a question, the third what it approved of the first's."""

    def __init__(self, site: Site, servers: list[Running]) -> None:
        self.site = site
        self.servers = servers
        self.asked = [Scene(site, QUESTION) for _ in servers]
        self.approved = Scene(site, DELETION, resume_on_approval=True)
        self.waiting = Scene(site, f"{DELETION} of last year")
        self.running = [*self.asked, self.approved]
        self.answers: list[asyncio.Task[str]] = []
        self.watching: dict[tuple[Scene, int], Watching] = {}
        self.owners: dict[Scene, int] = {}

    async def begin(self) -> None:
        """Until each is watched everywhere, by whom half of it has been seen."""
        site = self.site
        site.upstream.behave("*", SAID)
        site.upstream.hold()
        first, _, third = self.servers
        pairs = zip(self.asked, self.servers, strict=True)
        self.answers = [asyncio.create_task(scene.ask(at)) for scene, at in pairs]
        for scene in (self.approved, self.waiting):
            assert "CHECKPOINT_PENDING" == await scene.ask(first)
        watched = [(scene, number) for scene in self.running for number in range(3)]
        assert DONE == await self.approved.approve(third)
        await asyncio.wait_for(site.upstream.until_open(4), 20)
        for scene, number in watched:
            watching = self.watching[scene, number] = Watching(self.servers[number], scene)
            await watching.until_said(len(HALF))
        self.owners = {scene: runs_at(site, scene, self.servers) for scene in self.running}

    @property
    def request_ids(self) -> list[str]:
        """Of all of it."""
        return [scene.request_id for scene in (*self.running, self.waiting)]

    def of(self, victim: int) -> list[Scene]:
        """What a server runs."""
        return [scene for scene in self.running if self.owners[scene] == victim]

    def rows(self, scene: Scene) -> list[Any]:
        """All that is stored of a query, whole, but for what was asked."""
        with self.site.database() as database:
            named = sa.select(QUERIES.c.id).where(QUERIES.c.request_id == scene.request_id)
            number = database.execute(named).scalar_one()
            parts = (ATTEMPTS, QUERY_EVENTS, OUTPUT_CHUNKS, RESERVATIONS)
            wanted = [
                QUERIES.select().where(QUERIES.c.id == number),
                *(each.select().where(each.c.query_id == number) for each in parts),
                LEDGER_ENTRIES.select().where(LEDGER_ENTRIES.c.resource_id == scene.request_id),
            ]
            return [database.execute(each).all() for each in wanted]


@pytest.mark.parametrize("fault", HARMLESS, ids=lambda it: it.__name__)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_who_loses_only_lock_or_lease_loses_nothing_it_runs(
    postgres_site: Site, fault: Fault, victim: str
) -> None:
    """Neither says that a server is dead: no query ends, and the others go on meanwhile."""
    site, hit = postgres_site, VICTIMS[victim]
    if fault is without_lock:
        site.more["owners.lease_s"] = LONG_LEASE_S
    async with three(site) as servers:
        work = Work(site, servers)
        await work.begin()
        async with fault(site, servers[hit]):
            site.upstream.release()
            others = [work.answers[number] for number in range(3) if number != hit]
            assert [DONE, DONE] == await asyncio.gather(*others)
            await _assert_decided(work, hit)
        outcomes = await asyncio.gather(*work.answers)
        ends = [await each.over() for each in work.watching.values()]
        logs = [each.log for each in work.watching.values()]
        new = Scene(site, QUESTION)
        outcomes.append(await new.ask(servers[hit]))
        await assert_books_balance(servers[hit], site, [*work.request_ids, new.request_id])

    assert [DONE] * 4 == outcomes
    assert {DONE} == set(ends)
    assert [True] * 4 == [logs[n] == logs[n + 1] == logs[n + 2] for n in range(0, 12, 3)]
    assert {ANSWER} == {log[-1][2] for log in logs}
    assert {1} == {scene.calls for scene in (*work.running, work.waiting)}


@pytest.mark.parametrize("fault", DEADLY, ids=lambda it: it.__name__)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_who_is_killed_or_cut_off_ends_what_it_ran_and_nothing_else(
    postgres_site: Site, fault: Fault, victim: str
) -> None:
    """Who watches that elsewhere sees the end; the dead one writes nothing once it is back."""
    site, hit = postgres_site, VICTIMS[victim]
    living = [number for number in range(3) if number != hit]
    async with three(site) as servers:
        work = Work(site, servers)
        await work.begin()
        lost = work.of(hit)
        async with fault(site, servers[hit]):
            for scene in lost:
                await scene.until(interrupted("consumed" if scene is work.approved else ""))
            left = [work.rows(scene) for scene in lost]
            site.upstream.release()
            assert [DONE, DONE] == [await work.answers[number] for number in living]
            await _assert_decided(work, hit)
            await _assert_ends_are_seen(work, lost, living)
            if fault is excluded:
                await _assert_admits_nothing(site, servers[hit])
        told = await work.answers[hit]
        if fault is not killed:
            await _assert_it_is_back(work, hit)
        assert left == [work.rows(scene) for scene in lost]
        at = servers[living[0]]
        again = [await scene.ask(at) for scene in work.running]
        await assert_books_balance(at, site, work.request_ids)

    assert DEADLY[fault] == told
    assert [UNKNOWN if scene in lost else DONE for scene in work.running] == again
    assert {1} == {scene.calls for scene in (*work.running, work.waiting)}


async def _assert_decided(work: Work, hit: int) -> None:
    """While one is out, what waits is approved at another and run at the third, once."""
    decides, runs = (work.servers[number] for number in (2, 1, 0) if number != hit)

    assert DONE == await work.waiting.approve(decides)
    assert DONE == await work.waiting.resume(runs)


async def _assert_ends_are_seen(work: Work, lost: list[Scene], living: list[int]) -> None:
    """Whoever watches at one that lives: the same at all, to the end, and no end too many."""
    for scene in work.running:
        watching = [work.watching[scene, number] for number in living]
        assert {DONE} == {await each.over() for each in watching}
        ends = [(each.end, each.text) for each in watching]

        assert [(UNKNOWN, HALF) if scene in lost else (DONE, ANSWER)] * 2 == ends
        assert watching[0].told == watching[1].told


async def _assert_it_is_back(work: Work, hit: int) -> None:
    """It tells what the others decided of what it ran, and what it begins is its own."""
    at, new = work.servers[hit], Scene(work.site, QUESTION)

    async def is_back() -> bool:
        return await new.ask(at) == DONE

    await eventually(is_back, PATIENCE_S)
    logs = [await log_of(at, scene) for scene in work.running]
    others = [await log_of(work.servers[hit - 1], scene) for scene in work.running]

    assert others == logs
    assert 1 == new.calls
