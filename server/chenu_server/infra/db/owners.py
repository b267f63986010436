"""Who is alive: every process holds a lock on its owner id for as long as it lives.

Reservations and running queries name their owner. On SQLite the lock of the file alone decides:
who holds it is the only one there is. On PostgreSQL an owner is dead whose lock is free and whose
lease is over: a lock is lost with a connection, which is no reason to end what a healthy process
runs, and a lease says nothing of a process that still holds its lock. Whether a lease is over is
seen by each process for itself, by its own monotonic clock: a lease that was not renewed for its
time. The database's clock may step.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar

import sqlalchemy as sa
import structlog

from chenu_server.ids import new_id
from chenu_server.infra.db.engine import STATEMENT_TIMEOUT_MS, writer_engine
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.postgres import WRITER_LOCK
from chenu_server.infra.db.urls import is_sqlite, sqlite_file
from chenu_server.steady import wall_us

T = TypeVar("T")

log = structlog.get_logger(__name__)

LEASE_MS: Final = 15_000
RENEW_MS: Final = 5_000

OWNERS: Final = sa.Table(
    "owners",
    METADATA,
    sa.Column("owner_id", sa.Text, primary_key=True),
    sa.Column("lock_key", sa.BigInteger, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("started_us", sa.BigInteger, nullable=False),
    sa.Column("lease_until_us", sa.BigInteger, nullable=True),
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="1"),
)

_FIELDS: Final = "owner_id, lock_key, label, started_us, lease_until_us"
_NOW_US: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_ENTER: Final = sa.text(
    f"INSERT INTO owners ({_FIELDS})"
    f" VALUES (:owner_id, :lock_key, :label, {_NOW_US}, {_NOW_US} + :lease_us)"
    " ON CONFLICT (owner_id) DO UPDATE SET lease_until_us = excluded.lease_until_us"
    " RETURNING epoch"
)
# A lost lock is taken again soon: until then nothing is decided here.
_RETAKE_S: Final = 0.5
_READ_ONLY: Final = "25006"
# An advisory lock on one bigint shows in pg_locks as its two halves, with objsubid 1.
_IS_LOCKED: Final = (
    "EXISTS (SELECT 1 FROM pg_locks AS l"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND l.classid = ((o.lock_key >> 32) & 4294967295)::oid"
    " AND l.objid = (o.lock_key & 4294967295)::oid)"
)
_OTHERS: Final = sa.text(
    f"SELECT o.owner_id, o.lease_until_us, {_IS_LOCKED} AS is_locked"
    " FROM owners AS o WHERE o.owner_id <> :owner_id"
)
# One that has renewed since it was seen to be dead is none: its lock alone may be lost again.
_FENCE: Final = sa.text(
    f"UPDATE owners AS o SET epoch = epoch + 1 WHERE o.owner_id = :owner_id AND NOT {_IS_LOCKED}"
    " AND lease_until_us IS NOT DISTINCT FROM CAST(:lease_until_us AS bigint)"
)
_LEFT_RUNNING: Final = sa.text(
    "SELECT identity_id, request_id FROM queries"
    " WHERE status = 'running' AND owner_id = :owner_id ORDER BY identity_id, request_id"
)
# A host that is gone says nothing: its lock is free once the server has asked in vain.
_KEEPALIVES: Final = sa.text(
    "SELECT set_config('tcp_keepalives_idle', '5', false),"
    " set_config('tcp_keepalives_interval', '3', false),"
    " set_config('tcp_keepalives_count', '3', false)"
)
# A pool may give the session to another client as it is left.
_AS_BEFORE: Final = [
    sa.text(f"RESET tcp_keepalives_{name}") for name in ("idle", "interval", "count")
]
_PATIENCE: Final = sa.text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
# Who says so itself needs no lease to be over.
_LEFT_US: Final = 0
_LEAVE: Final = sa.text(f"UPDATE owners SET lease_until_us = {_LEFT_US} WHERE owner_id = :owner_id")
_FORGET: Final = sa.text("DELETE FROM owners WHERE owner_id = :owner_id")
# A process may be dead while its last COMMIT is still under way: who looks for what it left must
# wait for that, or would strike off the only name under which its queries are ever found.
_AFTER_WRITERS: Final = sa.select(sa.func.pg_advisory_xact_lock(*WRITER_LOCK))
_FORGET_UNLESS_NAMED: Final = sa.text(
    "DELETE FROM owners AS o WHERE o.owner_id = :owner_id"
    # It may have come back since it was found dead; who withdraws still holds its own lock.
    f" AND (o.owner_id = :me OR NOT {_IS_LOCKED})"
    " AND NOT EXISTS (SELECT 1 FROM queries WHERE status = 'running' AND owner_id = :owner_id)"
)
# Nobody is left to hear it, to follow anything or to say more.
_FORGET_TOLD: Final = [
    sa.text(
        f"DELETE FROM {name} AS told WHERE NOT EXISTS"
        f" (SELECT 1 FROM owners AS o WHERE o.owner_id = told.{column})"
    )
    for name, column in (
        ("query_stops", "owner_id"),
        ("query_watchers", "owner_id"),
        ("query_watchers", "watcher_id"),
        ("query_output", "owner_id"),
    )
]


class StoreInUse(Exception):
    """The database has no room for this process beside those that it is served by."""


class Owner(Protocol):
    """This process as an owner, and what it knows of the others."""

    @property
    def owner_id(self) -> str:
        """The id that rows name; new for each process."""
        ...

    @property
    def held(self) -> bool:
        """Whether the lock is held now; if not, others may take over what this owner has."""
        ...

    @property
    def epoch(self) -> int:
        """How often it was taken over, as of when it last held its lock; its writes carry it."""
        ...

    def hold_again(self) -> None:
        """Take lock and lease now. Blocks."""
        ...

    def dead(self) -> list[str]:
        """The owners that left rows and are dead. Blocks; call it in a thread."""
        ...

    def fence(self, owner_id: str) -> list[tuple[str, str]] | None:
        """
        Refuse what a dead owner may yet write. Blocks.

        Identity and id of the queries that it left running: what it runs once it is back is its
        own. None: it is back already.
        """
        ...

    def forget(self, owner_id: str) -> None:
        """Strike a dead owner off, once nothing names it any more. Blocks."""
        ...

    def withdraw(self) -> None:
        """Strike this owner off, which has left nothing: it has never served. Blocks."""
        ...

    def close(self) -> None:
        """Let go of the lock."""
        ...


def acquire_owner(url: str, lease_ms: int = LEASE_MS, renew_ms: int = RENEW_MS) -> Owner:
    """Become an owner of the store at `url`; only PostgreSQL's needs a lease. Blocks.

    Raises:
        StoreInUse: It is a SQLite file that another process serves.
        sqlalchemy.exc.DBAPIError: The database does not answer.
    """
    if is_sqlite(url):
        return FileOwner(url)
    return SessionOwner(url, lease_ms=lease_ms, renew_ms=renew_ms)


class FileOwner:
    """The only process on a SQLite file, by an exclusive lock on `<file>.lock`."""

    def __init__(self, url: str) -> None:
        served = sqlite_file(url).resolve()  # one lock, by whatever links the file is reached
        path = served.with_name(f"{served.name}.lock")
        # Opened without cutting it: who has the lock has written its name there, for the one that
        # is refused.
        self._file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise StoreInUse(
                f"{served} is served by another process ({holder}); SQLite has room"
                " for one: stop it, or use PostgreSQL for more workers"
            ) from None
        self._file.truncate(0)
        self._file.write(_label())
        self._file.flush()
        self._owner_id = new_id()
        self._engine = writer_engine(url)
        try:
            self._enter()
        # The lock goes with the file: kept by a start that failed, it would shut out the next one.
        except BaseException:
            self._file.close()
            raise

    def _enter(self) -> None:
        values = {
            "owner_id": self._owner_id,
            "lock_key": lock_key(self._owner_id),
            "label": _label(),
            "started_us": wall_us(),
            "lease_until_us": None,
        }
        with self._engine.begin() as connection:
            connection.execute(OWNERS.insert(), values)

    @property
    def owner_id(self) -> str:
        """The id that rows name."""
        return self._owner_id

    @property
    def held(self) -> bool:
        """True until `close`."""
        return not self._file.closed

    def dead(self) -> list[str]:
        """Every other owner: this process holds the file."""
        others = sa.select(OWNERS.c.owner_id).where(OWNERS.c.owner_id != self._owner_id)
        with self._engine.begin() as connection:
            return list(connection.scalars(others))

    @property
    def epoch(self) -> int:
        """Nobody takes over who could not have the file."""
        return 1

    def hold_again(self) -> None:
        """It is held."""

    def fence(self, owner_id: str) -> list[tuple[str, str]] | None:
        """What it left; there is nothing to refuse, for the file has one process."""
        with self._engine.begin() as connection:
            return _left_running(connection, owner_id)

    def forget(self, owner_id: str) -> None:
        """Strike a dead owner off."""
        with self._engine.begin() as connection:
            connection.execute(_FORGET, {"owner_id": owner_id})

    def withdraw(self) -> None:
        """Strike this owner off."""
        self.forget(self._owner_id)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class SessionOwner:
    """An owner on PostgreSQL: a session lock on a connection of its own, and a lease.

    A thread renews the lease. When the connection is lost it takes the lock again under the same
    id; in between `held` is false and others may have taken over what this owner had.
    """

    def __init__(self, url: str, *, lease_ms: int = LEASE_MS, renew_ms: int = RENEW_MS) -> None:
        self._engine = writer_engine(url)
        self._owner_id = new_id()
        self._values = {
            "owner_id": self._owner_id,
            "lock_key": lock_key(self._owner_id),
            "label": _label(),
            "lease_us": lease_ms * 1_000,
        }
        self._renew_s = renew_ms / 1_000
        self._lease_s = lease_ms / 1_000
        self._seen: dict[str, tuple[int | None, float]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._renewed = False
        self._renewed_s = 0.0
        self._epoch = 0
        self._read_only = False
        self._connection: sa.Connection | None = self._entered(self._engine.connect())
        self._thread = threading.Thread(target=self._renew, name="chenu-owner", daemon=True)
        self._thread.start()

    @property
    def owner_id(self) -> str:
        """The id that rows name."""
        return self._owner_id

    @property
    def held(self) -> bool:
        """Whether the lock is held, as far as is known, and the lease is not over."""
        # By its own clock, as others judge it by theirs: a process that stood still for the time of
        # a lease must not go on serving what has been taken over.
        goes_on = time.monotonic() - self._renewed_s < self._lease_s
        return self._connection is not None and self._renewed and goes_on

    def dead(self) -> list[str]:
        """The other owners whose lock is free and whose lease was seen to be over.

        One that is seen for the first time is given the time of a lease.
        """
        asked = {"owner_id": self._owner_id}
        others = self._ask(lambda c: list(c.execute(_OTHERS, asked)))
        now_s, before = time.monotonic(), self._seen
        self._seen = {}
        for owner_id, lease_until_us, _ in others:
            known = before.get(owner_id, (lease_until_us, now_s))
            self._seen[owner_id] = known if known[0] == lease_until_us else (lease_until_us, now_s)
        return [
            owner_id
            for owner_id, _, is_locked in others
            if not is_locked and self._is_over(*self._seen[owner_id], now_s)
        ]

    def _is_over(self, lease_until_us: int | None, since_s: float, now_s: float) -> bool:
        has_none = lease_until_us in (None, _LEFT_US)
        return has_none or now_s - since_s >= self._lease_s

    @property
    def epoch(self) -> int:
        """As of when the lock was last known to be held."""
        return self._epoch

    def hold_again(self) -> None:
        """Renew; a connection that proves lost is one that it did not know of, so twice."""
        with suppress(sa.exc.DBAPIError):
            return self._held()
        return self._held()

    def _held(self) -> None:
        # Read before the question goes out: this process must never believe its lease longer than
        # those who watch it.
        began_s = time.monotonic()
        self._ask(self._enter)
        self._renewed, self._renewed_s = True, began_s

    def fence(self, owner_id: str) -> list[tuple[str, str]] | None:
        """Raise the epoch of an owner that `dead` told of, behind what it is committing."""
        seen = self._seen.get(owner_id)

        def raised(connection: sa.Connection) -> list[tuple[str, str]] | None:
            connection.execute(_AFTER_WRITERS)
            asked = {"owner_id": owner_id, "lease_until_us": seen[0] if seen else None}
            if not connection.execute(_FENCE, asked).rowcount:
                return None
            return _left_running(connection, owner_id)

        return self._ask(raised)

    def forget(self, owner_id: str) -> None:
        """Strike a dead owner off, unless its last commit has left something meanwhile."""

        def strike(connection: sa.Connection) -> None:
            connection.execute(_AFTER_WRITERS)
            asked = {"owner_id": owner_id, "me": self._owner_id}
            connection.execute(_FORGET_UNLESS_NAMED, asked)
            for forget in _FORGET_TOLD:
                connection.execute(forget)

        self._ask(strike)

    def withdraw(self) -> None:
        """Strike this owner off; from here on its row is not renewed."""
        self._end()
        self.forget(self._owner_id)

    def close(self) -> None:
        """Let go of the lock; the row stays until somebody has looked for what this owner left."""
        self._end()
        with suppress(sa.exc.SQLAlchemyError):  # whoever looks waits for a lease's time then
            self._ask(self._leave)
        self._drop()

    def _leave(self, connection: sa.Connection) -> None:
        connection.execute(_LEAVE, {"owner_id": self._owner_id})
        for reset in _AS_BEFORE:
            connection.execute(reset)

    def _end(self) -> None:
        self._closed.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._closed.wait(self._renew_s if self.held else _RETAKE_S):
            was_held = self.held
            try:
                self._held()
            except sa.exc.SQLAlchemyError as error:
                if was_held:
                    log.warning(
                        "owner_lease_not_renewed", owner_id=self._owner_id, error=str(error)
                    )
                continue
            if not was_held:
                log.info("owner_lease_renewed_again", owner_id=self._owner_id)

    def _ask(self, question: Callable[[sa.Connection], T]) -> T:
        """Use the connection, or a new one that holds the lock again."""
        # The thread that renews and whoever asks share one session, which has room for one
        # transaction.
        with self._lock:
            try:
                connection = self._usable()
                with connection.begin():
                    connection.execute(_PATIENCE)
                    return question(connection)
            except sa.exc.SQLAlchemyError as error:
                # Whatever has failed, the lock may be gone with it: nothing is decided here until
                # it is known again.
                self._renewed = False
                if getattr(getattr(error, "orig", None), "sqlstate", None) == _READ_ONLY:
                    self._read_only = True
                if self._connection is not None and self._connection.invalidated:
                    self._drop()
                raise

    def _usable(self) -> sa.Connection:
        """The connection. A read-only one keeps its lock until another server takes writes."""
        if self._connection is not None and not self._read_only:
            return self._connection
        try:
            fresh = self._engine.connect()
        except sa.exc.SQLAlchemyError:
            if self._connection is None:
                raise
            return self._connection
        self._drop()
        self._connection = self._entered(fresh)
        self._read_only = False
        # While the database was away nobody could renew: all are given the time of a lease anew,
        # or whoever is back first would end what the others run.
        self._seen = {}
        return self._connection

    def _entered(self, connection: sa.Connection) -> sa.Connection:
        """The lock first, then the row: a row whose lock is free means death."""
        try:
            with connection.begin():
                began_s = time.monotonic()
                connection.execute(_PATIENCE)
                connection.execute(_KEEPALIVES)
                # Waits: the server may not have noticed yet that the connection before is gone.
                # The lock is the session's and outlives the transaction.
                connection.execute(sa.select(sa.func.pg_advisory_lock(self._values["lock_key"])))
                self._enter(connection)
        # It may have the lock already, which only the end of its session gives back.
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        self._renewed, self._renewed_s = True, began_s
        return connection

    def _enter(self, connection: sa.Connection) -> None:
        """Say that it lives. The lock is held: so it writes again, whoever has taken over."""
        self._epoch = connection.execute(_ENTER, self._values).scalar_one()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _left_running(connection: sa.Connection, owner_id: str) -> list[tuple[str, str]]:
    rows = connection.execute(_LEFT_RUNNING, {"owner_id": owner_id})
    return [(identity_id, request_id) for identity_id, request_id in rows]


def lock_key(owner_id: str) -> int:
    """The advisory lock of an owner: 64 bits of its id's SHA-256, signed."""
    return int.from_bytes(hashlib.sha256(owner_id.encode()).digest()[:8], "big", signed=True)


def _label() -> str:
    return f"{socket.gethostname()} pid {os.getpid()}"
