"""What other processes run and is followed here, and what runs here and is followed there."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

import structlog

from chenu_server.command import Key
from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.output import Heading
from chenu_server.pipeline.pieces import Saying
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.stop import StopReason
from chenu_server.vocabulary import PartKind, QueryStatus

_log = structlog.get_logger(__name__)

FAILURES_MAX: Final = 3
"""After so many that cannot be read the rest waits for the next time: the database may be away."""

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
        self._failing: set[Key] = set()
        self._asking: dict[Key, QueryLog] = {}
        self.follows = False
        """Whether anything that runs elsewhere is followed here, as of the last time."""

    # --- what is told -------------------------------------------------------------------------

    def followed(self, owner_id: str) -> list[Followed]:
        """What is followed here and runs elsewhere; `owner_id` is this process's own."""
        found = {
            log: query.owner_id
            for log in self._hub.followed()
            if (query := log.query) is not None
            and query.status is QueryStatus.RUNNING
            and query.owner_id not in ("", owner_id)
        }
        # Held until the answer is in: one whose only reader leaves and comes back meanwhile would
        # else be a new log, to which what comes behind the old one's place does not belong.
        self._asking = {log.key: log for log in found}
        self.follows = bool(found)
        return [Followed(owner, log.key, log.heard) for log, owner in found.items()]

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
                # Known from now on: it may arrive without this process learning that it has.
                self._told.setdefault(key, 0)
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

    async def committed(self, keys: Iterable[Key], owner_id: str) -> None:
        """Take in what is committed of the queries followed here, but for what runs here.

        Each commit is told once. So a query is kept until it was read, for as long as somebody
        follows it: also while a run of it waits here, for it may be running elsewhere by now.
        """
        self._unread.update(dict.fromkeys(keys))
        failed = 0
        for key in list(self._unread):
            log, run = self._hub.find(key), self._runs.get(key)
            has_run = run is not None and not run.follows
            if log is None or log.current is not log or log.is_ended:
                self._forget(key)
            elif has_run and _is_of(log, owner_id):
                self._forget(key)  # it is told of each commit as it is made
            elif has_run:
                continue
            elif failed < FAILURES_MAX:
                failed += not await self._read(key, log)

    async def _read(self, key: Key, log: QueryLog) -> bool:
        """Whether it could be; else it is tried again, behind all others."""
        try:
            await self._load(log)
        except Exception as error:  # noqa: BLE001 - one must not hide the others
            if key not in self._failing:
                _log.warning("followed_query_not_read", request_id=key[1], error=repr(error))
            self._forget(key)
            self._unread[key] = None
            self._failing.add(key)
            return False
        self._forget(key)
        return True

    def _forget(self, key: Key) -> None:
        self._unread.pop(key, None)
        self._failing.discard(key)

    async def output(self, said: Iterable[tuple[Key, int, str]]) -> None:
        """Take in what they have said, behind the beginning of the attempt that says it."""
        for key, position, text in said:
            log = self._asking.get(key)
            if log is None:
                continue
            sayings = _sayings_of(text)
            # Said before the start of its attempt is known here, it would stand in front of that in
            # the log, and a reader takes text behind a start to be that attempt's.
            last = max((each.attempt for each in sayings), default=0)
            if last > log.attempt and not await self._read(key, log):
                continue  # it is told again: the log has not gone on
            if not log.is_ended and last <= log.attempt:
                log.hear(position, sayings)
        self._asking = {}


def _is_of(log: QueryLog, owner_id: str) -> bool:
    """Whether its row says that it runs here."""
    query = log.query
    return query is not None and query.status is QueryStatus.RUNNING and query.owner_id == owner_id


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
