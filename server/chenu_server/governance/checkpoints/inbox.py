"""Who follows what waits in an identity, and that something of it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from chenu_server.errors import ServerOverloaded

WATCHERS_MAX: Final = 64
"""Of one identity: as many people and panels as look at one inbox, each holding a stream."""

RETRY_US: Final = 1_000_000


class Bell:
    """One follower's: rung once for any number of changes."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self.is_closed = False

    def ring(self) -> None:
        """Something has changed."""
        self._rung.set()

    def close(self) -> None:
        """Nothing more will be told."""
        self.is_closed = True
        self._rung.set()

    async def answered(self, within_s: float) -> None:
        """Wait for the next change, or until that time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._rung.wait()
        # Before the rows are read, never after: a change between the two would be told by nobody.
        self._rung.clear()


class Inbox:
    """The followers of every identity. It knows that something changed, and never what."""

    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = {}
        self._is_closed = False

    @property
    def is_followed(self) -> bool:
        """Whether anybody follows anything."""
        return bool(self._bells)

    def changed(self, identity_id: str) -> None:
        """A checkpoint of it may have come, or may wait no more."""
        for bell in self._bells.get(identity_id, ()):
            bell.ring()

    @contextmanager
    def followed(self, identity_id: str) -> Iterator[Bell]:
        """
        Follow an identity's while this is open.

        Raises:
            ServerOverloaded: As many follow it as may, or the server stops.
        """
        bells = self._bells.get(identity_id, set())
        if self._is_closed or len(bells) >= WATCHERS_MAX:
            raise ServerOverloaded(RETRY_US, "watchers of checkpoints")
        bell = Bell()
        self._bells.setdefault(identity_id, bells).add(bell)
        try:
            yield bell
        finally:
            bells.discard(bell)
            # An empty set would stay for every identity that was ever looked at.
            if not bells:
                self._bells.pop(identity_id, None)

    def close(self) -> None:
        """End all who follow: the server stops, and they have no end of their own."""
        self._is_closed = True
        for bells in self._bells.values():
            for bell in bells:
                bell.close()
