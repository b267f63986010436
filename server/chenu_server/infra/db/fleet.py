"""What the processes of a PostgreSQL database tell each other of the queries that they run.

Not governed: nothing here decides anything, and no row lasts longer than the query it is about.
A row of `query_stops` is a wish that its owner ends it; one of `query_watchers` says that somebody
follows it at another process; one of `query_output` is what it has said, for those to read before
it is settled. All of them are exchanged in one transaction, at whose end the others are notified.

A notification makes it soon and is no promise: whoever waits for one looks by itself, too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg import pq
from psycopg.rows import TupleRow

from chenu_server.command import Key
from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.engine import STATEMENT_TIMEOUT_MS, writer_engine
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.pgconnect import Connection, connected, refusing
from chenu_server.values import dataclass

T = TypeVar("T")
_Run = Callable[..., psycopg.Cursor[TupleRow]]

CHANNEL: Final = "chenu"
"""What every process listens to; the payload is the owner id of who has committed something."""

_KEY: Final = ("owner_id", "identity_id", "request_id")

QUERY_STOPS: Final = sa.Table(
    "query_stops",
    METADATA,
    *(sa.Column(name, sa.Text, primary_key=True) for name in _KEY),
    sqlite_with_rowid=False,
)
QUERY_WATCHERS: Final = sa.Table(
    "query_watchers",
    METADATA,
    *(sa.Column(name, sa.Text, primary_key=True) for name in (*_KEY, "watcher_id")),
    # What a process follows itself is looked for at every exchange, too.
    sa.Index("ix_query_watchers_watcher", "watcher_id"),
    sqlite_with_rowid=False,
)
QUERY_OUTPUT: Final = sa.Table(
    "query_output",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("pieces", sa.Text, nullable=False),
)

_STOP_IT, _WATCHED, _WATCHES = "stop", "watched", "watches"
_ABOUT_ME: Final = (
    f"SELECT '{_STOP_IT}', owner_id, identity_id, request_id FROM query_stops"
    " WHERE owner_id = %(me)s"
    f" UNION ALL SELECT DISTINCT '{_WATCHED}', owner_id, identity_id, request_id"
    " FROM query_watchers WHERE owner_id = %(me)s"
    f" UNION ALL SELECT '{_WATCHES}', owner_id, identity_id, request_id"
    " FROM query_watchers WHERE watcher_id = %(me)s"
)
_HEARD: Final = (
    "DELETE FROM query_stops AS s USING unnest(%(ids)s::text[], %(names)s::text[]) AS k(id, name)"
    " WHERE s.owner_id = %(me)s AND s.identity_id = k.id AND s.request_id = k.name"
)
# Of an owner that is forgotten nobody would ever hear it, or take it away.
_STOP: Final = (
    "INSERT INTO query_stops (owner_id, identity_id, request_id)"
    " SELECT owner_id, %(id)s, %(name)s FROM owners WHERE owner_id = %(owner)s"
    " ON CONFLICT DO NOTHING"
)
_WATCH: Final = (
    "INSERT INTO query_watchers (owner_id, identity_id, request_id, watcher_id)"
    " SELECT k.*, %(me)s FROM unnest(%(owners)s::text[], %(ids)s::text[], %(names)s::text[]) AS k"
    " ON CONFLICT DO NOTHING"
)
_UNWATCH: Final = (
    "DELETE FROM query_watchers AS w USING"
    " unnest(%(owners)s::text[], %(ids)s::text[], %(names)s::text[]) AS k(owner, id, name)"
    " WHERE w.watcher_id = %(me)s AND w.owner_id = k.owner"
    " AND w.identity_id = k.id AND w.request_id = k.name"
)
_SAY: Final = (
    "INSERT INTO query_output (identity_id, request_id, position, owner_id, pieces)"
    " SELECT k.id, k.name, k.position, %(me)s, k.pieces FROM unnest("
    "%(ids)s::text[], %(names)s::text[], %(positions)s::bigint[], %(pieces)s::text[])"
    " AS k(id, name, position, pieces) ON CONFLICT DO NOTHING"
)
_UNSAY: Final = (
    "DELETE FROM query_output AS o USING unnest(%(ids)s::text[], %(names)s::text[]) AS k(id, name)"
    " WHERE o.owner_id = %(me)s AND o.identity_id = k.id AND o.request_id = k.name"
)
_SAID: Final = (
    "SELECT o.identity_id, o.request_id, o.position, o.pieces"
    " FROM unnest(%(ids)s::text[], %(names)s::text[], %(positions)s::bigint[])"
    " AS k(id, name, position) JOIN query_output AS o"
    " ON o.identity_id = k.id AND o.request_id = k.name AND o.position > k.position"
    " ORDER BY o.identity_id, o.request_id, o.position"
)
_LEAVE: Final = "DELETE FROM query_watchers WHERE watcher_id = %(me)s"
_NOTIFY: Final = f"SELECT pg_notify('{CHANNEL}', %(me)s)"
_PATIENCE: Final = f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"


Followed = tuple[str, Key, int]
"""A query of another process that is followed here, behind its owner, before the position up to
which its output is known here."""

Said = tuple[Key, int, str]
"""A query, a position in its output, and as text what is new of it up to there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a process has to tell: what it follows, what its own say, and which say no more."""

    followed: Sequence[Followed] = ()
    said: Sequence[Said] = ()
    over: Sequence[Key] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a process is told: which of its queries are to end, and which are followed elsewhere."""

    to_stop: Sequence[Key] = ()
    watched: frozenset[Key] = frozenset()
    said: Sequence[Said] = ()


class Fleet:
    """One process's line to the others, on a connection of its own.

    `exchange`, `heard` and `wait` are one task's, one after the other; `stop` may be anybody's.
    What they ask runs on a thread of its own: one that was given up may still be at it, and
    whoever comes next waits for that.
    """

    def __init__(self, url: str, owner_id: str) -> None:
        self._engine = writer_engine(url)
        self._me = owner_id
        self._connection: Connection | None = None
        self._is_stale = False
        self._socket = -1
        self._woken = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chenu-fleet")

    def is_other(self, owner_id: str) -> bool:
        """Whether an owner is another process."""
        return owner_id not in ("", self._me)

    def renew(self) -> None:
        """Connect anew: the writer has, and perhaps to another server. Any thread."""
        self._is_stale = True

    async def stop(self, owner_id: str, key: Key) -> None:
        """
        Have a query's owner stop it.

        Raises:
            GovernanceUnavailable: The database does not answer.
        """
        identity_id, request_id = key
        asked = {"owner": owner_id, "id": identity_id, "name": request_id, "me": self._me}

        def ask() -> None:
            with (
                refusing(),
                # On a connection of its own: the other one may be in an exchange, on another
                # thread.
                connected(self._engine) as connection,
                connection.transaction(),
            ):
                connection.execute(_PATIENCE)
                connection.execute(_STOP, asked)
                connection.execute(_NOTIFY, asked)

        # Not on the thread of the exchanges: a host that is gone would hold those up as well.
        await asyncio.get_running_loop().run_in_executor(None, ask)

    async def exchange(self, telling: Telling) -> Told:
        """
        Tell the others, and be told. What is to stop is told until it is `heard`.

        Raises:
            GovernanceUnavailable: The database does not answer; what was told may have arrived.
        """
        return await self._run(lambda run: self._exchanged(run, telling))

    async def heard(self, stopped: Sequence[Key]) -> None:
        """
        These have been stopped.

        Raises:
            GovernanceUnavailable: The database does not answer; they are told again.
        """
        await self._run(lambda run: run(_HEARD, self._of(stopped)))

    async def wait(self, at_most_s: float, *, listens: bool) -> None:
        """For so long, or, if it listens, until another process has committed something."""
        connection = self._connection
        if listens and connection is not None and not connection.closed:
            # Only for as long as it waits: in an exchange the thread that runs it reads from the
            # socket. Whose number is kept, for a connection that is lost has none any more.
            self._socket = connection.pgconn.socket
            loop = asyncio.get_running_loop()
            loop.add_reader(self._socket, self._readable, connection.pgconn)
        woken = self._woken if listens else asyncio.Event()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(at_most_s):
                    await woken.wait()
        finally:
            self._unwatch()
        # What comes behind this is read by the exchange that follows, or wakes the next wait.
        self._woken.clear()

    def _unwatch(self) -> None:
        """Once: its number may be another connection's right after it is closed."""
        socket, self._socket = self._socket, -1
        if socket >= 0:
            asyncio.get_running_loop().remove_reader(socket)

    async def close(self) -> None:
        """Follow nothing any more, and let go of the connection."""
        if self._connection is not None:
            # Whoever strikes this owner off takes its rows away with it.
            with suppress(GovernanceUnavailable):
                await self._run(self._leave)
        self._thread.shutdown(wait=False)
        self._drop()

    def _leave(self, run: _Run) -> None:
        run(_LEAVE, {"me": self._me})
        # The owners of what was followed here are to see at once that nobody is attached any more.
        run(_NOTIFY, {"me": self._me})
        run("UNLISTEN *")  # a pool may give the session to another client

    def _exchanged(self, run: _Run, telling: Telling) -> Told:
        about: defaultdict[str, list[tuple[str, Key]]] = defaultdict(list)
        for kind, owner_id, *key in run(_ABOUT_ME, {"me": self._me}).fetchall():
            about[kind].append((owner_id, tuple(key)))
        tells = self._watch(run, set(about[_WATCHES]), telling.followed)
        if telling.said:
            run(_SAY, self._said(telling.said))
        if telling.over:
            run(_UNSAY, self._of(telling.over))
        # Each notification makes all others look: sent at every look, there would be no end of
        # them.
        if tells or telling.said:
            run(_NOTIFY, {"me": self._me})
        said = run(_SAID, self._followed(telling.followed)).fetchall() if telling.followed else []
        return Told(
            to_stop=[key for _, key in about[_STOP_IT]],
            watched=frozenset(key for _, key in about[_WATCHED]),
            said=[(tuple(key), position, pieces) for *key, position, pieces in said],
        )

    def _watch(
        self, run: _Run, watches: set[tuple[str, Key]], followed: Sequence[Followed]
    ) -> bool:
        """Have the rows say what is followed here; whether that changes any."""
        wanted = {(owner_id, key) for owner_id, key, _ in followed}
        gone, come = watches - wanted, wanted - watches
        for text, changed in ((_UNWATCH, gone), (_WATCH, come)):
            if changed:
                owners = [owner_id for owner_id, _ in changed]
                run(text, {"owners": owners, **self._of([key for _, key in changed])})
        return bool(gone or come)

    def _of(self, keys: Iterable[Key]) -> dict[str, Any]:
        ids, names = zip(*keys, strict=True)
        return {"me": self._me, "ids": list(ids), "names": list(names)}

    def _followed(self, followed: Sequence[Followed]) -> Mapping[str, Any]:
        _, keys, positions = zip(*followed, strict=True)
        return {**self._of(keys), "positions": list(positions)}

    def _said(self, said: Sequence[Said]) -> Mapping[str, Any]:
        keys, positions, pieces = zip(*said, strict=True)
        return {**self._of(keys), "positions": list(positions), "pieces": list(pieces)}

    async def _run(self, work: Callable[[_Run], T]) -> T:
        loop = asyncio.get_running_loop()

        def heard(notification: psycopg.Notify) -> None:  # it came with a statement's answer
            if notification.payload != self._me:
                loop.call_soon_threadsafe(self._woken.set)

        def run() -> T:
            try:
                with refusing():
                    if self._is_stale:
                        self._is_stale = False
                        self._drop()
                    if self._connection is None:
                        self._connection = self._listening(heard)
                    with self._connection.transaction():
                        self._connection.execute(_PATIENCE)
                        return work(self._connection.execute)
            except GovernanceUnavailable:
                # What it has missed nobody knows; the next connection listens from its own
                # beginning, and the exchange reads whatever stands there.
                self._drop()
                raise

        return await loop.run_in_executor(self._thread, run)

    def _readable(self, server: pq.abc.PGconn) -> None:
        """Take in what has come between two statements; who is cut off looks, and finds that out.

        This process's own commits are told too, hundreds in a second: each costs a look here.
        """
        try:
            server.consume_input()
            while (notification := server.notifies()) is not None:
                if notification.extra.decode() != self._me:
                    self._woken.set()
        except psycopg.Error:
            self._unwatch()
            self._is_stale = True
            self._woken.set()

    def _listening(self, heard: Callable[[psycopg.Notify], None]) -> Connection:
        connection = connected(self._engine)
        try:
            connection.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error:
            connection.close()
            raise
        connection.add_notify_handler(heard)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
