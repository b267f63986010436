"""What waits for the writer's thread: commands with a caller, and notes without one. Bounded.

The thread takes what waits once the event loop has taken in the last batch's answers, and where
several callers are at work it first lets more of them come, for as long as the last batch took.
Both need the interpreter: a thread that went on at once would find the few commands that came while
it committed, and pay for a commit of theirs. Who is alone never waits for others.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog

from chenu_server import engine
from chenu_server.command import Command
from chenu_server.errors import ServerOverloaded
from chenu_server.values import dataclass

log = structlog.get_logger(__name__)

# Callers of a batch that have brought nothing for so long are with their providers, or gone.
_JUST_NOW_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """How much waits, how much is committed at once, and how long a caller may be kept."""

    queue_max: int = 4_096
    notes_max: int = 4_096
    batch_max: int = 128
    note_delay_ms: int = 100
    answer_within_ms: int = 10_000
    loop_within_ms: int = 5
    gather_within_ms: int = 5
    reconnect_delay_ms: int = 250
    probe_ms: int = 5_000
    tend_ms: int = 1_000
    overload_retry_ms: int = 100


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A command, as the kernel takes it, and who waits for it; nobody waits for a note."""

    command: Command[Any]
    asked: engine.Command
    future: asyncio.Future[Any] | None

    @property
    def abandoned(self) -> bool:
        """Whether its caller has left or was answered."""
        return self.future is not None and self.future.done()


class Intake:
    """Filled by the event loop, emptied by the writer's thread."""

    def __init__(
        self,
        limits: WriterLimits,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits
        self._now_s = now_s
        self._sleep = sleep
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._notes: deque[Job] = deque()
        self._closed = False
        self._answered = threading.Event()
        self._answered.set()
        self._last_count = 0
        self._taken_at_s = 0.0

    def __len__(self) -> int:
        """How many commands wait."""
        return self._queue.qsize()

    def put(self, job: Job) -> None:
        """Queue a command.

        Raises:
            ServerOverloaded: As many wait as may.
        """
        if self._queue.qsize() >= self._limits.queue_max:
            raise ServerOverloaded(self._limits.overload_retry_ms * 1_000, "decisions")
        self._queue.put(job)

    def put_note(self, job: Job) -> None:
        """Queue a note for the next batch; one more than may wait is lost, as in a crash."""
        if len(self._notes) >= self._limits.notes_max:
            log.warning("note_lost", command=job.asked.name)
        else:
            self._notes.append(job)

    def wake_for_notes(self) -> None:
        """Run the notes that still wait, in a batch of their own if need be."""
        # They may have ridden with a batch since: a turn of their own is for those that are still
        # here.
        if self._notes:
            self._queue.put(None)

    def answered(self) -> None:
        """The event loop has taken in the last batch's answers; a loop that is stuck never says."""
        self._answered.set()

    def close(self) -> None:
        """Let `take` end once everything queued before has been taken."""
        self._closed = True
        self._queue.put(None)

    def take(self, timeout_s: float | None) -> list[Job] | None:
        """Whatever waits now, notes first; blocks while nothing does. None: closed and empty.

        The list is empty when `timeout_s` passed.
        """
        jobs: list[Job] = []
        free_at_s = self._now_s()
        self._answered.wait(self._limits.loop_within_ms / 1_000)
        try:
            # Once it is closed nothing more comes: what is left is taken, and nothing waited for.
            job = self._queue.get(block=not self._closed, timeout=timeout_s)
            self._gather(batch_s=free_at_s - self._taken_at_s, idle_s=self._now_s() - free_at_s)
            while True:
                if job is not None:
                    jobs.append(job)
                if len(jobs) == self._limits.batch_max:
                    break
                job = self._queue.get_nowait()
        except queue.Empty:
            if self._closed and not jobs and not self._notes:
                return None
        taken = [*self._some_notes(), *(job for job in jobs if not job.abandoned)]
        if taken:
            # Only what was taken is answered: behind an empty turn this would wait for an answer
            # that nobody gives.
            self._answered.clear()
        self._last_count, self._taken_at_s = len(jobs), self._now_s()
        return taken

    def _gather(self, *, batch_s: float, idle_s: float) -> None:
        """Let more come, if others came together with this one, or with its predecessor just now.

        Asleep, not at the queue: woken by each command the thread would take the interpreter from
        the very calls that bring them.
        """
        waiting = self._queue.qsize()
        is_followed = self._last_count > 1 and idle_s < _JUST_NOW_S
        if (waiting or is_followed) and waiting < self._limits.batch_max:
            self._sleep(min(batch_s, self._limits.gather_within_ms / 1_000))

    def _some_notes(self) -> list[Job]:
        count = min(len(self._notes), self._limits.batch_max)
        return [self._notes.popleft() for _ in range(count)]
