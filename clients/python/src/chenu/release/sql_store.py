"""Used releases in a table of SQLite or PostgreSQL, for any number of processes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final, Protocol

from chenu.release.store import ReleaseStoreError

KEPT_AFTER_S: Final = 86_400
FORGOTTEN_AT_ONCE: Final = 8

_TABLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_PLACEHOLDERS: Final = {"qmark": "?", "format": "%s", "pyformat": "%s"}


class Connection(Protocol):
    """What is used of a connection (PEP 249)."""

    def cursor(self) -> Any:
        """A cursor with `execute`, `fetchall`, `rowcount` and `close`."""
        ...

    def commit(self) -> Any:
        """Keep what was done since the last commit."""
        ...

    def close(self) -> Any:
        """End it, or give it back to its pool; what was not committed is undone."""
        ...


class SqlReleaseStore:
    """A store over all processes that share a database: the table's primary key decides.

    Each claim opens a connection of its own, writes and commits one row, and closes it; every error
    of the database is raised as it is. When a commit fails the release may be used up.

    A row is kept for a day after its release has expired, and then deleted by later claims, a few
    at a time. The clocks of the processes may thus be up to a day apart. What the database loses is
    used twice: a standby that takes over must have every commit, and a backup that is restored is
    older than the releases of the time since.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        paramstyle: str,
        table: str = "chenu_releases",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`paramstyle` is the driver's: `sqlite3.paramstyle`, `psycopg.paramstyle`.

        `clock` gives seconds since 1970.

        Raises:
            ValueError: The style takes no parameters by position, or `table` is not 1 to 40 of
                lower-case letters, digits and `_`.
        """
        if paramstyle not in _PLACEHOLDERS:
            raise ValueError(f"paramstyle {paramstyle!r} is not one of {', '.join(_PLACEHOLDERS)}")
        # It becomes a part of statements, where no parameter may stand.
        if not _TABLE.fullmatch(table):
            raise ValueError(f"table {table!r} is not 1 to 40 of lower-case letters, digits and _")
        self._connect = connect
        self._clock = clock
        self._table = table
        self._mark = _PLACEHOLDERS[paramstyle]

    def create_table(self) -> None:
        """Make the table and its index where they are not yet there: once, at deployment."""
        table = self._table
        with closing(self._connect()) as connection:
            _run(
                connection,
                f"CREATE TABLE IF NOT EXISTS {table} "
                "(jti VARCHAR(36) NOT NULL PRIMARY KEY, expires_s BIGINT NOT NULL)",
            )
            _run(
                connection,
                f"CREATE INDEX IF NOT EXISTS {table}_expires_s ON {table} (expires_s)",
            )
            connection.commit()

    def claim(self, jti: str, exp: int) -> bool:
        """
        Whether this is the first claim, as the port says.

        Raises:
            ReleaseStoreError: The driver does not tell how many rows it has written.
            Exception: The driver's own.
        """
        with closing(self._connect()) as connection:
            # In transactions of their own and before: whatever is wrong with them, nothing is
            # claimed yet.
            self._forget(connection)
            # Not by catching an IntegrityError: a constraint that the table was given by others
            # would read like a claim.
            _, count = _run(
                connection,
                f"INSERT INTO {self._table} (jti, expires_s) VALUES ({self._mark}, {self._mark}) "
                "ON CONFLICT (jti) DO NOTHING",
                (jti, exp),
            )
            connection.commit()
        if count not in (0, 1):
            raise ReleaseStoreError(f"the driver tells of {count} rows where it wrote one or none")
        return count == 1

    def _forget(self, connection: Connection) -> None:
        """Delete a few old rows; more than the one that is written, or the table would grow."""
        before_s = int(self._clock()) - KEPT_AFTER_S
        rows, _ = _run(
            connection,
            f"SELECT jti FROM {self._table} WHERE expires_s < {self._mark} "
            f"ORDER BY expires_s LIMIT {FORGOTTEN_AT_ONCE}",
            (before_s,),
        )
        # A transaction that has read may not write on SQLite once another one has.
        connection.commit()
        # In one order everywhere: two processes that delete the same rows would else wait for each
        # other.
        for (jti,) in sorted(rows):
            statement = f"DELETE FROM {self._table} WHERE jti = {self._mark}"
            _run(connection, statement, (jti,))
        connection.commit()


def _run(
    connection: Connection, statement: str, parameters: Sequence[object] = ()
) -> tuple[list[Any], int]:
    """The rows that a statement gives, if it gives any, and how many it has written."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return rows, cursor.rowcount
