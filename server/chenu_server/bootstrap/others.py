"""What the other processes of a PostgreSQL fleet do, told to the pipeline of this one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import structlog

from chenu_server.bootstrap.background import spawn_repeated
from chenu_server.bootstrap.storage import Storage
from chenu_server.errors import GovernanceUnavailable, ServerOverloaded
from chenu_server.infra.db.feed import Feed
from chenu_server.infra.db.stops import SqlStops
from chenu_server.pipeline.service import PipelineService

_log = structlog.get_logger(__name__)

# How late a watcher elsewhere may be, and a cancel. Asking costs one look at two indexes.
HEAR_EVERY_S: Final = 0.25


class Others:
    """Looks at what they have committed, and at what they want stopped."""

    def __init__(
        self, feed: Feed, stops: SqlStops, pipeline: PipelineService, owner_id: str
    ) -> None:
        self._feed = feed
        self._stops = stops
        self._pipeline = pipeline
        self._owner_id = owner_id

    async def hear(self) -> None:
        """Take in all of it since the last time."""
        try:
            asked, committed = await asyncio.gather(
                self._stops.asked_of(self._owner_id), self._feed.queries()
            )
            await self._pipeline.hear_others(committed, asked)
            for key in asked:
                await self._stops.done(self._owner_id, key)
        except (GovernanceUnavailable, ServerOverloaded) as error:
            # What was read and not told is told again by the next event, or by who asks.
            _log.debug("others_not_heard", error=str(error))


async def hear_others(
    stack: AsyncExitStack, storage: Storage, pipeline: PipelineService, ledger_number: int
) -> None:
    """Hear them until the stack closes, if the database has room for any.

    From now on, which must be before anybody follows a query here.
    """
    if storage.stops is not None:
        feed = Feed(storage.reader, ledger_number=ledger_number)
        others = Others(feed, storage.stops, pipeline, storage.owner.owner_id)
        await others.hear()
        spawn_repeated(stack, "others", others.hear, lambda: HEAR_EVERY_S)
