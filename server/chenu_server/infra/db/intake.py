"""What waits for the writer's thread: commands with a caller, and notes without one. Bounded.

`core_rs/store/src/intake.rs` has the rule by which it is taken.
"""

from __future__ import annotations

import asyncio
from typing import Any

from chenu_server import engine
from chenu_server.command import Command
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True)
class WriterLimits:
    """How much waits, how much is committed at once, and how long a caller may be kept."""

    queue_max: int = 4_096
    notes_max: int = 4_096
    batch_max: int = 128
    # A note rides along with a batch; only where none comes for so long is it worth one of its own.
    note_delay_ms: int = 100
    answer_within_ms: int = 10_000
    # For the loop to wake those who were answered: a thread that goes on at once commits two or
    # three commands at a time.
    loop_within_ms: int = 5
    # A commit costs as much as deciding six queries: those that come together share one.
    gather_within_ms: int = 5
    reconnect_delay_ms: int = 250
    # Only a write shows that decisions can be recorded, and an idle server makes none.
    probe_ms: int = 5_000
    tend_ms: int = 1_000
    overload_retry_ms: int = 100

    def intake(self) -> engine.Intake:
        """An empty one."""
        return engine.Intake(
            queue_max=self.queue_max,
            notes_max=self.notes_max,
            batch_max=self.batch_max,
            loop_within_ms=self.loop_within_ms,
            gather_within_ms=self.gather_within_ms,
        )


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
