"""One query's run: it belongs to the server; RPCs attach to it and detach."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chenu_server.pipeline.decide import queued_event
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.stop import Stop, StopReason
from chenu_server.steady import wall_us


class QueryRun:
    """Who is attached, when it must end, and where its output goes."""

    def __init__(
        self, log: QueryLog, *, deadline_s: float, abandon_after_s: float, detached: bool
    ) -> None:
        self.log = log
        self.stop = Stop()
        self.deadline = time.monotonic() + deadline_s
        self.detached = detached
        self.follows = False
        """Whether another process runs the query, and this run only waits for what it tells."""
        self._is_watched = False
        self._has_finished = False
        self._abandon_after_s = abandon_after_s
        self._attached = 0
        self._first: QueryRun | None = None
        self._abandoning: asyncio.TimerHandle | None = None
        self._let_go: Callable[[], None] | None = None
        loop = asyncio.get_running_loop()
        # One clock from the first wait to the last byte: to stand in line for a slot uses it up,
        # too.
        self._timer = loop.call_later(deadline_s, self.stop.set, StopReason.DEADLINE)

    def holds(self, let_go: Callable[[], None]) -> None:
        """It holds a request that is large, and says so until it has ended."""
        self._let_go = let_go

    def finish(self) -> None:
        """The run has ended: its timers go, and what it held."""
        self._has_finished = True
        self._timer.cancel()
        if self._let_go is not None:
            self._let_go()
        if self._abandoning is not None:
            self._abandoning.cancel()

    def attached(self) -> _Attachment:
        """One RPC is attached while this is open."""
        return _Attachment(self)

    def has_read(self, *, detached: bool) -> None:
        """What its stored request says; whoever left before that was read has left all the same."""
        self.detached = detached
        self._abandon_if_left()

    def watched_elsewhere(self, *, is_watched: bool) -> None:
        """Somebody is attached at another process, or nobody is any more."""
        # Told twice it would count twice, and the query could never be abandoned.
        if is_watched is self._is_watched:
            return
        self._is_watched = is_watched
        if is_watched:
            self._attach(1)
        else:
            self._detach()

    def lead_to(self, first: QueryRun) -> None:
        """The id proved another name of a query that runs: who is attached here is so there."""
        self.log.lead_to(first.log)
        self._first = first
        first._attach(self._attached)
        if self.stop.reason is StopReason.CANCELLED:  # it overtook the id's own question
            first.stop.set(StopReason.CANCELLED)

    def _attach(self, count: int) -> None:
        self._attached += count
        if self._first is not None:
            self._first._attach(count)
        elif self._attached and self._abandoning is not None:
            self._abandoning.cancel()
            self._abandoning = None

    def _detach(self) -> None:
        self._attached -= 1
        if self._first is not None:
            self._first._detach()
        else:
            self._abandon_if_left()

    def _abandon_if_left(self) -> None:
        if self._attached or self.detached or self._abandoning is not None:
            return
        # Nearly every call leaves once it has its answer: then nothing is left to abandon.
        if self._has_finished or self.log.is_ended:
            return
        # Not at once: a client whose connection broke needs a moment to attach again, and to run
        # its query anew would cost it twice.
        loop = asyncio.get_running_loop()
        self._abandoning = loop.call_later(
            self._abandon_after_s, self.stop.set, StopReason.ABANDONED
        )

    def told_to_wait(self, provider: str) -> Callable[[int, int], None]:
        """Show that the query waits for a slot; live only."""

        def tell(place: int, retry_after_us: int) -> None:
            # Live only, so this machine's clock will do: the time is compared with nothing that is
            # stored.
            self.log.notice(queued_event(provider, place, retry_after_us, wall_us()))

        return tell


class _Attachment:
    """One RPC at a run. A generator in its place would cost each call twice as much."""

    __slots__ = ("_run",)

    def __init__(self, run: QueryRun) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._run._attach(1)

    def __exit__(self, *raised: object) -> None:
        self._run._detach()
