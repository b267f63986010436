"""Who waits for a commit, and for how long at most: one timer for all of them."""

from __future__ import annotations

import asyncio

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.intake import Job


class Patience:
    """Tells a job's caller that it could not be recorded, once its time is up. Of one loop.

    All have the same time, so they are due in the order in which they came, and the timer stands
    at the first of those that waited when it was set: each is told as if it had its own.
    """

    def __init__(self, within_ms: int) -> None:
        self._within_s = within_ms / 1_000
        # Whoever has its answer is taken out at once: kept until it would have been due, the
        # answers of the last ten seconds would stay in memory, thousands of them.
        self._due: dict[Job, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        """It waits from now on; `end` is owed."""
        self._due[job] = due = loop.time() + self._within_s
        if self._timer is None:
            self._timer = loop.call_at(due, self._sweep, loop)

    def end(self, job: Job) -> None:
        """It waits no longer."""
        self._due.pop(job, None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop calls a little early rather than late, and by this timer's own time all is due
        # that was due with it.
        assert self._timer is not None
        now = max(loop.time(), self._timer.when())
        self._timer = None
        for job, due in list(self._due.items()):
            if due > now:
                self._timer = loop.call_at(due, self._sweep, loop)
                return
            del self._due[job]
            _give_up(job)


def _give_up(job: Job) -> None:
    if job.future is not None and not job.future.done():
        # First: what is told not to be recorded must not be decided a moment later.
        job.asked.leave()
        job.future.set_exception(GovernanceUnavailable())
