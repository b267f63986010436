"""What ends a run before its time, and how it reaches the code that waits."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterator
from contextlib import contextmanager


class StopReason(enum.Enum):
    """Why a run must end."""

    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    DEADLINE = "deadline"
    SHUTDOWN = "shutdown"


class Stopped(Exception):
    """Raised inside `Stop.interrupts` when the run must end."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Stop:
    """One run's stop signal. It interrupts only what says that it may be interrupted.

    Commands are never interrupted: a decision that may have committed is always known.
    """

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self._later: StopReason | None = None
        self._task: asyncio.Task[object] | None = None

    def set(self, reason: StopReason) -> None:
        """Ask the run to end; the first reason holds. Never called by the run's own task."""
        if self.reason is None:
            self.reason = reason
            if self._task is not None:
                self._task.cancel()
        # Kept for `withdraw`: a deadline that has passed meanwhile must not be lost with the wish
        # that was taken back.
        elif self._later is None and reason is not self.reason:
            self._later = reason

    def withdraw(self) -> None:
        """Take back a wish that the run could not meet; it goes on, unless it must end anyway."""
        self.reason, self._later = self._later, None

    def check(self) -> None:
        """
        Go on only if nobody has asked the run to end.

        Raises:
            Stopped: The run must end.
        """
        if self.reason is not None:
            raise Stopped(self.reason)

    @contextmanager
    def interrupts(self) -> Iterator[None]:
        """
        What stands inside may be interrupted.

        Raises:
            Stopped: The run must end.
        """
        # A stop that came while nothing could be interrupted has cancelled nothing, and shows here.
        self.check()
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        try:
            yield
        except asyncio.CancelledError:
            # The task was cancelled by somebody else, not by this signal: that is not for a lane to
            # answer.
            if self.reason is None:
                raise
            # Left standing, the request would tell whoever asks this task later that it is being
            # cancelled.
            task.uncancel()
            raise Stopped(self.reason) from None
        finally:
            self._task = None
