"""How soon a fleet acts and tells, by the one clock of its database."""

from __future__ import annotations

import asyncio
import time
from itertools import cycle, pairwise
from statistics import median
from typing import Final

import pytest
import sqlalchemy as sa

from chenu_server.pipeline.tables import QUERIES
from chenu_server.upstream import Behaviour
from tests.crash.books import assert_books_balance
from tests.crash.fleet import ANSWER, HALF, PATIENCE_S, SAID, Watching, now_us, three, until_known
from tests.crash.scene import QUESTION, Scene
from tests.crash.site import DONE, Site

pytestmark = pytest.mark.crash

SECOND_US: Final = 1_000_000
"""Within it, says the specification; and ordinarily it is."""
BUSY_US: Final = 1_000_000
"""Beyond it, for the one that meets a machine which has other things to do."""

CANCELS: Final = 5
STREAM_S: Final = 6
SLOW: Final = Behaviour(answer=ANSWER, deltas=10 * STREAM_S, pace_ms=100)
DATED: Final = (
    "CREATE TABLE said_at (said_us bigint)",
    "CREATE FUNCTION date_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO said_at VALUES (extract(epoch FROM clock_timestamp()) * 1000000);"
    " RETURN NULL; END $$",
    "CREATE TRIGGER dated AFTER INSERT ON query_output FOR EACH ROW EXECUTE FUNCTION date_it()",
)
"""Has the database note when a server commits output for those who watch it elsewhere."""


async def test_a_cancel_is_acted_on_within_a_second_wherever_it_is_asked(
    postgres_site: Site,
) -> None:
    """From before it is asked to the end that its owner records, of several in turn."""
    site = postgres_site
    site.upstream.behave("*", SAID)
    site.upstream.hold()
    scenes = [Scene(site, QUESTION) for _ in range(CANCELS)]
    took_us = []
    async with three(site) as servers:
        owner, *others = servers
        asked = [asyncio.create_task(scene.ask(owner)) for scene in scenes]
        for scene in scenes:
            await until_known(others[0], scene)
        watching = [Watching(others[0], scene) for scene in scenes]
        for each in watching:
            await each.until_said(len(HALF))
        for scene, at in zip(scenes, cycle(others), strict=False):
            began_us = now_us(site)
            assert DONE == await scene.cancel(at)
            took_us.append(_ended_us(site, scene) - began_us)
        outcomes = await asyncio.gather(*asked)
        await asyncio.gather(*(each.over() for each in watching))
        await assert_books_balance(owner, site, [scene.request_id for scene in scenes])

    assert SECOND_US >= median(took_us), took_us
    assert SECOND_US + BUSY_US >= max(took_us), took_us
    assert ["QUERY_CANCELLED"] * CANCELS == outcomes == [each.end for each in watching]


async def test_who_watches_elsewhere_is_told_every_second_while_it_is_said(
    postgres_site: Site,
) -> None:
    """Its owner commits what a slow provider says, from when it is watched until it ends."""
    site, scene = postgres_site, Scene(postgres_site, QUESTION)
    site.upstream.behave("*", SLOW)
    with site.database() as database:
        for statement in DATED:
            database.execute(sa.text(statement))
    async with three(site) as (owner, *others):
        asked = asyncio.create_task(scene.ask(owner))
        await asyncio.wait_for(site.upstream.until_open(1), PATIENCE_S)
        watched_us = now_us(site)
        watching = [Watching(at, scene) for at in others]
        await asyncio.wait_for(site.upstream.until_open(0), PATIENCE_S)
        said_s = time.monotonic()
        assert [DONE, DONE, DONE] == [await asked, *[await each.over() for each in watching]]
        with site.database() as database:
            committed_us = database.scalars(sa.text("SELECT said_us FROM said_at ORDER BY 1")).all()
    ended_us = _ended_us(site, scene)
    seen = [{text for at_s, text in each.texts if at_s < said_s} for each in watching]
    pauses_us = [
        after - before for before, after in pairwise([watched_us, *committed_us, ended_us])
    ]

    assert SECOND_US >= median(pauses_us), pauses_us
    assert SECOND_US + BUSY_US >= max(pauses_us), pauses_us
    assert all(len(texts) >= STREAM_S - 1 for texts in seen), [len(texts) for texts in seen]
    assert [ANSWER, ANSWER] == [each.text for each in watching]


def _ended_us(site: Site, scene: Scene) -> int:
    """When a query's end was committed."""
    with site.database() as database:
        ended = sa.select(QUERIES.c.ended_us).where(QUERIES.c.request_id == scene.request_id)
        return int(database.execute(ended).scalar_one())
