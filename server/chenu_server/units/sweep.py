"""What nobody asks for: expiry, dead owners, approved queries after a restart."""

from __future__ import annotations

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

    async def lapsed(self, now_us: int, after: str, count: int) -> Sequence[Checkpoint]:
        """At most `count` of them, by id behind `after`; a unit decides again whether it is."""
        ...


class Left(Protocol):
    """Where the queries stand that a dead owner left running."""

    async def running_of(
        self, owner_id: str, after: tuple[str, str], count: int
    ) -> Sequence[tuple[str, str]]:
        """Identity and id of at most `count` of them, behind `after` in that order."""
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
        self._turns = 0

    async def turn(self) -> None:
        """What is due now; dead owners only on every fifth turn."""
        self._turns += 1
        await self.expire()
        if self._turns % RECOVER_EVERY == 0:
            await self.recover()

    async def expire(self) -> int:
        """End every wait whose time is over; how many.

        One that cannot be ended is passed by, and tried again on the next turn: whatever is
        wrong with it, those behind it must not hold their money for ever.
        """
        expired, after = 0, ""
        while True:
            found = await self._checkpoints.lapsed(self._now_us(), after, BATCH)
            for checkpoint in found:
                expired += await self._expired(checkpoint)
            if len(found) < BATCH:
                return expired
            after = found[-1].checkpoint_id

    async def _expired(self, checkpoint: Checkpoint) -> bool:
        unit = Expire(checkpoint.identity_id, checkpoint.request_id, checkpoint.checkpoint_id)
        try:
            return bool(await self._writer.submit(unit))
        except InternalError:
            _log.error("expiry_failed", checkpoint_id=checkpoint.checkpoint_id)
            return False

    async def recover(self) -> int:
        """End every query that a dead owner left running; how many.

        One that cannot be ended keeps its owner on the books, and no other from being ended.
        """
        recovered = 0
        for owner_id in await self._dead_owners():
            ended, all_ended = await self._recover_all(owner_id)
            recovered += ended
            if all_ended:
                await self._forget_owner(owner_id)
                _log.info("owner_recovered", owner_id=owner_id, queries=ended)
        return recovered

    async def _recover_all(self, owner_id: str) -> tuple[int, bool]:
        """How many of an owner's queries are ended, and whether all are."""
        ended, after, all_ended = 0, ("", ""), True
        while left := await self._queries.running_of(owner_id, after, BATCH):
            for key in left:
                done = await self._recovered(Recover(*key, owner_id))
                ended, all_ended = ended + done, all_ended and done
            after = left[-1]
        return ended, all_ended

    async def _recovered(self, unit: Recover) -> bool:
        """Whether the query is ended: by this unit, or by another sweep before it."""
        try:
            await self._writer.submit(unit)
        except InternalError:
            _log.error("recovery_failed", request_id=unit.key[1])
            return False
        return True
