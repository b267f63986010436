"""The schema's revisions: bring a database up to date, and refuse one that is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.hosts import TakesNoWrites
from chenu_server.infra.db.pooler import UnfitPooler, is_statement_pooler
from chenu_server.infra.db.postgres import WRITER_LOCK_CLASS
from chenu_server.infra.db.urls import UnusableUrl, engine_url, is_sqlite, postgres_url, sqlite_file

_SCRIPTS: Final = Path(__file__).parent / "migrations"
# Beside the writers' lock, whose second half is 0.
_MIGRATION_LOCK: Final = -1
_NO_DATABASE: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


class SchemaMismatch(Exception):
    """The database's schema is not the one that this server was built for."""


class DatabaseUnavailable(Exception):
    """The database does not answer. The message says why and what to do."""


def check_url(url: str) -> None:
    """Make sure that the URL can be read, without connecting.

    Raises:
        ValueError: It cannot; the message does not repeat it, for it may hold a password.
    """
    try:
        readable = engine_url(url) if is_sqlite(url) else postgres_url(url)
        # Made and dropped: it connects to nothing, but misses a driver that is not there.
        sa.create_engine(readable, poolclass=sa.NullPool)
    except UnusableUrl:
        raise
    except (ValueError, ImportError, sa.exc.ArgumentError) as error:
        raise ValueError(
            "database.url cannot be read; write sqlite:///path or"
            " postgresql+psycopg://user:password@host/database, with %-escapes in the password"
        ) from error


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision, all of it in one transaction or nothing.

    Raises:
        SchemaMismatch: It is no database, or one that a newer version made.
        DatabaseUnavailable: It does not answer.
    """
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision; `base` removes everything."""
    _run(url, lambda config: command.downgrade(config, revision))


def check(url: str) -> None:
    """Make sure that the database is at this server's revision.

    Raises:
        SchemaMismatch: It is not; the message says what to do.
        DatabaseUnavailable: It does not answer.
    """
    scripts = ScriptDirectory.from_config(_config())
    wanted, found = scripts.get_current_head(), current(url)
    if found == wanted:
        return
    if found is None:
        raise SchemaMismatch("the database has no CHE·NU schema yet; run `chenu migrate`")
    _refuse_unknown(scripts, found)
    raise SchemaMismatch(
        f"the database is at revision {found} and this server needs {wanted}; run `chenu migrate`"
    )


def current(url: str) -> str | None:
    """The database's revision; None if it has none. A SQLite file is not made by asking.

    Raises:
        SchemaMismatch: It is a file that is no database.
        DatabaseUnavailable: It does not answer.
    """
    if is_sqlite(url) and not sqlite_file(url).exists():
        return None
    with _connected(url) as connection, answering():
        return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def answering() -> Iterator[None]:
    """Tell by what is to be done why a database cannot be opened, instead of by a driver's error.

    Raises:
        SchemaMismatch: The SQLite file is no database.
        DatabaseUnavailable: It does not answer, or takes no writes or not this server's.
        UnfitPooler: A pooler that has no transactions stands before it.
    """
    try:
        yield
    except (sa.exc.DBAPIError, psycopg.OperationalError) as error:
        # SQLAlchemy's errors have the driver's inside; psycopg's own stand for themselves.
        cause = getattr(error, "orig", error)
        if getattr(cause, "sqlite_errorcode", None) in _NO_DATABASE:
            raise SchemaMismatch(
                "the file that database.url names is no SQLite database, or a damaged one; name"
                " another, or restore a backup"
            ) from error
        why = str(cause).partition("\n")[0]
        if isinstance(cause, TakesNoWrites):
            raise DatabaseUnavailable(
                f"the database takes no writes: {why}; name the host that does in database.url, or"
                " all of them: postgresql://one,two/database"
            ) from error
        if is_statement_pooler(cause):
            raise UnfitPooler from error
        raise DatabaseUnavailable(
            f"the database does not answer: {why}; check database.url, and that it runs and may"
            " be opened"
        ) from error


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    with answering():
        connection = writer_engine(url).connect()
    with connection:
        yield connection


def _make_private(file: Path) -> None:
    """Make the file for its owner alone: it holds prompts and answers. Its log files follow it."""
    with suppress(OSError):  # it is there, or opening it says what is wrong
        file.touch(mode=0o600, exist_ok=False)


def _refuse_unknown(scripts: ScriptDirectory, found: str) -> None:
    if found not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaMismatch(
            f"the database is at revision {found}, which this server does not know; it was made"
            " by a newer version: run that one, or restore a backup from before the upgrade"
        )


def _begun(connection: sa.Connection) -> sa.RootTransaction:
    with answering():  # SQLite's only writer may be busy
        return connection.begin()


def _config() -> Config:
    config = Config()
    # The configuration's parser takes a percent sign in the path for the beginning of a reference.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def _run(url: str, step: Callable[[Config], None]) -> None:
    config = _config()
    if is_sqlite(url):
        _make_private(sqlite_file(url))
    with _connected(url) as connection, _begun(connection):
        if not is_sqlite(url):
            # Servers of a fleet start together: whoever comes second waits here, and then finds the
            # schema as the first has left it.
            lock = sa.func.pg_advisory_xact_lock(WRITER_LOCK_CLASS, _MIGRATION_LOCK)
            connection.execute(sa.select(lock))
        with answering():
            found = MigrationContext.configure(connection).get_current_revision()
        if found is not None:
            # Before any step: Alembic would only say that it cannot find the revision.
            _refuse_unknown(ScriptDirectory.from_config(config), found)
        config.attributes["connection"] = connection
        step(config)
