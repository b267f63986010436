"""How long each write of a stream may take, for one timer a stream.

`asyncio.timeout` makes and drops a timer for every message, which costs more than to hand most
messages over.
"""

from __future__ import annotations

import asyncio


class WriteLimit:
    """Cancels the current task while one write of it takes too long.

    The timer is set by a write that finds none. When it goes off it follows the write of that
    moment, so a stream that waits for its next message has none for long.
    """

    __slots__ = ("_cancelling", "_due_s", "_expired", "_limit_s", "_loop", "_task", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        """`close` is owed."""
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._loop = loop
        self._task = task
        self._limit_s = limit_s
        self._cancelling = task.cancelling()
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False

    def begin(self) -> None:
        """A write begins; `done` is owed once it has ended well."""
        self._due_s = self._loop.time() + self._limit_s
        if self._timer is None:
            self._timer = self._loop.call_at(self._due_s, self._check)

    def done(self) -> None:
        """The write has ended in time."""
        self._due_s = 0.0

    def close(self) -> None:
        """The stream is over."""
        if self._timer is not None:
            self._timer.cancel()

    def is_cause(self) -> bool:
        """Whether a write was cancelled for its time alone, and by nobody else; ask once."""
        return self._expired and self._task.uncancel() <= self._cancelling

    def _check(self) -> None:
        self._timer = None
        if not self._due_s:
            return
        # A later write has moved the time on since the timer was set.
        if self._loop.time() < self._due_s:
            self._timer = self._loop.call_at(self._due_s, self._check)
        else:
            self._expired = True
            self._task.cancel()
