"""What ends a run before its time, and how it reaches the code that waits."""

from __future__ import annotations

import asyncio
import enum


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

    def interrupts(self) -> _Interruptible:
        """
        What stands inside may be interrupted.

        Raises:
            Stopped: The run must end.
        """
        return _Interruptible(self)


class _Interruptible:
    """What a stop may interrupt. A generator in its place would cost each call twice as much."""

    __slots__ = ("_stop",)

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        # A stop that came while nothing could be interrupted has cancelled nothing, and shows here.
        self._stop.check()
        self._stop._task = asyncio.current_task()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        stop = self._stop
        task, stop._task = stop._task, None
        # If the task was cancelled by somebody else, not by this signal, that is not for a lane to
        # answer.
        if kind is None or stop.reason is None or not issubclass(kind, asyncio.CancelledError):
            return
        # Left standing, the request would tell whoever asks this task later that it is being
        # cancelled.
        assert task is not None
        task.uncancel()
        raise Stopped(stop.reason) from None
