"""Reads: off the loop, bounded, and unable to write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable, ServerOverloaded
from chenu_server.governance.budgets.tables import BUDGETS
from chenu_server.infra.db.reader import Reader
from tests.contract.db.conftest import OpenWriter
from tests.contract.db.sample import SAMPLERS, TOTALS, Change
from tests.contract.db.test_tablemap import put, samplers


@pytest.fixture
async def reader(url: str) -> AsyncIterator[Reader]:
    """A reader with room for two queries, one of them waiting."""
    reader = Reader(url, threads=1, waiting_max=1)
    yield reader
    await reader.close()


async def test_what_is_committed_can_be_read(
    url: str, open_writer: OpenWriter, reader: Reader
) -> None:
    """An answer and a read after it never disagree."""
    writer = await open_writer(url)
    for total in range(1, 6):
        await writer.submit(Change())

        assert [(total,)] == list(await reader.rows(TOTALS))


async def test_columns_come_back_as_the_types_of_the_rows(url: str, reader: Reader) -> None:
    """Tuples, enums and truth values are the same to readers and units."""
    (sampler, *_) = samplers()
    put(url, [sampler])
    (row,) = await reader.rows(sa.select(SAMPLERS))

    assert tuple(row) == tuple(getattr(sampler, column.name) for column in SAMPLERS.c)


async def test_a_read_cannot_write(reader: Reader) -> None:
    """Every governed write goes through the writer, whatever a query's author intends."""

    def write(connection: sa.Connection) -> None:
        connection.execute(BUDGETS.update().values(version=9))

    with pytest.raises((GovernanceUnavailable, sa.exc.DBAPIError)):
        await reader.run(write)

    assert [] == list(await reader.rows(TOTALS))


async def test_reads_that_nobody_can_serve_are_refused(reader: Reader) -> None:
    """A slow query must not pile up the ones behind it without end."""
    started, release = threading.Event(), threading.Event()

    def wait(_connection: sa.Connection) -> bool:
        started.set()
        return release.wait(10)

    waiting = [asyncio.create_task(reader.run(wait)) for _ in range(2)]
    await asyncio.get_running_loop().run_in_executor(None, started.wait)
    with pytest.raises(ServerOverloaded):
        await reader.run(wait)
    release.set()

    assert [True, True] == await asyncio.gather(*waiting)
    assert [] == list(await reader.rows(TOTALS))


async def test_a_database_that_is_away_is_unavailable(postgres_url: str) -> None:
    """Reads fail by the same name as decisions."""
    gone = sa.make_url(postgres_url).set(database="nobody_made_this")
    reader = Reader(gone.render_as_string(hide_password=False))
    with pytest.raises(GovernanceUnavailable):
        await reader.rows(TOTALS)
    await reader.close()
