"""A pooler that keeps sessions together is served through; one that does not is refused."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from chenu_server.infra.db import migrate, pooler
from chenu_server.infra.db.engine import connect_parameters
from chenu_server.infra.db.owners import Owner
from chenu_server.infra.db.pooler import TooFewConnections, UnfitPooler
from chenu_server.infra.db.reader import Reader
from tests.contract.db.conftest import OpenWriter
from tests.contract.db.sample import TOTALS, Change
from tests.poolers import Pooled
from tests.stores import Postgres

_SET_BY_CLIENTS = (
    "SELECT name FROM pg_settings WHERE source = 'session'"
    # PgBouncer itself sets these for each of its clients.
    " AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone',"
    " 'standard_conforming_strings', 'IntervalStyle')"
)


@pytest.mark.parametrize("more", ["", "server_round_robin = 1"], ids=["newest", "round-robin"])
@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_changes_sessions_is_refused(
    postgres_url: str, pooled: Pooled, mode: str, size: int, more: str
) -> None:
    """Two servers would hold one lock, and take each other's running queries."""
    url = pooled(postgres_url, mode=mode, size=size, more=more)
    _warm(url)
    with pytest.raises(UnfitPooler, match="set its pool_mode to session"):
        pooler.check(url)


def test_a_pooler_that_keeps_sessions_together_is_not(postgres_url: str, pooled: Pooled) -> None:
    """Nor is PostgreSQL itself, nor a file."""
    urls = (postgres_url, pooled(postgres_url, mode="session"), "sqlite:///absent.db")

    assert [None] * 3 == list(map(pooler.check, urls))


def test_a_pool_with_one_session_is_told_in_bounded_time(postgres_url: str, pooled: Pooled) -> None:
    """The second connection would wait for the first one, and the start for ever."""
    with pytest.raises(TooFewConnections, match=r"raise the pool's size"):
        pooler.check(pooled(postgres_url, mode="session", size=1))


def test_a_migration_runs_through_a_transaction_pooler(postgres: Postgres, pooled: Pooled) -> None:
    """It is one transaction, and the server that needs more refuses by itself."""
    url = postgres.blank()
    with pytest.raises(migrate.SchemaMismatch):
        migrate.check(url)
    migrate.upgrade(pooled(url, mode="transaction"))
    migrate.check(url)
    postgres.drop(url)


def test_a_migration_through_a_statement_pooler_is_refused(
    postgres_url: str, pooled: Pooled
) -> None:
    """Half of it could hold."""
    with pytest.raises(UnfitPooler):
        migrate.upgrade(pooled(postgres_url, mode="statement"))


async def test_nothing_is_left_in_a_session_for_the_next_client(
    only_postgres_url: str,
    pooled: Pooled,
    open_writer: OpenWriter,
    acquire: Callable[..., Owner],
) -> None:
    """Its plans and time limits would be others', where a pool does not reset what it gives out."""
    url = pooled(only_postgres_url, mode="session", more="server_reset_query =")
    writer, reader, owner = await open_writer(url), Reader(url, threads=1), acquire(url)
    total = await writer.submit(Change())
    read = await reader.rows(TOTALS)
    dead = owner.dead()
    await writer.close()
    await reader.close()
    owner.close()
    left = _sessions(url, 3)

    assert (1, [(1,)], []) == (total, list(read), dead)
    assert [[], [], []] == left


def _sessions(url: str, count: int) -> list[list[str]]:
    """What is set in each of the sessions that the pool gives out next."""
    connections = [psycopg.connect(**connect_parameters(url)) for _ in range(count)]
    found = [[name for (name,) in it.execute(_SET_BY_CLIENTS)] for it in connections]
    for connection in connections:
        connection.close()
    return found


def _warm(url: str) -> None:
    """Leave two sessions in the pool, if it holds so many."""
    parameters = connect_parameters(url)
    with psycopg.connect(**parameters, autocommit=True) as one:
        one.execute("SELECT 1")
        with psycopg.connect(**parameters, autocommit=True) as two:
            two.execute("SELECT 1")
