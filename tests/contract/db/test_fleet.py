"""The line between processes: what is told arrives, and what breaks is connected anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.fleet import QUERY_STOPS, Fleet, Telling
from chenu_server.infra.db.owner_sql import OWNERS
from tests.contract.db.conftest import rows_of
from tests.stores import Postgres

LONG_S = 60.0
KEY = ("acme", "query")


@pytest.fixture
async def fleet(postgres_url: str) -> AsyncIterator[Fleet]:
    """A process whose line is connected."""
    with writer_engine(postgres_url).begin() as connection:
        for number, owner_id in enumerate(("me", "other")):
            row = {"owner_id": owner_id, "lock_key": number, "label": "", "started_us": 0}
            connection.execute(sa.insert(OWNERS).values(**row))
    line = Fleet(postgres_url, "me")
    await line.exchange(Telling())
    yield line
    await line.close()


def cut(url: str) -> None:
    """End every connection to a database but this one."""
    with writer_engine(url).begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


async def test_who_is_cut_off_while_it_waits_looks_and_connects_anew(
    postgres_url: str, fleet: Fleet
) -> None:
    """At once, each time; and it hears the others as before."""
    other = Fleet(postgres_url, "other")
    for _ in range(3):
        waiting = asyncio.create_task(fleet.wait(LONG_S, listens=True))
        await asyncio.sleep(0)
        await asyncio.to_thread(cut, postgres_url)
        async with asyncio.timeout(10):
            await waiting
        await fleet.exchange(Telling())
    waiting = asyncio.create_task(fleet.wait(LONG_S, listens=True))
    await asyncio.sleep(0)
    await other.stop("me", KEY)
    async with asyncio.timeout(10):
        await waiting

    assert [KEY] == (await fleet.exchange(Telling())).to_stop
    await other.close()


async def test_an_exchange_fails_while_the_database_is_away_and_not_longer(
    postgres_url: str, postgres: Postgres, fleet: Fleet
) -> None:
    """Nothing is told meanwhile; the next one is on a connection of its own."""
    name = sa.make_url(postgres_url).database
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    postgres.execute(ends)
    for _ in range(2):
        with pytest.raises(GovernanceUnavailable):
            await fleet.exchange(Telling())
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert () == tuple((await fleet.exchange(Telling())).to_stop)


async def test_nothing_is_asked_of_an_owner_that_is_gone(postgres_url: str, fleet: Fleet) -> None:
    """Nobody would hear it, or take it away."""
    await fleet.stop("forgotten", KEY)

    assert [] == rows_of(postgres_url, sa.select(QUERY_STOPS))
