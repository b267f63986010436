"""The writer's session on SQLite: one file, one process, in-process statements."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final, NoReturn

import sqlalchemy as sa

from chenu_server import engine, failpoints
from chenu_server.command import Key
from chenu_server.infra.db import engine as settings
from chenu_server.infra.db.engine import (
    BUSY_TIMEOUT_MS,
    LOG_BYTES,
    writer_engine,
)
from chenu_server.infra.db.ledger_tables import BATCHES_MAP, HeadRow, other_ledger
from chenu_server.infra.db.session import (
    Begun,
    CannotBegin,
    CannotConnect,
    CannotWrite,
    CommitUnknown,
    Fetch,
    StatementFailed,
    Write,
)
from chenu_server.infra.db.shared import share
from chenu_server.infra.db.tablemap import LookupSql, TableMap, Values, upsert_sql
from chenu_server.infra.db.urls import sqlite_file
from chenu_server.infra.db.wal import Wal
from chenu_server.steady import wall_us
from chenu_server.values import dataclass

Texts = tuple[list[str], list[str], dict[str, list[str]], dict[str, str], dict[str, str]]
"""What the kernel is given of a table: writes, keys; look-ups that are whole, limited, counted."""

_HEADS_SQL: Final = "SELECT ledger_number, origin, size, last_hash, last_time_us FROM ledger_heads"
# Another ledger's first, if there were one: there must be none. Sorted, the two would be a table
# that each batch builds and drops.
HEAD_SQL: Final = (
    f"{_HEADS_SQL} WHERE ledger_number <> ?1"
    f" UNION ALL {_HEADS_SQL} WHERE ledger_number = ?1 LIMIT 1"
)
_BATCH_SQL: Final = f"SELECT batch_id FROM {BATCHES_MAP.table.name} WHERE writer_id = ?"
# Key counts are rounded up to a power of two, so that few texts are ever prepared.
_KEYS_MAX: Final = 256
# A power of two as well; the widest table stays far below SQLite's limit of parameters.
_ROWS_MAX: Final = 16
# Locked, full, read-only, broken: whatever command asks, the answer will be the same.
_NO_WRITES: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
}


def database_us() -> int:
    """The process's clock: a file has none of its own."""
    return wall_us() + failpoints.shift_us("clock.database")


class SqliteStore:
    """The embedded store at a `sqlite:///path` URL."""

    def __init__(
        self,
        url: str,
        *,
        ledger_number: int = 0,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
        log_bytes: int = LOG_BYTES,
        wall_us: Callable[[], int] = database_us,
    ) -> None:
        self._engine = writer_engine(url, busy_timeout_ms=busy_timeout_ms, log_bytes=log_bytes)
        self._wal = Wal(log_bytes=log_bytes, busy_timeout_ms=busy_timeout_ms)
        self._ledger_number = ledger_number
        self._wall_us = wall_us
        # The kernel reads the clock by itself: a test's own one is asked statement by statement.
        may_run_whole = wall_us is database_us and share()
        self._file = Whole(sqlite_file(url), busy_timeout_ms, log_bytes) if may_run_whole else None

    def connect(self) -> SqliteSession:
        """A new session on the file."""
        try:
            pooled = self._engine.raw_connection()
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            raise CannotConnect(str(error)) from error
        connection = pooled.driver_connection
        # The session lives as long as the writer, and closes it: the pool must not take it back.
        pooled.detach()
        assert isinstance(connection, sqlite3.Connection)
        return SqliteSession(connection, self._ledger_number, self._wall_us, self._wal, self._file)


class SqliteSession:
    """A `Session` on one SQLite connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        ledger_number: int,
        wall_us: Callable[[], int],
        wal: Wal,
        file: Whole | None,
    ) -> None:
        self._file = file
        self._whole: engine.SqliteSession | None = None
        self._connection = connection
        self._cursor = connection.cursor()
        self._ledger_number = ledger_number
        self._wall_us = wall_us
        self._wal = wal
        self._is_apart = False
        self._statements: dict[TableMap[Any], Statements] = {}

    def begin(self) -> Begun:
        """BEGIN IMMEDIATE, then the process's clock: there is no other process."""
        try:
            # The lock at once and not at the first write: refused in the middle, all that was
            # decided on would have to be read again.
            self._cursor.execute("BEGIN IMMEDIATE")
            # Before the clock, so that no time that is mapped through the two is early.
            mono_ns = time.monotonic_ns()
            clock_us = self._wall_us()
            row = self._cursor.execute(HEAD_SQL, (self._ledger_number,)).fetchone()
        except sqlite3.Error as error:
            self.rollback()
            raise CannotBegin(str(error)) from error
        if row and row[0] != self._ledger_number:
            self.rollback()
            raise CannotBegin(other_ledger(row[0], self._ledger_number))
        return Begun(clock_us, mono_ns, HeadRow(*row) if row else None)

    def fetch(self, fetches: Sequence[Fetch]) -> list[list[Values]]:
        """One statement per table and lookup; one for each key where it counts or is limited."""
        try:
            return [list(self._fetched(fetch)) for fetch in fetches]
        except Exception as error:  # noqa: BLE001 - a key that does not bind is a command's fault
            self._fail(error)

    def _fetched(self, fetch: Fetch) -> Iterator[Values]:
        statements = self._statements_of(fetch.table)
        if fetch.lookup is None or fetch.is_whole:
            every = fetch.keys.values
            for start in range(0, len(every), _KEYS_MAX):
                keys = every[start : start + _KEYS_MAX]
                yield from self._cursor.execute(*statements.of_keys(fetch.lookup, keys, start))
            return
        text = statements.lookups[fetch.lookup, fetch.only_counted]
        for position, (key, count) in enumerate(zip(fetch.keys.values, fetch.counts, strict=True)):
            yield from self._cursor.execute(text, (position, count, *key))

    def write(self, writes: Sequence[Write]) -> None:
        """One prepared statement per table and power of two rows.

        The driver gives the interpreter away around each step of a statement, and this thread
        gets it back when the event loop has had its turn: a step for each row would cost more
        than the row.
        """
        try:
            for write in writes:
                for statement in self._statements_of(write.table).writes(write.rows.values):
                    self._cursor.execute(*statement)
        except Exception as error:  # noqa: BLE001 - a value that does not bind is a command's fault
            self._fail(error)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """A savepoint around it."""
        self._cursor.execute("SAVEPOINT apart")
        self._is_apart = True
        try:
            yield
        except StatementFailed:
            self._cursor.execute("ROLLBACK TO apart")
            raise
        finally:
            self._is_apart = False
            # After some errors SQLite has left the whole transaction by itself, and the savepoint
            # with it.
            if self._connection.in_transaction:
                self._cursor.execute("RELEASE apart")

    def commit(self) -> None:
        """COMMIT; after an error only a new connection can tell what the file holds."""
        try:
            self._cursor.execute("COMMIT")
        except sqlite3.Error as error:
            raise CommitUnknown(str(error)) from error

    def rollback(self) -> None:
        """ROLLBACK if a transaction is open; SQLite may have left it by itself."""
        try:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()

    def committed(self, writer_id: str, batch_id: str) -> bool:
        """Whether the writer's last batch is this one."""
        # Behind the writer's lock, so that whatever of that batch was still under way is over.
        self.begin()
        try:
            row = self._cursor.execute(_BATCH_SQL, (writer_id,)).fetchone()
        except sqlite3.Error as error:
            raise CannotBegin(str(error)) from error
        finally:
            self.rollback()
        return bool(row == (batch_id,))

    def whole(self, tables: Mapping[str, TableMap[Any]]) -> engine.SqliteSession | None:
        """The kernel's own connection to the file; None where it cannot have one."""
        if self._whole is None and self._file is not None:
            self._whole = self._file.opened(tables)
        return self._whole

    def tend(self) -> None:
        """Keep the log short."""
        self._wal.tend(self._cursor)

    def close(self) -> None:
        """Close the connections."""
        if self._whole is not None:
            self._whole.close()
        self._connection.close()

    def _fail(self, error: Exception) -> NoReturn:
        # The extended codes hold the primary one in their lowest byte.
        takes_none = getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_WRITES
        # A savepoint does not help where the file takes nothing: the whole transaction is over.
        if takes_none or not self._is_apart:
            self.rollback()
        if takes_none:
            raise CannotWrite(str(error)) from error
        raise StatementFailed(str(error)) from error

    def _statements_of(self, table: TableMap[Any]) -> Statements:
        found = self._statements.get(table)
        if found is None:
            found = self._statements[table] = Statements(table)
        return found


@dataclass(frozen=True, slots=True)
class Whole:
    """A file on which the kernel runs whole batches."""

    path: Path
    busy_timeout_ms: int
    log_bytes: int

    def opened(self, tables: Mapping[str, TableMap[Any]]) -> engine.SqliteSession:
        """
        A connection of the kernel's.

        Raises:
            CannotBegin: The file cannot be opened.
        """
        texts = {name: Statements(table).texts() for name, table in tables.items()}
        pragmas = settings.sqlite_pragmas(self.busy_timeout_ms, self.log_bytes)
        try:
            return engine.SqliteSession(
                file=self.path, pragmas=pragmas, tables=texts, head=HEAD_SQL
            )
        except ValueError as error:
            raise CannotBegin(str(error)) from error


class Statements:
    """The SQL of one table, as text."""

    def __init__(self, table: TableMap[Any]) -> None:
        self._table = table
        self._columns = ", ".join(map(table.shown, table.columns))
        self._keys = [table.shown(key) for key in table.key_columns]
        self._lookups = table.lookups
        self._by_count: dict[tuple[str | None, int], str] = {}
        row = f"({table.stored('?' * len(table.columns))})"
        self._write_by_count = {
            1 << power: upsert_sql(table, f"VALUES {', '.join([row] * (1 << power))}")
            for power in range(_ROWS_MAX.bit_length())
        }
        # One that gives all rows of its keys is asked for many keys at once, by a text of its own.
        self.lookups = {
            (name, only_counted): self._lookup(table, lookup, only_counted=only_counted)
            for name, lookup in table.lookups.items()
            for only_counted in (False, True)
            if only_counted or lookup.limited
        }

    def writes(self, rows: Sequence[Values]) -> Iterator[tuple[str, Sequence[Any]]]:
        """Statements that insert or replace these rows, in order, as many in one as may be."""
        start = 0
        while (left := len(rows) - start) > 0:
            count = min(1 << (left.bit_length() - 1), _ROWS_MAX)
            some = rows[start : start + count]
            yield self._write_by_count[count], some[0] if count == 1 else list(chain(*some))
            start += count

    def of_keys(self, lookup: str | None, keys: Sequence[Key], start: int) -> tuple[str, list[Any]]:
        """A select by keys; with NULL, which equals nothing, they become a power of two.

        By a lookup, a row comes behind its key's position, the first of which is `start`.
        """
        count = 1 << (len(keys) - 1).bit_length()
        text = self._by_count.get((lookup, count))
        if text is None:
            make = self._by_id(count) if lookup is None else self._under(lookup, count)
            text = self._by_count[lookup, count] = make
        if lookup is None:
            rows: Iterable[Sequence[Any]] = keys
        else:
            rows = ((position, *key) for position, key in enumerate(keys, start))
        width = len(keys[0]) + (lookup is not None)
        return text, [*chain(*rows), *[None] * (width * (count - len(keys)))]

    def texts(self) -> Texts:
        """All of it: writes and keys for 1, 2, 4 ... rows, look-ups by name."""
        counts = [1 << power for power in range(_KEYS_MAX.bit_length())]
        names = self._lookups.items()
        return (
            list(self._write_by_count.values()),
            [self._by_id(count) for count in counts],
            {
                name: [self._under(name, count) for count in counts]
                for name, lookup in names
                if not lookup.limited
            },
            {name: self.lookups[name, False] for name, lookup in names if lookup.limited},
            {name: self.lookups[name, True] for name, _ in names},
        )

    def _by_id(self, count: int) -> str:
        names = [f"key_{number}" for number in range(len(self._keys))]
        on = " AND ".join(f"{key} = {name}" for key, name in zip(self._keys, names, strict=True))
        return self._joined(names, count, given=self._columns, on=on)

    def _under(self, name: str, count: int) -> str:
        lookup = self._lookups[name]
        names = [f"key_{number}" for number in range(len(lookup.keys))]
        text = self._joined(
            ["key_at", *names],
            count,
            given=f"key_at, {self._columns}",
            on=lookup.condition(*names),
        )
        return f"{text} ORDER BY {lookup.order_by}" if lookup.order_by else text

    def _joined(self, names: Sequence[str], count: int, *, given: str, on: str) -> str:
        # A join with the keys on the left always searches; `(a, b) IN (VALUES ...)` scans.
        rows = ", ".join([f"({', '.join('?' * len(names))})"] * count)
        return (
            f"WITH keys({', '.join(names)}) AS (VALUES {rows})"
            f" SELECT {given} FROM keys CROSS JOIN {self._table.source}"
            f" WHERE {self._table.conditions(on)}"
        )

    def _lookup(self, table: TableMap[Any], lookup: LookupSql, *, only_counted: bool) -> str:
        """For one key: `?1` is its position, `?2` the row count, its values follow."""
        given = "count(*)" if only_counted else self._columns
        values = [f"?{number}" for number in range(3, 3 + len(lookup.keys))]
        order = f" ORDER BY {lookup.order_by}" if lookup.order_by and not only_counted else ""
        # Every parameter must stand in the text; a negative limit is none.
        limit = " LIMIT -1 - abs(?2)" if only_counted else " LIMIT ?2"
        return (
            f"SELECT ?1, {given} FROM {table.source}"
            f" WHERE {table.conditions(lookup.condition(*values))}{order}{limit}"
        )
