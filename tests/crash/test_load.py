"""`kill -9` at any moment while many call: whatever was told stays true, and the books balance."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from chenu_server.upstream import Behaviour
from tests.crash.books import assert_books_balance, assert_sums_agree
from tests.crash.scene import DELETION, QUESTION, Scene
from tests.crash.site import DONE, Running, Site

SEED = int(os.environ.get("CHENU_TEST_SEED", "20261121"))
ROUNDS = 5
CALLERS = 12
KILLED_WITHIN_S = (0.0, 0.5)
PATIENCE_S = 20.0
LOST = "UNAVAILABLE"

pytestmark = [pytest.mark.crash, pytest.mark.dice]


class Caller:
    """Asks one query after another; one that a crash cut is asked again after it."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        self._site = site
        self._dice = dice
        self._scene = self._new()
        self.scenes = [self._scene]
        self.told: dict[str, tuple[str, str]] = {}
        self.answered = asyncio.Event()

    def _new(self) -> Scene:
        text = self._dice.choice((QUESTION, QUESTION, DELETION))
        return Scene(self._site, text, resume_on_approval=self._dice.random() < 0.3)

    async def call(self, at: Running) -> None:
        """Ask until the server is gone."""
        while (outcome := await self._push(at)) != LOST:
            self.told[self._scene.request_id] = outcome, self._scene.text
            self.answered.set()
            self._scene = self._new()
            self.scenes.append(self._scene)

    async def _push(self, at: Running) -> str:
        """Bring the query to its end; sometimes change one's mind on the way."""
        outcome = await self._scene.ask(at)
        if outcome == "CHECKPOINT_PENDING":
            if self._dice.random() < 0.2:
                await self._scene.cancel(at)
            await self._scene.approve(at)
            outcome = await self._scene.ask(at)
        return outcome


async def test_nothing_told_is_taken_back_and_nothing_runs_twice(site: Site) -> None:
    """Five servers in a row die under load, each at a moment of its own: on SQLite."""
    await assert_load_survives(site)


async def test_nothing_told_is_taken_back_on_postgresql_either(postgres_site: Site) -> None:
    """There the database notices by itself that a server is gone, and what it had begun."""
    await assert_load_survives(postgres_site)


async def assert_load_survives(site: Site) -> None:
    """Load, kill, start again; then bring every query to its end and look."""
    dice = random.Random(SEED)
    site.upstream.script("*", behaviours(random.Random(SEED)))
    callers = [Caller(site, random.Random(f"{SEED}.{number}")) for number in range(CALLERS)]
    for turn in range(ROUNDS):
        async with site.running() as at:
            if turn == 0:
                await at.fund()
            await killed_under_load(at, callers, dice.uniform(*KILLED_WITHIN_S))
        with site.left_behind() as database:
            assert_sums_agree(database)

    scenes = [scene for caller in callers for scene in caller.scenes]
    told = {query: outcome for caller in callers for query, outcome in caller.told.items()}
    async with site.running() as at:
        final = {scene.request_id: await brought_to_its_end(scene, at) for scene in scenes}
        await assert_books_balance(at, site, list(final))

    assert told == {query: final[query] for query in told}
    assert {DONE, "EXECUTION_INTERRUPTED"} <= {outcome for outcome, _ in final.values()}


def behaviours(dice: random.Random) -> list[Behaviour]:
    """Providers that are slow, refuse, fail and break off, in any order."""
    kinds = (
        Behaviour(),
        Behaviour(latency_ms=40),
        Behaviour(pace_ms=20),
        Behaviour(status=500),
        Behaviour(status=400),
        Behaviour(fault="cut", fault_after=2),
        Behaviour(fault="refuse"),
    )
    return dice.choices(kinds, weights=(4, 3, 4, 1, 1, 1, 1), k=2_000)


async def killed_under_load(at: Running, callers: list[Caller], after_s: float) -> None:
    """Let all of them call, and kill the server a while after one has had an answer."""
    callers[0].answered.clear()
    calling = [asyncio.create_task(caller.call(at)) for caller in callers]
    await asyncio.wait_for(callers[0].answered.wait(), PATIENCE_S)
    await asyncio.sleep(after_s)
    at.server.kill()
    await asyncio.gather(*calling)


async def brought_to_its_end(scene: Scene, at: Running) -> tuple[str, str]:
    """What the query comes to, in the end."""
    outcome = await scene.ask(at)
    if outcome == "CHECKPOINT_PENDING":
        await scene.approve(at)
        outcome = await scene.ask(at)
    return outcome, scene.text
