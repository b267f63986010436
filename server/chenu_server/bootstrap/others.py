"""What the other processes of a PostgreSQL fleet do, told to the pipeline of this one, and back."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import structlog

from chenu_server.bootstrap.background import spawn_repeated
from chenu_server.bootstrap.storage import Storage
from chenu_server.errors import GovernanceUnavailable, ServerOverloaded
from chenu_server.infra.db.feed import Feed
from chenu_server.infra.db.fleet import Fleet, Telling
from chenu_server.pipeline.elsewhere import Elsewhere, Said

_log = structlog.get_logger(__name__)

# How late a watcher elsewhere may be, and a cancel, where no notification comes.
HEAR_EVERY_S: Final = 0.25
# What is told faster than this is heard together: a look costs this process a fifth of it at most.
PAUSE_S: Final = 0.02


class Others:
    """Exchanges with them what each follows, runs, says and wants stopped."""

    def __init__(self, feed: Feed, fleet: Fleet, elsewhere: Elsewhere, owner_id: str) -> None:
        self._feed = feed
        self._fleet = fleet
        self._elsewhere = elsewhere
        self._owner_id = owner_id

    async def hear(self) -> None:
        """Tell all of it since the last time, and take in theirs."""
        try:
            await self._exchange()
        except (GovernanceUnavailable, ServerOverloaded) as error:
            # What was not read is read the next time.
            _log.debug("others_not_heard", error=str(error))

    async def hear_soon(self) -> None:
        """The same, once there is something to hear, or it is time to look."""
        await self._fleet.wait(HEAR_EVERY_S)
        await self.hear()

    async def _exchange(self) -> None:
        here = self._elsewhere
        telling = Telling(
            followed=here.followed(self._owner_id), said=here.said(), over=here.over()
        )
        told = await self._fleet.exchange(telling)
        here.has_told(telling.said, telling.over)
        here.watched(told.watched)
        here.stop(told.to_stop)
        # Read behind the output: an attempt's beginning is committed before anything is said.
        await here.committed(await self._feed.queries())
        await here.output(Said(*each) for each in told.said)
        # Last of all: a stop that was not acted on to the end is told again.
        if told.to_stop:
            await self._fleet.heard(told.to_stop)


async def hear_others(
    stack: AsyncExitStack, storage: Storage, elsewhere: Elsewhere, ledger_number: int
) -> None:
    """Hear them until the stack closes, if the database has room for any.

    From now on, which must be before anybody follows a query here.
    """
    if storage.fleet is not None:
        feed = Feed(storage.reader, ledger_number=ledger_number)
        others = Others(feed, storage.fleet, elsewhere, storage.owner.owner_id)
        await others.hear()
        spawn_repeated(stack, "others", others.hear_soon, lambda: PAUSE_S)
