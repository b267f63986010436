"""The writer's session on PostgreSQL: few round trips, prepared once, whole columns as arrays."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg.rows import TupleRow

from chenu_server import failpoints
from chenu_server.infra.db.engine import STATEMENT_TIMEOUT_MS, writer_engine
from chenu_server.infra.db.fleet import CHANNEL
from chenu_server.infra.db.ledger_tables import BATCHES_MAP, HeadRow, other_ledger
from chenu_server.infra.db.pgpipeline import Pipeline, ServerLost, ServerRefused
from chenu_server.infra.db.session import (
    Begun,
    CannotBegin,
    CannotConnect,
    CannotWrite,
    CommitUnknown,
    ConnectionLost,
    Fenced,
    Fetch,
    SessionError,
    StatementFailed,
    Write,
)
from chenu_server.infra.db.tablemap import LookupSql, TableMap, Values, upsert_sql

# The advisory locks' first half: "chenu" on a phone's keys, so that other users of the same
# database are unlikely to meet it.
WRITER_LOCK_CLASS: Final = 24_368
# One for the database, whichever ledger is written: budgets know of no ledger.
WRITER_LOCK: Final = (WRITER_LOCK_CLASS, 0)
_WRITER_LOCK: Final = tuple(map(str, WRITER_LOCK))
# A clock that took longer than this to arrive is read again: the time in between would count
# as elapsed, and most of it is the wait for the lock.
CLOCK_AGE_MAX_NS: Final = 2_000_000

# For each transaction, and not for the session: behind a pooler that is somebody else's next.
# Plans are made once and always search an index: the tables grow from empty under them.
_SETTINGS: Final = {
    "synchronous_commit": "on",
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(2 * STATEMENT_TIMEOUT_MS),
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_SETTINGS_SQL: Final = "SELECT " + ", ".join(
    f"set_config('{name}', '{value}', true)" for name, value in _SETTINGS.items()
)
_LOCK_SQL: Final = "SELECT pg_advisory_xact_lock($1::int, $2::int)"
_CLOCK_SQL: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_HEAD_SQL: Final = (
    f"{_CLOCK_SQL}, (SELECT epoch FROM owners WHERE owner_id = $2::text),"
    # Who can have the owner's lock shows that nobody has it. NULL where nobody is to have it.
    " NOT pg_try_advisory_xact_lock($3::bigint),"
    " h.ledger_number, h.origin, h.size, h.last_hash, h.last_time_us"
    # A row also before there is any head: clock and epoch are needed all the same.
    " FROM (VALUES (1)) AS one LEFT JOIN ledger_heads AS h ON true"
    # Another ledger's first, if there were one: there must be none.
    " ORDER BY h.ledger_number = $1::int LIMIT 1"
)
_NOTIFY_SQL: Final = f"SELECT pg_notify('{CHANNEL}', $1::text)"
_BATCH_SQL: Final = f"SELECT batch_id FROM {BATCHES_MAP.table.name} WHERE writer_id = $1::text"

# SQLSTATEs, by class or whole. The session is of no use: read-only, cut off, or shut down.
_SESSION_GONE: Final = ("08", "25006", "57P0")
# These leave open whether a COMMIT that they answer has happened.
_COMMIT_OPEN: Final = ("08", "57P0", "40003")
# No room, no memory, an I/O error: whatever is asked, the answer will be the same.
_NO_WRITES: Final = ("53", "58")

# As what a column's values are sent (`core_rs/store/src/pg.rs`); there is no other kind of them.
_TYPES: Final[tuple[tuple[type[Any], str], ...]] = (
    (sa.LargeBinary, "bytea"),
    (sa.Boolean, "boolean"),
    (sa.Integer, "bigint"),
    (sa.String, "text"),
)

Connection = psycopg.Connection[TupleRow]


class PostgresStore:
    """A `postgresql+psycopg://` database, shared with the other workers' writers."""

    def __init__(self, url: str, *, ledger_number: int = 0, owner: Fenced | None = None) -> None:
        self._engine = writer_engine(url)
        self._ledger_number = ledger_number
        self._owner = owner

    def connect(self) -> PostgresSession:
        """A new session on a connection of its own."""
        try:
            pooled = self._engine.raw_connection()
            connection = pooled.driver_connection
            # From here on it is the session's alone: SQLAlchemy would reset it when it came back.
            pooled.detach()
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            raise CannotConnect(str(error)) from error
        assert isinstance(connection, psycopg.Connection)
        try:
            return PostgresSession(connection, self._ledger_number, self._owner)
        except psycopg.Error as error:
            connection.close()
            raise CannotConnect(str(error)) from error


class PostgresSession:
    """A `Session` on one connection."""

    def __init__(self, connection: Connection, ledger_number: int, owner: Fenced | None) -> None:
        connection.rollback()
        # BEGIN and COMMIT are statements of the session's own, and the driver must add none.
        connection.autocommit = True
        self._connection = connection
        # Longer than the server waits by itself: its error says what has failed, a connection that
        # was cut off from here leaves everything open.
        self._pipeline = Pipeline(connection, timeout_ms=2 * STATEMENT_TIMEOUT_MS)
        self._ledger = str(ledger_number)
        self._owner = owner
        self._owner_id = owner.owner_id if owner is not None else ""
        lock = str(owner.lock_key) if owner is not None else None
        self._whose = (self._ledger, self._owner_id, lock)
        self._is_apart = False
        self._statements: dict[TableMap[Any], _Statements] = {}

    def begin(self) -> Begun:
        """BEGIN, settings, lock and clock travel together; each takes its own snapshot."""
        try:
            return self._begin()
        except ServerRefused as error:
            self.rollback()
            raise CannotBegin(str(error)) from error
        except ServerLost as error:
            raise ConnectionLost(str(error)) from error

    def _begin(self) -> Begun:
        # A process that stood still for the time of a lease is behind on what others have seen of
        # it: it takes all anew before it decides anything.
        if self._owner is not None and not self._owner.held:
            self._hold(self._owner)
        # Before the clock is read, so that no time that is mapped through the two is early.
        mono_ns = time.monotonic_ns()
        # Each statement with a snapshot of its own: one from before the lock would miss what others
        # have committed while this process waited for it.
        self._pipeline.send("BEGIN ISOLATION LEVEL READ COMMITTED")
        self._pipeline.send(_SETTINGS_SQL)
        self._pipeline.send(_LOCK_SQL, _WRITER_LOCK)
        clock_us, epoch, is_locked, *head = self._last_row(_HEAD_SQL, self._whose)
        if time.monotonic_ns() - mono_ns > CLOCK_AGE_MAX_NS:
            mono_ns = time.monotonic_ns()
            (clock_us,) = self._last_row(_CLOCK_SQL)
        clock_us += failpoints.shift_us("clock.database")
        if self._owner is not None and not (is_locked and epoch == self._owner.epoch):
            self.rollback()
            # The writers' lock was let go of first: to take one's own again may wait for a
            # connection, and all other writers would wait along.
            self._hold(self._owner)
            raise ConnectionLost("another process may have taken over")  # a batch begins anew
        if head[0] is None:
            return Begun(clock_us, mono_ns, None)
        row = HeadRow(*head)
        if row.ledger_number != int(self._ledger):
            self.rollback()
            raise CannotBegin(other_ledger(row.ledger_number, int(self._ledger)))
        return Begun(clock_us, mono_ns, row)

    def _hold(self, owner: Fenced) -> None:
        """Lock or lease are lost: nothing is written until both are held again."""
        try:
            owner.hold_again()
        except sa.exc.DBAPIError as error:
            raise CannotBegin(f"lock or lease are lost, and cannot be had: {error}") from error

    def fetch(self, fetches: Sequence[Fetch]) -> list[list[Values]]:
        """One statement per table, all in one round trip."""
        with self._failing():
            for fetch in fetches:
                text = self._statements_of(fetch.table).select(fetch)
                self._pipeline.send_binary(text, fetch.keys.parameters)
            answers = self._pipeline.exchange()[-len(fetches) :]  # a savepoint may be in front
            return [self._pipeline.rows(result) for result in answers]

    def write(self, writes: Sequence[Write]) -> None:
        """One statement per table, queued: `commit` sends them and reads what became of them."""
        with self._failing():
            for write in writes:
                text = self._statements_of(write.table).upsert(len(write.rows))
                self._pipeline.send_binary(text, write.rows.parameters)

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """A savepoint around it, which is what finds a queued statement out."""
        self._pipeline.send("SAVEPOINT apart")
        self._is_apart = True
        try:
            yield
            with self._failing():
                self._pipeline.send("RELEASE SAVEPOINT apart")
                self._pipeline.exchange()
        except StatementFailed:
            with self._failing():
                self._pipeline.send("ROLLBACK TO SAVEPOINT apart")
                self._pipeline.exchange()
            raise
        finally:
            self._is_apart = False

    def commit(self) -> None:
        """COMMIT travels with the writes; the server skips it when one of them failed."""
        with self._failing(lost=CommitUnknown):
            if self._owner_id:
                # Inside the transaction, so that nobody is told of a batch that did not commit.
                self._pipeline.send(_NOTIFY_SQL, (self._owner_id,))
            self._pipeline.send("COMMIT")
            result = self._pipeline.exchange()[-1]
            # A transaction that has failed answers COMMIT with ROLLBACK, and not with an error.
            if result.command_status != b"COMMIT":
                raise ServerRefused(f"COMMIT was answered by {result.command_status!r}")

    def rollback(self) -> None:
        """Drop what is queued and leave the transaction."""
        try:
            # What is queued is sent and read all the same: its answers would else be taken for
            # those of the next batch.
            with contextlib.suppress(ServerRefused):
                self._pipeline.exchange()
            if self._pipeline.in_transaction():
                self._pipeline.send("ROLLBACK")
                self._pipeline.exchange()
        except (ServerRefused, ServerLost):
            self.close()

    def committed(self, writer_id: str, batch_id: str) -> bool:
        """Whether the writer's last batch is this one.

        The lock comes first: the lost connection's backend may still be committing, and holds it.
        """
        self.begin()
        with self._failing():
            rows = self._rows(_BATCH_SQL, (writer_id,))
        self.rollback()
        return rows == [(batch_id,)]

    def whole(self, tables: Mapping[str, TableMap[Any]]) -> None:
        """Nothing: the server is asked statement by statement, with a table's finished arrays."""
        return

    def tend(self) -> None:
        """The server does its own housekeeping."""

    def close(self) -> None:
        """Close the connection; a transaction that is open on it is rolled back by the server."""
        self._connection.close()

    def _rows(self, text: str, values: Sequence[str | None] = ()) -> list[TupleRow]:
        self._pipeline.send(text, values)
        return self._pipeline.rows(self._pipeline.exchange()[-1])

    def _last_row(self, text: str, values: Sequence[str | None] = ()) -> TupleRow:
        return self._rows(text, values)[0]

    @contextlib.contextmanager
    def _failing(self, lost: type[SessionError] = ConnectionLost) -> Iterator[None]:
        """Say by the kind of failure whether the connection is lost, and clean up if it is not."""
        try:
            yield
        except ServerLost as error:
            raise lost(str(error)) from error
        except ServerRefused as error:
            kind = _kind_of(error.sqlstate, lost)
            self._undo(kind)
            raise kind(str(error)) from error
        except Exception as error:
            # A value that cannot be encoded: its command's fault.
            self._undo(StatementFailed)
            raise StatementFailed(str(error)) from error

    def _undo(self, kind: type[SessionError]) -> None:
        """Leave the transaction, but for what is done apart, if that alone has failed."""
        if not self._is_apart or kind is not StatementFailed:
            self.rollback()
            return
        with contextlib.suppress(ServerRefused):
            self._pipeline.exchange()  # what was queued behind it is skipped

    def _statements_of(self, table: TableMap[Any]) -> _Statements:
        found = self._statements.get(table)
        if found is None:
            found = self._statements[table] = _Statements(table)
        return found


def _kind_of(sqlstate: str, lost: type[SessionError]) -> type[SessionError]:
    """What a refused statement says of the session, and of the database."""
    # What was under way decides: of a COMMIT nobody knows, of anything before it all is undone.
    if sqlstate.startswith(_COMMIT_OPEN):
        return lost
    if sqlstate.startswith(_SESSION_GONE):
        return ConnectionLost
    return CannotWrite if sqlstate.startswith(_NO_WRITES) else StatementFailed


class _Statements:
    """The SQL of one table, as text. Its parameters are those of `engine.Rows`."""

    def __init__(self, table: TableMap[Any]) -> None:
        columns = [_type(column) for column in table.columns]
        self._by_id = _by_id(table)
        self._lookups = {
            (name, counted): _lookup(table, lookup, only_counted=counted)
            for name, lookup in table.lookups.items()
            for counted in (False, True)
        }
        names = [f"value_{number}" for number in range(len(columns))]
        given = f"{_unnest(columns)} AS given({', '.join(names)})"
        self._upsert = upsert_sql(table, f"SELECT {table.stored(names)} FROM {given}")
        marks = [f"${n}::{name}" for n, name in enumerate(columns, 1)]
        self._upsert_one = upsert_sql(table, f"VALUES ({table.stored(marks)})")

    def select(self, fetch: Fetch) -> str:
        """By primary keys, or through a lookup with a row count for each key."""
        if fetch.lookup is None:
            return self._by_id
        return self._lookups[fetch.lookup, fetch.only_counted]

    def upsert(self, row_count: int) -> str:
        """The insert of so many rows; that of one costs the server half."""
        return self._upsert if row_count > 1 else self._upsert_one


def _type(column: sa.Column[Any]) -> str:
    """The SQL type of a column's values."""
    kind = column.type
    base = kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind
    for classes, name in _TYPES:
        if isinstance(base, classes):
            return name
    raise TypeError(f"no PostgreSQL type for {kind!r}")


def _unnest(types: Sequence[str]) -> str:
    return f"unnest({', '.join(f'${n}::{name}[]' for n, name in enumerate(types, 1))})"


def _by_id(table: TableMap[Any]) -> str:
    keys = [_type(column) for column in table.key_columns]
    aliases = [f"key_{number}" for number in range(len(keys))]
    on = " AND ".join(
        f"{table.shown(key)} = keys.{alias}"
        for key, alias in zip(table.key_columns, aliases, strict=True)
    )
    return (
        f"SELECT {_columns(table)} FROM {_unnest(keys)} AS keys({', '.join(aliases)})"
        f" CROSS JOIN {table.source} WHERE {table.conditions(on)}"
    )


def _lookup(table: TableMap[Any], lookup: LookupSql, *, only_counted: bool) -> str:
    """For each key, the rows under it in order: the key's position, then the columns or a count."""
    types = [_type(key) for key in lookup.keys]
    aliases = [f"key_{number}" for number in range(len(types))]
    order = f" ORDER BY {lookup.order_by}" if lookup.order_by else ""
    limit = " LIMIT keys.row_count" if lookup.limited else ""
    condition = table.conditions(lookup.condition(*(f"keys.{alias}" for alias in aliases)))
    columns = _columns(table)
    if only_counted:
        columns, order, limit = "count(*)", "", ""
    inner = f"SELECT {columns} FROM {table.source} WHERE {condition}{order}{limit}"
    return (
        "SELECT keys.position - 1, found.*"
        f" FROM {_unnest([*types, 'bigint'])} WITH ORDINALITY"
        f" AS keys({', '.join(aliases)}, row_count, position) CROSS JOIN LATERAL ({inner}) AS found"
    )


def _columns(table: TableMap[Any]) -> str:
    return ", ".join(map(table.shown, table.columns))
