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
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.owner_sql import (
    AFTER_WRITERS,
    AS_BEFORE,
    ENTER,
    FENCE,
    FORGET,
    FORGET_TOLD,
    FORGET_UNLESS_NAMED,
    KEEPALIVES,
    LEAVE,
    LEFT_RUNNING,
    LEFT_US,
    NAME,
    NAMED_NOWHERE,
    OTHERS,
    OWNERS,
    PATIENCE,
)
from chenu_server.infra.db.urls import is_sqlite, sqlite_file
from chenu_server.steady import wall_us

T = TypeVar("T")

log = structlog.get_logger(__name__)

LEASE_MS: Final = 15_000
RENEW_MS: Final = 5_000

# A lost lock is taken again soon: until then nothing is decided here.
_RETAKE_S: Final = 0.5
_READ_ONLY: Final = "25006"


class StoreInUse(Exception):
    """The database has no room for this process beside those that it is served by."""


class Owner(Protocol):
    """This process as an owner, and what it knows of the others."""

    @property
    def owner_id(self) -> str:
        """The id that rows name; new for each process."""
        ...

    @property
    def lock_key(self) -> int:
        """The lock that it has while it lives, as rows name it."""
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
            # The system lets go of it with the process, however that ends.
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
            "lock_key": self.lock_key,
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
    def lock_key(self) -> int:
        """Only entered: what it has is the file's."""
        return lock_key(self._owner_id)

    @property
    def held(self) -> bool:
        """True until `close`."""
        return not self._file.closed

    def dead(self) -> list[str]:
        """Every other owner: this process holds the file."""
        others = sa.select(OWNERS.c.owner_id).where(OWNERS.c.owner_id != self._owner_id)
        with self._engine.begin() as connection:
            _name_all(connection, self._owner_id)
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
            connection.execute(FORGET, {"owner_id": owner_id})

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
            "lock_key": self.lock_key,
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
    def lock_key(self) -> int:
        """Of the session that holds it."""
        return lock_key(self._owner_id)

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

        def others_of(connection: sa.Connection) -> list[tuple[str, int | None, bool]]:
            _name_all(connection, self._owner_id)
            found = connection.execute(OTHERS, {"owner_id": self._owner_id})
            return [(owner_id, lease_us, is_locked) for owner_id, lease_us, is_locked in found]

        # However long the answer took, no lease looks older than it is.
        now_s, others, seen_s = time.monotonic(), self._ask(others_of), time.monotonic()
        before, self._seen = self._seen, {}
        for owner_id, lease_until_us, _ in others:
            known = before.get(owner_id, (lease_until_us, seen_s))
            self._seen[owner_id] = known if known[0] == lease_until_us else (lease_until_us, seen_s)
        return [
            owner_id
            for owner_id, _, is_locked in others
            if not is_locked and self._is_over(*self._seen[owner_id], now_s)
        ]

    def _is_over(self, lease_until_us: int | None, since_s: float, now_s: float) -> bool:
        has_none = lease_until_us in (None, LEFT_US)
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
            connection.execute(AFTER_WRITERS)
            asked = {"owner_id": owner_id, "lease_until_us": seen[0] if seen else None}
            if not connection.execute(FENCE, asked).rowcount:
                return None
            return _left_running(connection, owner_id)

        return self._ask(raised)

    def forget(self, owner_id: str) -> None:
        """Strike a dead owner off, unless its last commit has left something meanwhile."""

        def strike(connection: sa.Connection) -> None:
            connection.execute(AFTER_WRITERS)
            asked = {"owner_id": owner_id, "me": self._owner_id}
            connection.execute(FORGET_UNLESS_NAMED, asked)
            for forget in FORGET_TOLD:
                connection.execute(forget)

        self._ask(strike)

    def withdraw(self) -> None:
        """Strike this owner off; from here on its row is not renewed."""
        self._end()
        self.forget(self._owner_id)

    def close(self) -> None:
        """Let go of the lock; the row stays until somebody has looked for what this owner left."""
        # The thread first, or it would take a lost lock again.
        self._end()
        with suppress(sa.exc.SQLAlchemyError):  # whoever looks waits for a lease's time then
            self._ask(self._leave)
        self._drop()

    def _leave(self, connection: sa.Connection) -> None:
        connection.execute(LEAVE, {"owner_id": self._owner_id})
        for reset in AS_BEFORE:
            connection.execute(reset)

    def _end(self) -> None:
        self._closed.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._closed.wait(self._renew_s if self.held else _RETAKE_S):
            was_held = self.held
            # Nothing may end this thread: nobody else ever renews the lease.
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
                    connection.execute(PATIENCE)
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
                connection.execute(PATIENCE)
                connection.execute(KEEPALIVES)
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
        self._epoch = connection.execute(ENTER, self._values).scalar_one()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _name_all(connection: sa.Connection, me: str) -> None:
    """Enter the owners that only what they run names; whose lock is held is alive all the same."""
    for owner_id in connection.scalars(NAMED_NOWHERE, {"owner_id": me}).all():
        connection.execute(NAME, {"owner_id": owner_id, "lock_key": lock_key(owner_id)})


def _left_running(connection: sa.Connection, owner_id: str) -> list[tuple[str, str]]:
    rows = connection.execute(LEFT_RUNNING, {"owner_id": owner_id})
    return [(identity_id, request_id) for identity_id, request_id in rows]


def lock_key(owner_id: str) -> int:
    """The advisory lock of an owner: 64 bits of its id's SHA-256, signed."""
    return int.from_bytes(hashlib.sha256(owner_id.encode()).digest()[:8], "big", signed=True)


def _label() -> str:
    return f"{socket.gethostname()} pid {os.getpid()}"
