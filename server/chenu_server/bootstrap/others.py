"""What the other processes of a PostgreSQL fleet do, told to this one, and back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Final

import structlog

from chenu_server.bootstrap.background import spawn_repeated
from chenu_server.bootstrap.storage import Storage
from chenu_server.command import Key
from chenu_server.errors import GovernanceUnavailable, ServerOverloaded
from chenu_server.governance.checkpoints.inbox import Inbox
from chenu_server.infra.db.feed import Feed
from chenu_server.infra.db.fleet import Fleet, Telling, Told
from chenu_server.pipeline.elsewhere import Elsewhere

_log = structlog.get_logger(__name__)

# How late a watcher elsewhere may be, and a cancel, where no notification comes.
HEAR_EVERY_S: Final = 0.25
# What is told faster than this is heard together.
PAUSE_S: Final = 0.02


class Others:
    """Exchanges with them what each follows, runs, says and wants stopped."""

    def __init__(
        self, feed: Feed, fleet: Fleet, elsewhere: Elsewhere, inbox: Inbox, owner_id: str
    ) -> None:
        self._feed = feed
        self._fleet = fleet
        self._elsewhere = elsewhere
        self._inbox = inbox
        self._owner_id = owner_id
        self._away = False

    async def begin(self) -> None:
        """
        Follow what is committed from now on.

        Raises:
            GovernanceUnavailable, ServerOverloaded: It cannot be read.
        """
        await self._feed.begin()

    async def hear_soon(self) -> None:
        """Tell all of it since the last time, and take in theirs, once it is time to look."""
        # Who follows nothing is told of nothing that would not wait: a fleet at work commits
        # hundreds of times in a second.
        listens = self._elsewhere.follows or self._inbox.is_followed
        await self._fleet.wait(HEAR_EVERY_S, listens=listens)
        told = await self._exchanged()
        # Also without the others: what is committed stands in the ledger whoever is heard of.
        # Read behind the output: an attempt's beginning is committed before anything is said.
        committed = await self._committed()
        await self._elsewhere.committed(committed, self._owner_id)
        for identity_id in {identity_id for identity_id, _ in committed}:
            self._inbox.changed(str(identity_id))
        await self._elsewhere.output(told.said)
        # Last of all: a stop that was not acted on to the end is told again.
        if told.to_stop:
            with suppress(GovernanceUnavailable):
                await self._fleet.heard(told.to_stop)

    async def _exchanged(self) -> Told:
        """What they told; nothing while none of them can be reached."""
        here = self._elsewhere
        telling = Telling(
            followed=here.followed(self._owner_id), said=here.said(), over=here.over()
        )
        try:
            told = await self._fleet.exchange(telling)
        except GovernanceUnavailable as error:
            if not self._away:
                _log.warning("others_not_reached", error=repr(error.__cause__))
            self._away = True
            return Told()
        if self._away:
            _log.info("others_reached_again")
        self._away = False
        here.has_told(telling.said, telling.over)
        here.watched(told.watched)
        here.stop(told.to_stop)
        return told

    async def _committed(self) -> Sequence[Key]:
        try:
            return await self._feed.operations()
        except (GovernanceUnavailable, ServerOverloaded) as error:
            _log.debug("feed_not_read", error=str(error))  # it is read the next time
            return []


async def hear_others(
    stack: AsyncExitStack, storage: Storage, elsewhere: Elsewhere, ledger_number: int
) -> None:
    """Hear them until the stack closes, if the database has room for any.

    From now on, which must be before anybody follows a query here.

    Raises:
        GovernanceUnavailable, ServerOverloaded: The database does not answer.
    """
    if storage.fleet is not None:
        feed = Feed(storage.reader, ledger_number=ledger_number)
        others = Others(feed, storage.fleet, elsewhere, storage.inbox, storage.owner.owner_id)
        await others.begin()
        spawn_repeated(stack, "others", others.hear_soon, lambda: PAUSE_S)
