"""A decision that cannot be recorded is a no; an end that cannot be recorded waits for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import sqlalchemy as sa

from tests.crash.books import assert_books_balance
from tests.crash.scene import QUESTION, Scene
from tests.crash.site import DONE, Running, Site
from tests.stores import Postgres

pytestmark = pytest.mark.crash

AWAY = "GOVERNANCE_UNAVAILABLE"
PATIENCE_S = 20.0


@pytest.mark.parametrize(
    ("failpoints", "outcomes"),
    [
        ("admit.before_commit=error", [AWAY, DONE]),
        ("settle.before_commit=error", [AWAY, DONE]),
        ("admit.after_commit=error", [DONE, DONE]),
        ("settle.after_commit=error", [DONE, DONE]),
    ],
)
async def test_a_commit_that_fails_costs_an_answer_and_never_a_second_run(
    site: Site, failpoints: str, outcomes: list[str]
) -> None:
    """Without a record there is no answer; a record whose commit was unclear is looked up."""
    scene = Scene(site, QUESTION)
    # The note of its dispatch is committed while it waits: a batch of both would be replayed.
    site.upstream.behave(latency_ms=600)
    async with site.running(failpoints) as at:
        await at.fund()
        asked = [await scene.ask(at), await scene.ask(at)]
        await assert_books_balance(at, site, [scene.request_id])

    assert outcomes == asked
    assert 1 == scene.calls


async def test_with_its_file_locked_a_server_says_no_and_settles_later(site: Site) -> None:
    """Whoever waits for an answer is told at once, and has it once the file is free again."""
    async with site.running() as at:
        await at.fund()
        await _assert_it_comes_back(site, at, _locked(site.url))


async def test_with_its_disk_full_a_server_says_no_and_settles_later(site: Site) -> None:
    """What cannot be written has not happened; with room again, nothing needs a hand."""
    async with site.running() as at:
        await at.fund()
        # It may still append to its log, and to nothing that is longer.
        await _assert_it_comes_back(site, at, at.server.without_room(16_384))


async def test_with_postgresql_away_a_server_says_no_and_settles_later(
    postgres_site: Site, postgres: Postgres
) -> None:
    """The same when every connection is cut and no new one is taken."""
    async with postgres_site.running() as at:
        await at.fund()
        await _assert_it_comes_back(postgres_site, at, _closed(postgres_site.url, postgres))


async def _assert_it_comes_back(
    site: Site, at: Running, away: AbstractContextManager[None]
) -> None:
    """The database goes while one query runs, and another is asked; then it returns."""
    running, other = Scene(site, QUESTION), Scene(site, QUESTION)
    site.upstream.hold()
    asked = asyncio.create_task(running.ask(at))
    async with asyncio.timeout(PATIENCE_S):
        await site.upstream.until_open(1)
    with away:
        site.upstream.release()
        refusals = await other.ask(at), await asked
        calls = other.calls, running.calls
    answers = await _asked_until_back(running, at), await _asked_until_back(other, at)
    await assert_books_balance(at, site, [running.request_id, other.request_id])

    assert (AWAY, AWAY) == refusals
    assert (0, 1) == calls
    assert (DONE, DONE) == answers
    assert (1, 1) == (other.calls, running.calls)


async def _asked_until_back(scene: Scene, at: Running) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while (outcome := await scene.ask(at)) == AWAY:  # noqa: ASYNC110 - it asks a server
            await asyncio.sleep(0.1)
    return outcome


@contextmanager
def _locked(url: str) -> Iterator[None]:
    """Somebody else writes to the SQLite file, and does not end."""
    file = sqlite3.connect(str(sa.make_url(url).database), isolation_level=None)
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        file.close()


@contextmanager
def _closed(url: str, postgres: Postgres) -> Iterator[None]:
    """The PostgreSQL database takes no connection, and has none."""
    name = sa.make_url(url).database
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    postgres.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )
    try:
        yield
    finally:
        postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
