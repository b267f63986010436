"""Reads: SQLAlchemy Core on a bounded pool of threads, in transactions that cannot write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import structlog

from chenu_server.errors import GovernanceUnavailable, ServerOverloaded
from chenu_server.infra.db.engine import reader_engine

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Everything but what a query's author can do wrong.
_AWAY: Final = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,
    sa.exc.TimeoutError,
)


class Reader:
    """Runs queries off the event loop. At most `threads` run and `waiting_max` wait.

    What it reads may be behind the writer by what is being committed; decisions are never made
    on it.
    """

    def __init__(
        self, url: str, *, threads: int = 4, waiting_max: int = 256, retry_ms: int = 100
    ) -> None:
        self._engine = reader_engine(url, connections=threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="chenu-reader")
        self._room = threads + waiting_max
        self._retry_us = retry_ms * 1_000

    async def run(self, query: Callable[[sa.Connection], T]) -> T:
        """What `query` returns, in a read-only transaction on one snapshot.

        Raises:
            ServerOverloaded: Too many wait already.
            GovernanceUnavailable: The database does not answer.
        """
        # Counted here, for the pool's own queue has no bound: readers that the database keeps
        # waiting would pile up with all that they hold.
        if self._room == 0:
            raise ServerOverloaded(self._retry_us, "reads")
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, query)
        finally:
            self._room += 1

    async def rows(self, statement: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """All rows of a statement; give it a limit."""
        return await self.run(lambda connection: connection.execute(statement).all())

    def renew(self) -> None:
        """Connect anew from now on: the writer has, and perhaps to another server. Any thread."""
        self._engine.dispose()

    async def close(self) -> None:
        """Wait for what runs, and close the connections."""
        # In another thread: it waits for the last query, and the loop has others to serve.
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        self._engine.dispose()

    def _run(self, query: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return query(connection)
        except _AWAY as error:
            log.warning("read_failed", error=str(error))
            raise GovernanceUnavailable from error
