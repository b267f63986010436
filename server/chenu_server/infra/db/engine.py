"""SQLAlchemy engines for the two stores, with the settings that the promises rest on."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from chenu_server.infra.db import hosts
from chenu_server.infra.db.urls import engine_url, is_sqlite, postgres_url

BUSY_TIMEOUT_MS = 5_000
# A writer that waits for the lock, and a reader's query, give up after this long.
STATEMENT_TIMEOUT_MS = 5_000
# Hot pages are written to the file once for each checkpoint: the longer the log, the less often.
# 16 MiB of log are read back in a fraction of a second after a crash.
CHECKPOINT_PAGES = 4_000
# What the log's file keeps of a peak once it begins anew: a page and its header, so many times.
LOG_BYTES = CHECKPOINT_PAGES * (4_096 + 24)
# Not as much as there is room for: a commit looks at every page that is kept, and what is read from
# the file again is in memory mostly. Four times as much made a call dearer on a new file, and no
# cheaper on one of 10^5 queries.
CACHE_KIB = 4_096
# The driver prepares anew what does not fit, and its own default holds a handful of tables.
STATEMENTS_MAX = 2_048

# Dead peers are noticed in seconds; one that hangs inside a transaction loses it, for it would
# hold the lock that every writer needs.
_POSTGRES_CONNECT = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
    "application_name": "chenu",
}
# Nothing is set for longer than a transaction: behind a pooler the session is others' next.
_READ_ONLY: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    f" SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"
)


def writer_engine(
    url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, log_bytes: int = LOG_BYTES
) -> sa.Engine:
    """An engine without a pool: the writer, the owner and migrations keep their own connection."""
    if is_sqlite(url):
        pool = {"poolclass": sa.NullPool}
        return _sqlite(url, "BEGIN IMMEDIATE", busy_timeout_ms, log_bytes=log_bytes, **pool)
    return _postgres(url, reading=False, poolclass=sa.NullPool)


def reader_engine(url: str, *, connections: int) -> sa.Engine:
    """A pooled engine whose transactions cannot write."""
    # As many as there are threads that read, so that none ever waits for one here.
    pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": 5}
    if is_sqlite(url):
        engine = _sqlite(url, "BEGIN", BUSY_TIMEOUT_MS, poolclass=sa.QueuePool, **pool)
        sa.event.listen(engine, "connect", _query_only)
        return engine
    # The driver is to send no BEGIN: the one that is sent sets up the transaction on the same way.
    # It is asked first whether it is there: what broke while nobody read is replaced, and fails no
    # read.
    engine = _postgres(url, reading=True, isolation_level="AUTOCOMMIT", pool_pre_ping=True, **pool)
    sa.event.listen(engine, "begin", _begin_to_read)
    return engine


def connect_parameters(url: str) -> dict[str, Any]:
    """What a PostgreSQL connection is opened with."""
    engine = sa.create_engine(postgres_url(url), poolclass=sa.NullPool)
    _, parameters = engine.dialect.create_connect_args(engine.url)
    return {**parameters, **_POSTGRES_CONNECT}


def _postgres(url: str, *, reading: bool, **options: Any) -> sa.Engine:
    """An engine whose connections go where writes are taken."""
    engine = sa.create_engine(
        postgres_url(url), connect_args=_POSTGRES_CONNECT, use_native_hstore=False, **options
    )

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, params: Any) -> Any:
        return hosts.connect(params, reading=reading)

    return engine


def _begin_to_read(connection: sa.Connection) -> None:
    """Both statements in one round trip, which a prepared statement could not be."""
    raw: Any = connection.connection.driver_connection
    try:
        raw.execute(_READ_ONLY, prepare=False)
    except psycopg.Error as error:
        # It went past SQLAlchemy, which would give the broken connection to the next reader.
        connection.invalidate(error)
        raise sa.exc.OperationalError(_READ_ONLY, None, error) from error


def _sqlite(
    url: str, begin: str, busy_timeout_ms: int, *, log_bytes: int = LOG_BYTES, **pool: Any
) -> sa.Engine:
    """The recipe: without it the driver's own transactions lose updates in silence."""
    # A connection is opened on one thread and used on another, though never on two at once.
    arguments = {"check_same_thread": False, "cached_statements": STATEMENTS_MAX}
    engine = sa.create_engine(engine_url(url), connect_args=arguments, **pool)

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin transactions by itself, late and without the lock.
        connection.isolation_level = None
        with contextlib.closing(connection.cursor()) as cursor:
            for pragma in sqlite_pragmas(busy_timeout_ms, log_bytes):
                cursor.execute(pragma)
                # Some of them answer with a row, and are not over before it is read.
                cursor.fetchone()

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def sqlite_pragmas(busy_timeout_ms: int, log_bytes: int) -> list[str]:
    """How each connection to a file is set up."""
    return [
        f"PRAGMA busy_timeout={busy_timeout_ms}",
        "PRAGMA journal_mode=WAL",
        # With less, a power cut takes the last commits, of which somebody has been told already.
        "PRAGMA synchronous=FULL",
        f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
        f"PRAGMA journal_size_limit={log_bytes}",
        f"PRAGMA cache_size=-{CACHE_KIB}",
        "PRAGMA foreign_keys=ON",
    ]


def _query_only(connection: sqlite3.Connection, _record: object) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA query_only=ON")
