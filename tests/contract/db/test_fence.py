"""Who was taken over from writes nothing, until it holds its lock again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db import stores
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.owner_sql import OTHERS, OWNERS
from chenu_server.infra.db.owners import Owner, SessionOwner, lock_key
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.pipeline.tables import QUERIES
from tests.contract.db.conftest import OpenWriter, rows_of
from tests.contract.db.gate import until
from tests.contract.db.sample import TOTALS, Change
from tests.contract.db.test_owners import left_running
from tests.contract.tables.samples import QUERY
from tests.stores import Postgres

QUICK = WriterLimits(answer_within_ms=1_000, reconnect_delay_ms=20)
SILENT = {"lease_ms": 1, "renew_ms": 60_000}
QUICK_LEASE = {"lease_ms": 100, "renew_ms": 20}
CUT_OFF = sa.text(
    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN owners AS o"
    " ON l.objid = (o.lock_key & 4294967295)::oid"
    " AND l.classid = ((o.lock_key >> 32) & 4294967295)::oid"
    " WHERE l.locktype = 'advisory' AND o.owner_id = :owner_id"
)
NOBODY_OWNS = sa.text("ALTER TABLE owners ADD CONSTRAINT nobody CHECK (false) NOT VALID")
"""No lease can be had, and all else can be written."""
ANYBODY_OWNS = sa.text("ALTER TABLE owners DROP CONSTRAINT nobody")
Acquire = Callable[..., Owner]


async def late(
    url: str, acquire: Acquire, open_writer: OpenWriter, lease_ms: int = 1
) -> tuple[Owner, SqlWriter]:
    """An owner whose lock is lost and lease over, and its writer, which is still connected."""
    owner = acquire(url, SessionOwner, **{**SILENT, "lease_ms": lease_ms})
    writer = await open_writer(stores.store_at(url, owner=owner), limits=QUICK)
    assert 1 == await writer.submit(Change())
    with writer_engine(url).begin() as connection:
        connection.execute(CUT_OFF, {"owner_id": owner.owner_id})
    return owner, writer


async def fenced(other: Owner, owner: Owner) -> None:
    """Fence it, as soon as it is seen to be dead."""

    def is_fenced() -> bool:
        return owner.owner_id in other.dead() and other.fence(owner.owner_id) is not None

    await asyncio.to_thread(_until, is_fenced)


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.01)


async def test_an_owner_that_was_taken_over_from_writes_nothing(
    only_postgres_url: str, acquire: Acquire, open_writer: OpenWriter
) -> None:
    """Its writer's own connection lives on; its lock is another's, or the server has not let go."""
    owner, writer = await late(only_postgres_url, acquire, open_writer)
    await fenced(acquire(only_postgres_url, SessionOwner, **QUICK_LEASE), owner)
    with writer_engine(only_postgres_url).connect() as holder, holder.begin():
        holder.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key(owner.owner_id))))
        with pytest.raises(GovernanceUnavailable):
            await writer.submit(Change())
        assert [(1,)] == rows_of(only_postgres_url, TOTALS)


@pytest.mark.parametrize("lease_ms", [1, 600_000])
async def test_an_owner_that_has_lost_its_lock_writes_nothing(
    only_postgres_url: str, acquire: Acquire, open_writer: OpenWriter, lease_ms: int
) -> None:
    """Whether or not its lease is over: nobody has taken over, and anybody could begin to."""
    _, writer = await late(only_postgres_url, acquire, open_writer, lease_ms=lease_ms)
    with writer_engine(only_postgres_url).begin() as connection:
        connection.execute(NOBODY_OWNS)
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())
    left = rows_of(only_postgres_url, TOTALS)
    with writer_engine(only_postgres_url).begin() as connection:
        connection.execute(ANYBODY_OWNS)
    await until(lambda: writer.healthy)

    assert ([(1,)], 2) == (left, await writer.submit(Change()))


async def test_an_owner_whose_lease_is_over_writes_nothing(
    only_postgres_url: str, acquire: Acquire, open_writer: OpenWriter
) -> None:
    """It has stood still for so long that others may have given it up."""
    owner = acquire(only_postgres_url, SessionOwner, **SILENT)
    writer = await open_writer(stores.store_at(only_postgres_url, owner=owner), limits=QUICK)
    with writer_engine(only_postgres_url).begin() as connection:
        connection.execute(NOBODY_OWNS)
    with pytest.raises(GovernanceUnavailable):
        await writer.submit(Change())

    assert [] == rows_of(only_postgres_url, TOTALS)


async def test_it_writes_again_once_it_holds_its_lock(
    only_postgres_url: str, acquire: Acquire, open_writer: OpenWriter
) -> None:
    """At once; whoever took over has what it took, and finds nobody dead any more."""
    owner, writer = await late(only_postgres_url, acquire, open_writer)
    other = acquire(only_postgres_url, SessionOwner, **QUICK_LEASE)
    await fenced(other, owner)

    assert 2 == await writer.submit(Change())
    assert await asyncio.to_thread(other.fence, owner.owner_id) is None
    assert [] == await asyncio.to_thread(other.dead)


async def test_who_holds_its_lock_cannot_be_fenced(
    only_postgres_url: str, acquire: Acquire, open_writer: OpenWriter
) -> None:
    """Its lease may be over: it was stopped for a while, and lives."""
    owner = acquire(only_postgres_url, SessionOwner, **SILENT)
    writer = await open_writer(stores.store_at(only_postgres_url, owner=owner))

    other = acquire(only_postgres_url, SessionOwner, **QUICK_LEASE)
    other.dead()
    assert other.fence(owner.owner_id) is None
    assert 1 == await writer.submit(Change())


async def test_an_owner_that_is_forgotten_is_on_the_books_before_it_writes(
    only_postgres_url: str, acquire: Acquire, open_writer: OpenWriter
) -> None:
    """What it left under a name that nobody looks for would never be found."""
    owner, writer = await late(only_postgres_url, acquire, open_writer)
    other = acquire(only_postgres_url, SessionOwner, **QUICK_LEASE)
    await fenced(other, owner)
    await asyncio.to_thread(other.forget, owner.owner_id)

    assert 2 == await writer.submit(Change())
    known = sa.select(OWNERS.c.owner_id).where(OWNERS.c.owner_id == owner.owner_id)
    assert [(owner.owner_id,)] == rows_of(only_postgres_url, known)


async def test_an_owner_that_has_renewed_since_it_was_seen_is_not_fenced(
    only_postgres_url: str, acquire: Acquire, open_writer: OpenWriter
) -> None:
    """It lost its lock, came back and lost it once more: what it runs by now is its own."""
    owner, _ = await late(only_postgres_url, acquire, open_writer)
    other = acquire(only_postgres_url, SessionOwner, **QUICK_LEASE)
    await asyncio.to_thread(_until, lambda: other.dead() == [owner.owner_id])
    await asyncio.to_thread(owner.hold_again)
    assert isinstance(owner, SessionOwner)
    await asyncio.to_thread(owner._drop)
    with writer_engine(only_postgres_url).connect() as connection:
        asked = {"owner_id": other.owner_id}
        # The server gives it back with the connection, which takes it a moment.
        await until(lambda: not connection.execute(OTHERS, asked).one().is_locked)

    assert await asyncio.to_thread(other.fence, owner.owner_id) is None


@pytest.mark.parametrize("others", [0, 3])
def test_what_an_owner_left_is_told_with_its_fence(
    database_url: str, acquire: Acquire, others: int
) -> None:
    """Each query once, by identity and id; not what it begins once it is back."""
    dead = acquire(database_url)
    keys = [(f"identity {number}", f"id {each}") for number in range(3) for each in range(3)]
    with writer_engine(database_url).begin() as connection:
        for identity_id, request_id in reversed(keys):
            row = {**left_running(dead.owner_id), "identity_id": identity_id}
            connection.execute(sa.insert(QUERIES).values(**{**row, "request_id": request_id}))
        for number in range(others):
            row = {**left_running("alive"), "request_id": f"another's {number}"}
            connection.execute(sa.insert(QUERIES).values(**row))
    dead.close()
    owner = acquire(database_url)
    _until(lambda: dead.owner_id in owner.dead())

    assert keys == owner.fence(dead.owner_id)


def test_an_owner_that_only_what_it_runs_names_is_found(
    database_url: str, acquire: Acquire
) -> None:
    """Whoever took its row away: its queries would hold their money for ever."""
    owner = acquire(database_url)
    with writer_engine(database_url).begin() as connection:
        connection.execute(sa.insert(QUERIES).values(**left_running("nowhere")))
        left = {**left_running(owner.owner_id), "request_id": "own"}
        connection.execute(sa.insert(QUERIES).values(**left))
    found = owner.dead()

    assert ["nowhere"] == found
    assert [(QUERY.identity_id, QUERY.request_id)] == owner.fence("nowhere")


def test_while_the_database_is_away_nobody_is_found_dead(
    postgres_url: str, postgres: Postgres, acquire: Acquire
) -> None:
    """None could renew: whoever is back first would end what the others run."""
    owner = acquire(postgres_url, SessionOwner, lease_ms=300, renew_ms=60_000)
    other = acquire(postgres_url, SessionOwner, lease_ms=300, renew_ms=60_000)
    assert [] == owner.dead()
    name = sa.make_url(postgres_url).database
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    postgres.execute(ends)
    away_s = time.monotonic() + 0.4
    _until(lambda: time.monotonic() > away_s)
    postgres.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    with pytest.raises(sa.exc.DBAPIError):
        owner.dead()

    assert [] == owner.dead()
    assert other.owner_id in owner._seen if isinstance(owner, SessionOwner) else False
