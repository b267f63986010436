"""What the writer asks of a database: one transaction at a time, on one connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from chenu_server import engine
from chenu_server.infra.db.ledger_tables import HeadRow
from chenu_server.infra.db.tablemap import TableMap, Values
from chenu_server.values import dataclass


class CannotConnect(Exception):
    """The database does not answer, or refuses this client."""


class SessionError(Exception):
    """Why a batch did not commit."""


class CannotBegin(SessionError):
    """No lock, no clock, another ledger, an owner that is taken over; no command is to blame."""


class CannotWrite(SessionError):
    """The database takes no writes, full or broken; nothing happened and no command is to blame."""


class ConnectionLost(SessionError):
    """The connection broke, or is read-only, before COMMIT: nothing of the batch happened."""


class BatchFailed(SessionError):
    """Something failed that no command's statement is to blame for; nothing happened."""


class StatementFailed(SessionError):
    """A statement of the batch failed; it was rolled back and the connection is usable."""


class CommitUnknown(SessionError):
    """COMMIT was sent and its answer was not read: the batch happened or it did not."""


class Fenced(Protocol):
    """Whose batches a store takes, for as long as nobody has taken over what is theirs."""

    @property
    def owner_id(self) -> str:
        """Names the process in rows."""
        ...

    @property
    def lock_key(self) -> int:
        """The advisory lock that it has while it lives."""
        ...

    @property
    def held(self) -> bool:
        """Whether it has its lock, as far as it knows, and its lease is not over."""
        ...

    @property
    def epoch(self) -> int:
        """How often this owner was taken over, as of when it last held its lock and lease."""
        ...

    def hold_again(self) -> None:
        """Take lock and lease now, which may wait for a connection.

        Raises:
            sqlalchemy.exc.DBAPIError: They cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """The transaction's start: the database's clock after the lock, and the chain's head.

    `mono_ns` was read no later than the clock, so that a time mapped through it is never early.
    """

    clock_us: int
    mono_ns: int
    head: HeadRow | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Rows to load from one table: by primary key, or through one of its lookups.

    `counts` belongs to a lookup: how many rows at most, key by key. One that is `only_counted`
    gives how many there are in their place. The keys are `engine.Rows.arrays`, with the counts.
    """

    table: TableMap[Any]
    keys: engine.Rows
    lookup: str | None = None
    counts: Sequence[int] = ()
    only_counted: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it gives every row under each of its keys, through a lookup."""
        if self.lookup is None or self.only_counted:
            return False
        return not self.table.lookups[self.lookup].limited


@dataclass(frozen=True, slots=True)
class Write:
    """Rows of one table, encoded, each primary key at most once."""

    table: TableMap[Any]
    rows: engine.Rows


class Session(Protocol):
    """One connection that runs one batch after the other. Used by one thread.

    After `StatementFailed` or `CannotBegin` the transaction is over; after `CannotWrite`,
    `ConnectionLost` or `CommitUnknown` the session is done for and only `close` may follow.
    """

    def begin(self) -> Begun:
        """Open a transaction and take the writer's lock.

        Raises:
            CannotBegin: Somebody else holds it, or the database refuses.
            ConnectionLost: The connection is gone.
        """
        ...

    def fetch(self, fetches: Sequence[Fetch]) -> list[list[Values]]:
        """The rows of each fetch; a lookup's rows start with the position of their key.

        Raises:
            StatementFailed, CannotWrite, ConnectionLost: As named.
        """
        ...

    def write(self, writes: Sequence[Write]) -> None:
        """Run one statement per table. An error may also come from `commit`.

        Raises:
            StatementFailed, CannotWrite, ConnectionLost: As named.
        """
        ...

    def apart(self) -> AbstractContextManager[None]:
        """What fails inside is undone alone, and the transaction goes on.

        Raises:
            StatementFailed: Something inside failed, and is undone.
            CannotWrite, ConnectionLost: As named.
        """
        ...

    def commit(self) -> None:
        """Make it durable.

        Raises:
            StatementFailed, CannotWrite, ConnectionLost: A write had failed; nothing happened.
            CommitUnknown: As named.
        """
        ...

    def rollback(self) -> None:
        """Leave the transaction. Never raises; a connection that cannot is closed."""
        ...

    def committed(self, writer_id: str, batch_id: str) -> bool:
        """Whether the last batch of this writer is `batch_id`, after any other transaction.

        Raises:
            CannotBegin, ConnectionLost: As `begin`.
        """
        ...

    def whole(self, tables: Mapping[str, TableMap[Any]]) -> engine.SqliteSession | None:
        """What runs whole batches on these tables without the interpreter, if this store can."""
        ...

    def tend(self) -> None:
        """Do the housekeeping that must not wait for ever, between two batches. Never raises."""
        ...

    def close(self) -> None:
        """Close the connection. Never raises."""
        ...


class Store(Protocol):
    """A database that the writer can (re)connect to."""

    def connect(self) -> Session:
        """A new session.

        Raises:
            CannotConnect: As named.
        """
        ...
