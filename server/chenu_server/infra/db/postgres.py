"""The writer's session on PostgreSQL: few round trips, prepared once, whole columns as arrays."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import psycopg
import sqlalchemy as sa
from psycopg import RawCursor, pq
from psycopg.rows import TupleRow, tuple_row

from chenu_server.infra.db.engine import STATEMENT_TIMEOUT_MS, writer_engine
from chenu_server.infra.db.ledger_tables import BATCHES_MAP, HeadRow
from chenu_server.infra.db.pgarray import array_type, number_literal
from chenu_server.infra.db.session import (
    Begun,
    CannotBegin,
    CannotConnect,
    CommitUnknown,
    ConnectionLost,
    Fetch,
    StatementFailed,
    Write,
)
from chenu_server.infra.db.tablemap import LookupSql, TableMap, Values

# The advisory locks' first half: "chenu" on a phone's keys, so that other users of the same
# database are unlikely to meet it.
WRITER_LOCK_CLASS: Final = 24_368
# A clock that took longer than this to arrive is read again: the time in between would count
# as elapsed, and most of it is the wait for the lock.
_CLOCK_AGE_MAX_NS: Final = 2_000_000

# Plans are made once and always search an index: the tables grow from empty under them.
_SETTINGS: Final = (
    "SET synchronous_commit = on",
    "SET default_transaction_isolation = 'read committed'",
    f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}",
    f"SET idle_in_transaction_session_timeout = {2 * STATEMENT_TIMEOUT_MS}",
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET jit = off",
)
_LOCK_SQL: Final = "SELECT pg_advisory_xact_lock($1, $2)"
_CLOCK_SQL: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_HEAD_SQL: Final = (
    f"{_CLOCK_SQL}, h.ledger_number, h.origin, h.size, h.last_hash, h.last_time_us"
    " FROM (VALUES (1)) AS one LEFT JOIN ledger_heads AS h ON h.ledger_number = $1"
)
_BATCH_SQL: Final = f"SELECT batch_id FROM {BATCHES_MAP.table.name} WHERE writer_id = $1"

Connection = psycopg.Connection[TupleRow]


class PostgresStore:
    """A `postgresql+psycopg://` database, shared with the other workers' writers."""

    def __init__(self, url: str, *, ledger_number: int = 0) -> None:
        self._engine = writer_engine(url)
        self._ledger_number = ledger_number

    def connect(self) -> PostgresSession:
        """A new session on a connection of its own."""
        try:
            pooled = self._engine.raw_connection()
            connection = pooled.driver_connection
            pooled.detach()
            assert isinstance(connection, psycopg.Connection)
            return PostgresSession(connection, self._ledger_number)
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            raise CannotConnect(str(error)) from error


class PostgresSession:
    """A `Session` on one psycopg connection, in pipeline mode for as long as it lives."""

    def __init__(self, connection: Connection, ledger_number: int) -> None:
        connection.rollback()
        connection.autocommit = True
        connection.prepare_threshold = 0
        connection.prepared_max = None
        for setting in _SETTINGS:
            connection.execute(setting)
        self._connection = connection
        self._ledger_number = ledger_number
        self._statements: dict[TableMap[Any], _Statements] = {}
        self._pipeline_context = connection.pipeline()
        self._pipeline = self._pipeline_context.__enter__()

    def begin(self) -> Begun:
        """BEGIN, the lock and the clock travel together; each takes its own snapshot."""
        try:
            return self._begin()
        except psycopg.Error as error:
            self.rollback()
            lost = self._is_lost()
            raise (ConnectionLost if lost else CannotBegin)(str(error)) from error

    def _begin(self) -> Begun:
        mono_ns = time.monotonic_ns()
        self._send("BEGIN")
        self._send(_LOCK_SQL, (WRITER_LOCK_CLASS, self._ledger_number))
        clock_us, *head = self._only(_HEAD_SQL, (self._ledger_number,))
        if time.monotonic_ns() - mono_ns > _CLOCK_AGE_MAX_NS:
            mono_ns = time.monotonic_ns()
            (clock_us,) = self._only(_CLOCK_SQL)
        return Begun(clock_us, mono_ns, None if head[0] is None else HeadRow(*head))

    def fetch(self, fetches: Sequence[Fetch]) -> list[list[Values]]:
        """One statement per table, all in one round trip."""
        try:
            cursors = [self._send(*self._select(fetch)) for fetch in fetches]
            return [cursor.fetchall() for cursor in cursors]
        except Exception as error:  # noqa: BLE001 - a key that cannot be bound is its unit's fault
            self._fail(error)

    def _select(self, fetch: Fetch) -> tuple[str, list[Any]]:
        statements = self._statements_of(fetch.table)
        if fetch.lookup is None:
            return statements.by_id(fetch)
        return statements.by_lookup(fetch, fetch.lookup)

    def write(self, writes: Sequence[Write]) -> None:
        """One statement per table, sent and not waited for: `commit` reads what became of them."""
        try:
            for write in writes:
                self._send(*self._statements_of(write.table).upsert(write))
        except Exception as error:  # noqa: BLE001 - a value that cannot be bound is its unit's fault
            self._fail(error)

    def commit(self) -> None:
        """COMMIT travels with the writes; the server skips it when one of them failed."""
        try:
            cursor = self._send("COMMIT")
            self._pipeline.sync()
        except Exception as error:
            if self._is_lost():
                raise CommitUnknown(str(error)) from error
            self._fail(error)
        if cursor.statusmessage != "COMMIT":
            raise StatementFailed(f"COMMIT was answered by {cursor.statusmessage}")

    def rollback(self) -> None:
        """Leave the pipeline's error state, then the transaction."""
        try:
            with contextlib.suppress(psycopg.Error):
                self._pipeline.sync()
            if self._connection.info.transaction_status != pq.TransactionStatus.IDLE:
                self._send("ROLLBACK")
                self._pipeline.sync()
        except psycopg.Error:
            self.close()

    def committed(self, writer_id: str, batch_id: str) -> bool:
        """Whether the writer's last batch is this one.

        The lock comes first: the lost connection's backend may still be committing, and holds it.
        """
        self.begin()
        try:
            rows = self._send(_BATCH_SQL, (writer_id,)).fetchall()
        except psycopg.Error as error:
            raise ConnectionLost(str(error)) from error
        finally:
            self.rollback()
        return rows == [(batch_id,)]

    def close(self) -> None:
        """Close the connection; a transaction that is open on it is rolled back by the server."""
        self._connection.close()

    def _send(self, text: str, values: Sequence[Any] = ()) -> RawCursor[TupleRow]:
        cursor: RawCursor[TupleRow] = RawCursor(self._connection, row_factory=tuple_row)
        return cursor.execute(text.encode(), values, binary=True)

    def _only(self, text: str, values: Sequence[Any] = ()) -> TupleRow:
        row = self._send(text, values).fetchone()
        assert row is not None
        return row

    def _is_lost(self) -> bool:
        return self._connection.closed or self._connection.broken

    def _fail(self, error: Exception) -> NoReturn:
        self.rollback()
        raise (ConnectionLost if self._is_lost() else StatementFailed)(str(error)) from error

    def _statements_of(self, table: TableMap[Any]) -> _Statements:
        found = self._statements.get(table)
        if found is None:
            found = self._statements[table] = _Statements(table)
        return found


class _Statements:
    """The SQL of one table, as text, and what makes its parameters."""

    def __init__(self, table: TableMap[Any]) -> None:
        names = ", ".join(f"t.{name}" for name in table.columns)
        self._columns = [array_type(column.type) for column in table.table.columns]
        self._keys = [array_type(column.type) for column in table.key_columns]
        self._by_id = _by_id(table, names, self._keys)
        self._lookups = {
            name: (
                [array_type(key.type) for key in lookup.keys],
                _lookup(table, lookup),
            )
            for name, lookup in table.lookups.items()
        }
        self._upsert = _upsert(table, self._columns)

    def by_id(self, fetch: Fetch) -> tuple[str, list[Any]]:
        """The select by primary keys."""
        return self._by_id, _literals(self._keys, fetch.keys)

    def by_lookup(self, fetch: Fetch, name: str) -> tuple[str, list[Any]]:
        """The select through a lookup, with a row count for each key."""
        keys, text = self._lookups[name]
        return text, [*_literals(keys, fetch.keys), number_literal(fetch.counts)]

    def upsert(self, write: Write) -> tuple[str, list[Any]]:
        """The insert of any number of rows."""
        return self._upsert, _literals(self._columns, write.rows)


def _literals(types: Sequence[tuple[str, Any]], rows: Sequence[Sequence[Any]]) -> list[Any]:
    columns = zip(*rows, strict=True)
    return [literal(column) for (_, literal), column in zip(types, columns, strict=True)]


def _unnest(types: Sequence[tuple[str, Any]], *more: str) -> str:
    names = [*(name for name, _ in types), *more]
    return f"unnest({', '.join(f'${n}::{name}' for n, name in enumerate(names, 1))})"


def _by_id(table: TableMap[Any], names: str, keys: Sequence[tuple[str, Any]]) -> str:
    aliases = [f"key_{number}" for number in range(len(keys))]
    on = " AND ".join(
        f"t.{column.name} = keys.{alias}"
        for column, alias in zip(table.key_columns, aliases, strict=True)
    )
    return (
        f"SELECT {names} FROM {_unnest(keys)} AS keys({', '.join(aliases)})"
        f" JOIN {table.table.name} AS t ON {on}"
    )


def _lookup(table: TableMap[Any], lookup: LookupSql) -> str:
    """For each key, the rows under it in order: the key's position, then the columns."""
    types = [array_type(key.type) for key in lookup.keys]
    aliases = [f"key_{number}" for number in range(len(types))]
    order = f" ORDER BY {lookup.order_by}" if lookup.order_by else ""
    limit = " LIMIT keys.row_count" if lookup.limited else ""
    inner = (
        f"SELECT {', '.join(table.columns)} FROM {table.table.name}"
        f" WHERE {lookup.condition(*(f'keys.{alias}' for alias in aliases))}{order}{limit}"
    )
    outer = ", ".join(f"t.{name}" for name in table.columns)
    return (
        f"SELECT keys.position - 1, {outer} FROM {_unnest(types, 'bigint[]')} WITH ORDINALITY"
        f" AS keys({', '.join(aliases)}, row_count, position) CROSS JOIN LATERAL ({inner}) AS t"
    )


def _upsert(table: TableMap[Any], columns: Sequence[tuple[str, Any]]) -> str:
    names, keys = table.columns, [column.name for column in table.key_columns]
    insert = f"INSERT INTO {table.table.name} ({', '.join(names)}) SELECT * FROM {_unnest(columns)}"
    if table.append_only:
        return insert
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    action = f"UPDATE SET {changes}" if changes else "NOTHING"
    return f"{insert} ON CONFLICT ({', '.join(keys)}) DO {action}"
