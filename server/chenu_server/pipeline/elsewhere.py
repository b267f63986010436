"""What other processes run and is followed here, and what runs here and is followed there."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.output import Heading
from chenu_server.pipeline.pieces import Saying
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.stop import StopReason
from chenu_server.unit import Key
from chenu_server.vocabulary import PartKind, QueryStatus

SAID_BYTES_MAX: Final = 1 << 20
"""How much of one query's output is told at a time; what is more follows the next time."""


class Followed(NamedTuple):
    """A query of another process that is followed here, and up to where its output is known."""

    owner_id: str
    key: Key
    position: int


class Said(NamedTuple):
    """Output of a query, up to a position in all that its log holds where it runs; JSON."""

    key: Key
    position: int
    text: str


class Elsewhere:
    """Joins the logs and runs of this process with those of the others.

    Args:
        hub: The logs that somebody holds here.
        runs: What runs here, by key; a run that only follows is in it as well.
        load: Fills a log with what is stored.
    """

    def __init__(
        self,
        hub: LogHub,
        runs: Mapping[Key, QueryRun],
        load: Callable[[QueryLog], Awaitable[None]],
    ) -> None:
        self._hub = hub
        self._runs = runs
        self._load = load
        self._watched: set[Key] = set()
        self._told: dict[Key, int] = {}
        self._unread: dict[Key, None] = {}

    # --- what is told -------------------------------------------------------------------------

    def followed(self, owner_id: str) -> list[Followed]:
        """What is followed here and runs elsewhere; `owner_id` is this process's own."""
        return [
            Followed(log.query.owner_id, log.key, log.heard)
            for log in self._hub.followed()
            if log.query is not None
            and log.query.status is QueryStatus.RUNNING
            and log.query.owner_id not in ("", owner_id)
        ]

    def said(self) -> list[Said]:
        """What the queries have said that are followed elsewhere, behind what was told of it."""
        told = []
        for key in self._watched:
            run = self._runs.get(key)
            if run is None:
                continue
            # What was told is known only once it has arrived (`has_told`): until then the same is
            # told again, and dropped there by its offset.
            position, sayings = run.log.said_behind(self._told.get(key, 0), SAID_BYTES_MAX)
            if sayings:
                told.append(Said(key, position, _text_of(sayings)))
        return told

    def over(self) -> list[Key]:
        """Queries whose output was told to others, and which run no more."""
        return [key for key in self._told if key not in self._runs]

    def has_told(self, said: Iterable[tuple[Key, int, str]], over: Iterable[Key]) -> None:
        """It has arrived: what follows is told behind it."""
        for key, position, _ in said:
            self._told[key] = position
        for key in over:
            self._told.pop(key, None)

    # --- what is heard ------------------------------------------------------------------------

    def watched(self, keys: Collection[Key]) -> None:
        """Somebody follows these at other processes, which counts as one who is attached here."""
        for key in self._watched.symmetric_difference(keys):
            run = self._runs.get(key)
            if run is not None:
                run.watched_elsewhere(is_watched=key in keys)
        # Only what runs: were the others remembered as well, a run that begins later would never be
        # told that it is watched.
        self._watched = {key for key in keys if key in self._runs}

    def stop(self, keys: Iterable[Key]) -> None:
        """Stop what runs here of these: somebody wants it to end."""
        for key in keys:
            run = self._runs.get(key)
            if run is not None:
                run.stop.set(StopReason.CANCELLED)

    async def committed(self, keys: Iterable[Key]) -> None:
        """
        Take in what is committed of the queries followed here; one that runs here is told of it.

        Raises:
            GovernanceUnavailable, ServerOverloaded: Not all can be read now; the next call does.
        """
        # Each commit is told once, so it is kept until it was read, also over calls that fail.
        self._unread.update(dict.fromkeys(keys))
        while self._unread:
            key = next(iter(self._unread))
            log = self._hub.find(key)
            run = self._runs.get(key)
            is_here = run is not None and not run.follows
            if log is not None and log.current is log and not log.is_ended and not is_here:
                await self._load(log)
            # Behind the load: one that raises leaves the key for the next call.
            del self._unread[key]

    async def output(self, said: Iterable[Said]) -> None:
        """
        Take in what they have said, behind the beginning of the attempt that says it.

        Raises:
            GovernanceUnavailable, ServerOverloaded: Not all can be read now; it is told again.
        """
        for key, position, text in said:
            log = self._hub.find(key)
            if log is None:
                continue
            sayings = _sayings_of(text)
            # Said before the start of its attempt is known here, it would stand in front of that in
            # the log, and a reader takes text behind a start to be that attempt's.
            if any(each.attempt > log.attempt for each in sayings):
                await self._load(log)
            if not log.is_ended:
                log.hear(position, sayings)


def _text_of(sayings: Iterable[Saying]) -> str:
    return json.dumps([_fields_of(each) for each in sayings])


def _fields_of(each: Saying) -> tuple[int, int, int, str, str, str, str]:
    heading = each.heading
    named = heading.kind.value, heading.name, heading.call_id
    return each.attempt, each.part, each.offset, each.text, *named


def _sayings_of(text: str) -> list[Saying]:
    return [
        Saying(attempt, part, offset, said, Heading(PartKind(kind), name, call_id))
        for attempt, part, offset, said, kind, name, call_id in json.loads(text)
    ]
