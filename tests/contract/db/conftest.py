"""Writers on a fresh database with the sample's tables."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from chenu_server import failpoints
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.owners import Owner, acquire_owner
from chenu_server.infra.db.urls import is_sqlite, sqlite_file
from chenu_server.infra.db.writer import SqlWriter
from tests.contract.db.release import rows
from tests.contract.db.sample import TABLES, prepare
from tests.stores import STORES, Postgres, store_at

OpenWriter = Callable[..., Awaitable[SqlWriter]]


def _with_sample(url: str) -> str:
    with writer_engine(url).begin() as connection:
        prepare(connection)
    return url


@pytest.fixture
def url(database_url: str) -> str:
    """A database with the sample's tables, on each store in turn."""
    return _with_sample(database_url)


@pytest.fixture(params=STORES)
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a schema, on each store in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blank.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.blank()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session")
def released(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """The release's database on a store, to be copied and left as it is."""

    @cache
    def loaded(store: str) -> str:
        if store == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('release')}/release.db"
        else:
            postgres: Postgres = request.getfixturevalue("postgres")
            url = postgres.blank()
        rows.load(url)
        return url

    return loaded


@pytest.fixture
def copy_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Copies databases that nobody is in; the copies are gone after the test."""
    made: list[str] = []

    def copied(url: str) -> str:
        if is_sqlite(url):
            return f"sqlite:///{shutil.copy(sqlite_file(url), tmp_path / f'{uuid4()}.db')}"
        postgres: Postgres = request.getfixturevalue("postgres")
        made.append(postgres.copy(url))
        return made[-1]

    yield copied
    for url in made:
        request.getfixturevalue("postgres").drop(url)


@pytest.fixture(params=STORES)
def release_url(
    request: pytest.FixtureRequest,
    released: Callable[[str], str],
    copy_of: Callable[[str], str],
) -> str:
    """A copy of the release's database, on each store in turn."""
    return copy_of(released(request.param))


@pytest.fixture
def only_postgres_url(postgres_url: str) -> str:
    """A PostgreSQL database with the sample's tables."""
    return _with_sample(postgres_url)


@pytest.fixture
def only_sqlite_url(sqlite_url: str) -> str:
    """A SQLite file with the sample's tables."""
    return _with_sample(sqlite_url)


@pytest.fixture
async def open_writer() -> AsyncIterator[OpenWriter]:
    """Starts writers on a URL or a store, and closes them after the test."""
    opened: list[SqlWriter] = []

    async def opening(at: Any, **options: Any) -> SqlWriter:
        store = store_at(at) if isinstance(at, str) else at
        writer = SqlWriter(store, TABLES, **options)
        await writer.start()
        opened.append(writer)
        return writer

    yield opening
    for writer in opened:
        await writer.close()


@pytest.fixture
def acquire() -> Iterator[Callable[..., Owner]]:
    """Makes owners in this process, and lets them go after the test."""
    owners: list[Owner] = []

    def acquiring(url: str, kind: Callable[..., Owner] = acquire_owner, **options: int) -> Owner:
        owners.append(kind(url, **options))
        return owners[-1]

    yield acquiring
    for owner in owners:
        owner.close()


@pytest.fixture(autouse=True)
def _no_failpoints() -> Iterator[None]:
    yield
    failpoints.disarm()


def rows_of(url: str, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
    """What is committed."""
    with writer_engine(url).connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]
