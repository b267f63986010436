"""What nobody asks for: expiry, dead owners, approved queries after a restart."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from chenu_server.errors import InternalError
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.unit import Writer
from chenu_server.units.recover import Recover
from chenu_server.units.resolve import Expire

_log = structlog.get_logger(__name__)

BATCH = 256
RECOVER_EVERY = 5
"""Dead owners are looked for on every fifth sweep: theirs are rare, and nobody waits for them."""


class Lapsed(Protocol):
    """Where the checkpoints stand whose time is over."""

    async def lapsed(self, now_us: int, count: int) -> Sequence[Checkpoint]:
        """At most `count` of them; a unit decides again whether it is."""
        ...


class Left(Protocol):
    """Where the queries stand that a dead owner left running."""

    async def running_of(self, owner_id: str, count: int) -> Sequence[tuple[str, str]]:
        """Identity and id of at most `count` of them."""
        ...


class Sweeper:
    """Finds candidates by reading and lets a unit decide each; safe to run anywhere, twice."""

    def __init__(
        self,
        writer: Writer,
        checkpoints: Lapsed,
        queries: Left,
        *,
        dead_owners: Callable[[], Awaitable[Sequence[str]]],
        forget_owner: Callable[[str], Awaitable[None]],
        now_us: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._checkpoints = checkpoints
        self._queries = queries
        self._dead_owners = dead_owners
        self._forget_owner = forget_owner
        self._now_us = now_us

    async def run(self, every_s: float) -> None:
        """Sweep again and again until cancelled; a failure is logged and tried again.

        Whatever it is: a sweeper that died would leave every later expiry and crash lying.
        """
        for turn in itertools.count(1):
            await asyncio.sleep(every_s)
            try:
                await self.expire()
                if turn % RECOVER_EVERY == 0:
                    await self.recover()
            except Exception as error:  # noqa: BLE001 - see above
                _log.warning("sweep_failed", error=str(error))

    async def expire(self) -> int:
        """End every wait whose time is over; how many."""
        expired = 0
        for checkpoint in await self._checkpoints.lapsed(self._now_us(), BATCH):
            unit = Expire(checkpoint.identity_id, checkpoint.request_id, checkpoint.checkpoint_id)
            expired += bool(await self._writer.submit(unit))
        return expired

    async def recover(self) -> int:
        """End every query that a dead owner left running; how many.

        One that cannot be ended keeps its owner on the books, and no other from being ended.
        """
        recovered = 0
        for owner_id in await self._dead_owners():
            while left := await self._queries.running_of(owner_id, BATCH):
                ended = [await self._recovered(Recover(*key, owner_id)) for key in left]
                recovered += sum(ended)
                if not all(ended):
                    break
            else:
                await self._forget_owner(owner_id)
                _log.info("owner_recovered", owner_id=owner_id, queries=recovered)
        return recovered

    async def _recovered(self, unit: Recover) -> bool:
        """Whether the query is ended: by this unit, or by another sweep before it."""
        try:
            await self._writer.submit(unit)
        except InternalError:
            _log.exception("recovery_failed", unit=unit.name)
            return False
        return True
