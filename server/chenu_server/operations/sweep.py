"""What nobody asks for: expiry, dead owners, approved queries after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from chenu_server.command import Writer
from chenu_server.errors import ChenuError, GovernanceUnavailable
from chenu_server.operations.run import Recover
from chenu_server.operations.spending import Lapse
from chenu_server.operations.wait import Expire

_log = structlog.get_logger(__name__)

BATCH = 256


class Lapsed(Protocol):
    """Where the checkpoints stand whose time is over."""

    async def lapsed(self, now_us: int, after: str, count: int) -> Sequence[tuple[str, str, str]]:
        """Identity, query and id of at most `count` of them, by id behind `after`.

        A command decides again whether it is. No more is read: one row that cannot be read as a
        checkpoint would hide all the others.
        """
        ...


class Spendings(Protocol):
    """Which reservations of services are out of time."""

    async def lapsed(
        self, now_us: int, after: tuple[int, str, str], count: int
    ) -> Sequence[tuple[int, str, str]]:
        """Time, identity and id of at most `count` of them, in this order behind `after`."""
        ...


class Sweeper:
    """Finds candidates by reading and lets a command decide each; safe to run anywhere, twice."""

    def __init__(
        self,
        writer: Writer,
        checkpoints: Lapsed,
        spendings: Spendings,
        *,
        dead_owners: Callable[[], Awaitable[Sequence[str]]],
        fence_owner: Callable[[str], Awaitable[Sequence[tuple[str, str]] | None]],
        forget_owner: Callable[[str], Awaitable[None]],
        now_us: Callable[[], int],
    ) -> None:
        self._writer = writer
        self._checkpoints = checkpoints
        self._spendings = spendings
        self._dead_owners = dead_owners
        self._fence_owner = fence_owner
        self._forget_owner = forget_owner
        self._now_us = now_us

    async def expire(self) -> int:
        """End every wait whose time is over; how many.

        One that cannot be ended is passed by, and tried again on the next turn: whatever is
        wrong with it, those behind it must not hold their money for ever.
        """
        expired, after = 0, ""
        while True:
            found = await self._checkpoints.lapsed(self._now_us(), after, BATCH)
            for identity_id, request_id, checkpoint_id in found:
                command = Expire(identity_id, request_id, checkpoint_id)
                expired += bool(await self._decided(command, checkpoint_id))
            if len(found) < BATCH:
                return expired
            # Behind them and not from the start: those that could not be ended would be found
            # again, for ever.
            after = found[-1][2]

    async def lapse(self) -> int:
        """End every reservation of a service whose time is over; how many. As `expire`."""
        lapsed, after = 0, (0, "", "")
        while True:
            found = await self._spendings.lapsed(self._now_us(), after, BATCH)
            # All at once, for nobody waits for money as long as for a commit each: thousands end
            # together where a service has died.
            ended = (self._decided(Lapse(*key), key[1]) for _, *key in found)
            lapsed += sum(map(bool, await asyncio.gather(*ended)))
            if len(found) < BATCH:
                return lapsed
            after = found[-1]

    async def recover(self) -> int:
        """End every query that a dead owner left running; how many.

        One that cannot be ended keeps its owner on the books, and no other from being ended.
        """
        recovered = 0
        for owner_id in await self._dead_owners():
            # From here on it writes nothing, should it live; or it has come back meanwhile.
            left = await self._fence_owner(owner_id)
            if left is None:
                continue
            ended, all_ended = await self._recover_all(owner_id, left)
            recovered += ended
            if all_ended:
                await self._forget_owner(owner_id)
                _log.info("owner_recovered", owner_id=owner_id, queries=ended)
        return recovered

    async def _recover_all(
        self, owner_id: str, left: Sequence[tuple[str, str]]
    ) -> tuple[int, bool]:
        """How many of an owner's queries are ended, and whether all are."""
        ended = 0
        for key in left:
            # One that another sweep has ended before is no longer this owner's either.
            ended += await self._decided(Recover(*key, owner_id), key[1]) is not None
        return ended, ended == len(left)

    async def _decided(self, command: Expire | Lapse | Recover, name: str) -> bool | None:
        """What it comes to, or None if it cannot be decided or written.

        Raises:
            GovernanceUnavailable: Nothing can be recorded now, so the rest would fail alike.
        """
        try:
            return bool(await self._writer.submit(command))
        except ChenuError as error:
            # By the writer's own health and not by a clock: an outage that refuses at once would
            # else let every candidate fail, with an error line for each.
            if isinstance(error, GovernanceUnavailable) and not self._writer.healthy:
                raise
            _log.error("sweep_failed", command=type(command).__name__, id=name, error=str(error))
            return None
