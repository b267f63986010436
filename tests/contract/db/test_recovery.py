"""A database that turns read-only, fills up, restarts or fails over is survived without a hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db import engine
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.owners import Owner, SessionOwner
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.sqlite import SqliteStore
from chenu_server.infra.db.writer import SqlWriter
from tests.clusters import Cluster, url_of
from tests.contract.db.conftest import OpenWriter
from tests.contract.db.gate import held, queued, until
from tests.contract.db.sample import TOTALS, Change, Nothing, filling, prepare
from tests.stores import Postgres

QUICK = WriterLimits(answer_within_ms=5_000, reconnect_delay_ms=20, probe_ms=50)
STILL = WriterLimits(answer_within_ms=5_000, reconnect_delay_ms=20, probe_ms=3_600_000)
"""A writer that tries nothing by itself while all is well."""


def _sample(cluster: Cluster) -> Cluster:
    with writer_engine(cluster.url).begin() as connection:
        prepare(connection)
    return cluster


@contextmanager
def _new_sessions_read_only(postgres: Postgres, url: str) -> Iterator[None]:
    """As after a failover: the sessions are cut, and the next ones cannot write."""
    name = sa.make_url(url).database
    postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    _cut(postgres, url)
    try:
        yield
    finally:
        postgres.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


def _cut(postgres: Postgres, url: str) -> None:
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{sa.make_url(url).database}'"
    )


@contextmanager
def _refusing(postgres: Postgres, url: str, sqlstate: str) -> Iterator[None]:
    """Every commit fails with a SQLSTATE, as when the disk is full."""
    trigger = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{sqlstate}'; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON batches"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    with writer_engine(url).begin() as connection:
        connection.execute(sa.text(trigger))
    try:
        yield
    finally:
        with writer_engine(url).begin() as connection:
            connection.execute(sa.text("DROP FUNCTION refuse CASCADE"))


async def test_sessions_that_cannot_write_are_not_kept(
    only_postgres_url: str, postgres: Postgres, open_writer: OpenWriter
) -> None:
    """A session opened while the database was read-only stays so; a restart would have cured it."""
    writer = await open_writer(only_postgres_url, limits=STILL)
    first = await writer.submit(Change())
    with _new_sessions_read_only(postgres, only_postgres_url):
        with pytest.raises(GovernanceUnavailable):
            await writer.submit(Change())
        await until(lambda: not writer.healthy)
    await until(lambda: writer.healthy)

    assert (1, 2) == (first, await writer.submit(Change()))


async def test_an_idle_writer_finds_out_by_itself(
    only_postgres_url: str, postgres: Postgres, open_writer: OpenWriter
) -> None:
    """A probe must not have to wait for the first call that fails."""
    writer = await open_writer(only_postgres_url, limits=QUICK)
    with _new_sessions_read_only(postgres, only_postgres_url):
        await until(lambda: not writer.healthy)
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


async def test_an_idle_writer_finds_a_locked_file_by_itself(
    only_sqlite_url: str, open_writer: OpenWriter
) -> None:
    """The same on the embedded store."""
    writer = await open_writer(only_sqlite_url, limits=QUICK)
    with writer_engine(only_sqlite_url).begin():
        await until(lambda: not writer.healthy)
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


@pytest.mark.parametrize("sqlstate", ["25006", "53100", "53200", "58030", "08006", "57P01"])
async def test_no_command_is_blamed_for_what_the_database_cannot(
    only_postgres_url: str, postgres: Postgres, open_writer: OpenWriter, sqlstate: str
) -> None:
    """The whole batch is refused at once, and nothing is served until a write has succeeded."""
    writer = await open_writer(only_postgres_url, limits=STILL)
    with _refusing(postgres, only_postgres_url, sqlstate):
        async with held(writer):
            tasks = await queued(writer, Change(), Change())
        refused = await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: not writer.healthy)
    await until(lambda: writer.healthy)

    assert [GovernanceUnavailable] * 2 == [type(error) for error in refused]
    assert 1 == await writer.submit(Change())


async def test_what_writes_nothing_does_not_prove_that_a_write_is_possible(
    only_postgres_url: str, postgres: Postgres, open_writer: OpenWriter
) -> None:
    """A full disk answers waits, repeats and conflicts as well as any."""
    writer = await open_writer(only_postgres_url, limits=QUICK)
    with _refusing(postgres, only_postgres_url, "53100"):
        with pytest.raises(GovernanceUnavailable):  # noqa: PT012 - as it goes on
            while True:
                await writer.submit(Nothing())
        await until(lambda: not writer.healthy)
    await until(lambda: writer.healthy)

    assert 1 == await writer.submit(Change())


async def test_a_full_disk_under_a_file_is_survived(
    only_sqlite_url: str, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own error for it, until there is room again."""
    room = {"pages": 1}
    pragmas = engine.sqlite_pragmas

    def bounded(busy_timeout_ms: int, log_bytes: int) -> list[str]:
        limit = f"PRAGMA max_page_count={room['pages']}"
        return [*pragmas(busy_timeout_ms, log_bytes), limit]

    # Every connection asks, the kernel's own too.
    monkeypatch.setattr(engine, "sqlite_pragmas", bounded)
    writer = await open_writer(SqliteStore(only_sqlite_url), limits=STILL)
    with pytest.raises(GovernanceUnavailable):
        await _fill(writer)
    # It is not healthy now, or is so again: a probe may find room in the last page.
    room["pages"] = 1_000_000
    await until(lambda: writer.healthy)

    assert await writer.submit(Change())


async def _fill(writer: SqlWriter) -> None:
    for _ in range(200):
        await writer.submit(filling())


async def test_a_server_that_turns_read_only_keeps_its_owners(
    cluster: Cluster, open_writer: OpenWriter, acquire: Callable[..., Owner]
) -> None:
    """Nobody may take over what a living owner runs, and nothing is decided meanwhile."""
    url = _sample(cluster).url
    writer = await open_writer(url, limits=STILL)
    owner = acquire(url, SessionOwner, renew_ms=20, lease_ms=600_000)
    other = acquire(url, SessionOwner, renew_ms=20, lease_ms=600_000)
    cluster.read_only(on=True)
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    await until(lambda: not (writer.healthy or owner.held or other.held))
    dead = other.dead()
    cluster.read_only(on=False)
    await until(lambda: writer.healthy and owner.held and other.held)

    assert ([], []) == (dead, other.dead())
    assert 1 == await writer.submit(Change())


async def test_a_restart_is_survived_by_writer_owner_and_readers(
    cluster: Cluster, open_writer: OpenWriter, acquire: Callable[..., Owner]
) -> None:
    """Each finds its way back by itself, under the same owner id."""
    url = _sample(cluster).url
    reader = Reader(url, threads=1)
    writer = await open_writer(url, limits=QUICK, on_reconnect=reader.renew)
    owner = acquire(url, SessionOwner, renew_ms=20)
    owner_id = owner.owner_id
    await writer.submit(Change())
    before = list(await reader.rows(TOTALS))
    cluster.stop()
    await until(lambda: not (writer.healthy or owner.held))
    with pytest.raises(GovernanceUnavailable):
        await reader.rows(TOTALS)
    cluster.start()
    await until(lambda: writer.healthy and owner.held)
    total, after = await writer.submit(Change()), list(await reader.rows(TOTALS))
    await reader.close()

    assert (owner_id, []) == (owner.owner_id, owner.dead())
    assert ([(1,)], 2, [(2,)]) == (before, total, after)


async def test_of_two_hosts_the_one_that_takes_writes_is_used(
    cluster: Cluster,
    new_cluster: Callable[[], Cluster],
    open_writer: OpenWriter,
    acquire: Callable[..., Owner],
) -> None:
    """The first is a fenced primary with rows of its own; readers must not read those."""
    other = new_cluster()
    other.make()
    _sample(other)
    _sample(cluster).read_only(on=True)
    url = url_of(cluster, other)
    writer, reader, owner = await open_writer(url), Reader(url, threads=1), acquire(url)
    total = await writer.submit(Change())
    read = list(await reader.rows(TOTALS))
    await reader.close()

    assert (1, [(1,)], True) == (total, read, owner.held)


async def test_a_failover_is_followed(
    cluster: Cluster,
    new_cluster: Callable[[], Cluster],
    open_writer: OpenWriter,
    acquire: Callable[..., Owner],
) -> None:
    """The primary goes, its standby is promoted, and all three connect to that."""
    standby = new_cluster()
    _sample(cluster)
    standby.copy(cluster)
    url = url_of(standby, cluster)
    reader = Reader(url, threads=1)
    writer = await open_writer(url, limits=QUICK, on_reconnect=reader.renew)
    owner = acquire(url, SessionOwner, renew_ms=20)
    first = await writer.submit(Change())
    await until(lambda: _totals(standby) == [(1,)])
    cluster.stop()
    await until(lambda: not (writer.healthy or owner.held))
    standby.promote()
    await until(lambda: writer.healthy and owner.held)
    second, read = await writer.submit(Change()), list(await reader.rows(TOTALS))
    await reader.close()

    assert (1, 2, [(2,)]) == (first, second, read)


async def test_readers_leave_a_server_that_the_writer_has_left(
    cluster: Cluster, new_cluster: Callable[[], Cluster], open_writer: OpenWriter
) -> None:
    """A fenced primary still answers; what it reads is no longer what is decided on."""
    other = new_cluster()
    _sample(cluster)
    other.copy(cluster)
    url = url_of(cluster, other)
    reader = Reader(url, threads=1)
    writer = await open_writer(url, limits=STILL, on_reconnect=reader.renew)
    await writer.submit(Change())
    before = list(await reader.rows(TOTALS))
    await until(lambda: _totals(other) == [(1,)])
    cluster.read_only(on=True)
    other.promote()
    total, after = await writer.submit(Change()), list(await reader.rows(TOTALS))
    await reader.close()

    assert ([(1,)], 2, [(2,)]) == (before, total, after)


def _totals(cluster: Cluster) -> list[tuple[int]]:
    """What a cluster answers, standby or not."""
    engine = sa.create_engine(cluster.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(TOTALS)]
