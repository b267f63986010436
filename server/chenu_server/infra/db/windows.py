"""The windows of identities as all processes of a PostgreSQL database share them.

A row for each identity holds what the engine's windows count, so that who may arrive is decided by
the same code as in a process alone, under the row's lock. What arrives while a batch is decided
waits for the next one: a process asks the database once for all of them, however many there are.

Batch time moves the windows. That the server may crash and forget the last half second of them is
the price of not waiting for its disk: an arrival is no decision, and its query's admission is.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

import sqlalchemy as sa
import structlog
from psycopg.rows import TupleRow

from chenu_server.engine import IdentityWindows, Rows
from chenu_server.errors import ChenuError, GovernanceUnavailable, Internal, ServerOverloaded
from chenu_server.infra.db.engine import STATEMENT_TIMEOUT_MS, writer_engine
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.pgconnect import Connection, connected, refusing
from chenu_server.infra.db.pgpipeline import Pipeline

log = structlog.get_logger(__name__)

WAITING_MAX: Final = 10_000
RETRY_US: Final = 100_000
SWEEP_EVERY_US: Final = 60_000_000
# A row may be swept between the transaction that made it and the one that locks it.
_ROUNDS: Final = 5

IDENTITY_WINDOWS: Final = sa.Table(
    "identity_windows",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("admissions_us", sa.LargeBinary, nullable=False),
    sa.Column("blocked_until_us", sa.BigInteger, nullable=False),
    sa.Column("counts_until_us", sa.BigInteger, nullable=False),
)

_SETTINGS: Final = (
    f"SELECT set_config('statement_timeout', '{STATEMENT_TIMEOUT_MS}', true),"
    " set_config('synchronous_commit', 'off', true),"
    " set_config('plan_cache_mode', 'force_generic_plan', true)"
)
_LOCK: Final = (
    "SELECT identity_id, admissions_us, blocked_until_us FROM identity_windows"
    " WHERE identity_id = ANY($1::text[]) ORDER BY identity_id FOR UPDATE"
)
# In order, as the rows are locked: two processes that meet in two identities would else wait for
# each other.
_MAKE: Final = (
    "INSERT INTO identity_windows (identity_id, admissions_us, blocked_until_us, counts_until_us)"
    " SELECT id, ''::bytea, 0, 0 FROM unnest($1::text[]) AS k(id) ORDER BY id"
    " ON CONFLICT DO NOTHING"
)
_KEEP: Final = (
    "UPDATE identity_windows AS w SET admissions_us = k.admissions_us,"
    " blocked_until_us = k.blocked_until_us, counts_until_us = k.counts_until_us"
    " FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[])"
    " AS k(id, admissions_us, blocked_until_us, counts_until_us) WHERE w.identity_id = k.id"
)
# Rows that others are at are nobody's to wait for here, with one's own rows in hand.
_SWEEP: Final = (
    "DELETE FROM identity_windows WHERE identity_id IN (SELECT identity_id FROM identity_windows"
    " WHERE counts_until_us < $1::bigint FOR UPDATE SKIP LOCKED)"
)
_ONE: Final = (
    "SELECT identity_id, admissions_us, blocked_until_us FROM identity_windows"
    " WHERE identity_id = %s"
)
_BLOCKED: Final = (
    "SELECT identity_id, admissions_us, blocked_until_us FROM identity_windows"
    " WHERE blocked_until_us > %s ORDER BY identity_id"
)


class Counted(NamedTuple):
    """What became of an arrival: as the engine's `Arrival`, when it was, and how much was used."""

    verdict: str
    retry_after_us: int
    arrived_us: int
    used: int


class Used(NamedTuple):
    """What an identity has used; `blocked_until_us` is 0 if it is not blocked."""

    identity_id: str
    used: int
    burst_used: int
    blocked_until_us: int


class _Ask(NamedTuple):
    """An arrival, whose answer is waited for, or one that is taken back."""

    identity_id: str
    answer: asyncio.Future[Counted] | None
    arrived_us: int = 0


class SharedWindows:
    """Used in one event loop.

    Args:
        url: The database.
        windows: Makes empty windows by the identities' limit.
        longest_us: How long an admission can count.
        now_us: The batches' time.
    """

    def __init__(
        self,
        url: str,
        *,
        windows: Callable[[], IdentityWindows],
        longest_us: int,
        now_us: Callable[[], int],
    ) -> None:
        self._engine = writer_engine(url)
        self._new = windows
        self._longest_us = longest_us
        self._now_us = now_us
        self._connection: Connection | None = None
        self._line: Pipeline
        self._asks: list[_Ask] = []
        self._batch: asyncio.Future[list[Counted | None]] | None = None
        self._sweep_at_us = 0
        self._is_stale = False
        # Of its own: whatever else the process does on threads holds no call up here.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chenu-windows")

    def renew(self) -> None:
        """Connect anew: the writer has, and perhaps to another server. Any thread."""
        self._is_stale = True

    def arrive(self, identity_id: str) -> asyncio.Future[Counted]:
        """
        Count a call of an identity, if there is room for it, from now on.

        Raises:
            GovernanceUnavailable: When it is awaited; the database does not answer, and it may have
                been counted.
            ServerOverloaded: Too many wait already.
        """
        if len(self._asks) >= WAITING_MAX:
            raise ServerOverloaded(RETRY_US, "identities")
        answer: asyncio.Future[Counted] = asyncio.get_running_loop().create_future()
        # Who is refused for something else first never asks what became of it.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._ask(_Ask(identity_id, answer))
        return answer

    def give_back(self, identity_id: str, arrived_us: int) -> None:
        """Uncount a call. It is lost where the database does not answer: the call stays counted."""
        if len(self._asks) < WAITING_MAX:
            self._ask(_Ask(identity_id, None, arrived_us))

    async def state(self, identity_id: str) -> Used:
        """What an identity has used, at any process."""
        found = await self._read(_ONE, identity_id)
        return found[0] if found else Used(identity_id, 0, 0, 0)

    async def blocked(self) -> Sequence[Used]:
        """The identities that are blocked now, by id."""
        return await self._read(_BLOCKED, self._now_us())

    async def close(self) -> None:
        """Decide what waits, and let go of the connection."""
        while self._batch is not None:
            await asyncio.wait([self._batch])
            await asyncio.sleep(0)  # what it has come to is told in the loop
        self._thread.shutdown(wait=False)
        self._drop()

    def _ask(self, ask: _Ask) -> None:
        self._asks.append(ask)
        if self._batch is None:
            self._begin()

    def _begin(self) -> None:
        """Have what waits decided, at once: the loop may be busy with the very call for a while."""
        asks, self._asks = self._asks, []
        loop = asyncio.get_running_loop()
        self._batch = loop.run_in_executor(self._thread, self._decided, asks)
        self._batch.add_done_callback(partial(self._answer, asks))

    def _answer(self, asks: Sequence[_Ask], batch: asyncio.Future[list[Counted | None]]) -> None:
        self._batch = None
        # First, so that the thread is at the next ones while these are told.
        if self._asks:
            self._begin()
        error = batch.exception()
        if error is not None and not isinstance(error, ChenuError):
            log.error("arrivals_not_counted", exc_info=error)
            error = Internal()
        answers = [None] * len(asks) if error is not None else batch.result()
        for ask, answer in zip(asks, answers, strict=True):
            if ask.answer is None or ask.answer.done():
                continue
            if error is not None:
                ask.answer.set_exception(error)
            elif answer is not None:
                ask.answer.set_result(answer)

    def _decided(self, asks: Sequence[_Ask]) -> list[Counted | None]:
        """Decide them in one transaction; again, if the connection had been lost before."""
        if self._is_stale:
            self._is_stale = False
            self._drop()
        # A fresh one cannot have been lost while it was idle: tried again, it would fail alike.
        is_reused = self._connection is not None
        try:
            return self._decided_once(asks)
        except GovernanceUnavailable:
            if not is_reused:
                raise
        # Where it was the COMMIT that got no answer the calls may be counted twice: too many, and
        # never too few.
        return self._decided_once(asks)

    def _decided_once(self, asks: Sequence[_Ask]) -> list[Counted | None]:
        try:
            with refusing():
                if self._connection is None:
                    self._connection = connected(self._engine)
                    self._line = Pipeline(self._connection, timeout_ms=2 * STATEMENT_TIMEOUT_MS)
                return self._decide(self._line, asks)
        except Exception:
            # A bug's as well: what it left queued, and rows locked, is no next batch's to meet.
            self._drop()
            raise

    def _decide(self, line: Pipeline, asks: Sequence[_Ask]) -> list[Counted | None]:
        """Two round trips, which every call waits for."""
        ids = sorted({ask.identity_id for ask in asks})
        asked = Rows.arrays([(each,) for each in ids]).parameters
        for _ in range(_ROUNDS):
            line.send("BEGIN")
            line.send(_SETTINGS)
            line.send_binary(_LOCK, asked)
            rows = line.rows(line.exchange()[-1])
            if len(rows) == len(ids):
                return self._counted(line, asks, rows)
            # In a transaction of its own, which holds no row that another may wait for: rows are
            # locked in order only if all of them are there.
            line.send("ROLLBACK")
            line.send_binary(_MAKE, asked)
            line.exchange()
        raise GovernanceUnavailable

    def _counted(
        self, line: Pipeline, asks: Sequence[_Ask], rows: Sequence[TupleRow]
    ) -> list[Counted | None]:
        windows, now_us = self._new(), self._now_us()
        times_us: dict[str, int] = {}
        for identity_id, packed, blocked_until_us in rows:
            admissions_us = array("q", packed).tolist()
            windows.put(identity_id, admissions_us, blocked_until_us)
            # Another process's clock may be ahead by what the two read it apart.
            times_us[identity_id] = max([now_us, *admissions_us[-1:]])
        answers = [_answered(windows, ask, times_us[ask.identity_id]) for ask in asks]
        line.send_binary(_KEEP, self._kept(windows, times_us))
        if now_us >= self._sweep_at_us:
            # Identities that bring nothing any more: who comes back begins anew.
            self._sweep_at_us = now_us + SWEEP_EVERY_US
            line.send(_SWEEP, [repr(now_us)])
        line.send("COMMIT")
        line.exchange()
        return answers

    def _kept(self, windows: IdentityWindows, times_us: dict[str, int]) -> list[bytes]:
        rows = []
        for identity_id, now_us in times_us.items():
            admissions_us, blocked_until_us = windows.kept(identity_id)
            # Till then the row is needed, for a window or for a block; behind it a sweep takes it.
            until_us = max(now_us + self._longest_us, blocked_until_us)
            packed = array("q", admissions_us).tobytes()
            rows.append((identity_id, packed, blocked_until_us, until_us))
        return Rows.arrays(rows).parameters

    async def _read(self, text: str, value: str | int) -> list[Used]:
        def read() -> list[Used]:
            # On a connection of its own: the other is for arrivals, which every call waits for.
            with refusing(), connected(self._engine) as connection:
                windows, now_us = self._new(), self._now_us()
                found = []
                for identity_id, packed, blocked_until_us in connection.execute(text, [value]):
                    windows.put(identity_id, array("q", packed).tolist(), blocked_until_us)
                    state = windows.state(identity_id, now_us)
                    told = state.used, state.burst_used, state.blocked_until_us
                    found.append(Used(identity_id, *told))
                return found

        return await asyncio.get_running_loop().run_in_executor(None, read)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _answered(windows: IdentityWindows, ask: _Ask, now_us: int) -> Counted | None:
    if ask.answer is None:
        windows.give_back(ask.identity_id, ask.arrived_us)
        return None
    arrival = windows.arrive(ask.identity_id, now_us)
    used = windows.state(ask.identity_id, now_us).used
    return Counted(arrival.verdict, arrival.retry_after_us, now_us, used)
