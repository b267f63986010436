"""`Writer` on `FakeRows`: one command after the other, each with a time of its own."""

from __future__ import annotations

from typing import Any

from chenu_server.command import Command, Moment, Row
from tests.fakes.rows import FakeRows, run


class FakeWriter:
    """Decides each command at once; `now_us` is the time of the next batch."""

    healthy = True

    def __init__(self, *rows: Row, now_us: int = 0) -> None:
        self.rows = FakeRows(*rows)
        self.now_us = now_us

    async def submit(self, command: Command[Any]) -> Any:
        """The command's outcome."""
        return run(command, self.rows, Moment(now_us=self.now_us, mono_ns=self.now_us * 1_000))

    def note(self, command: Command[Any]) -> None:
        """Decide it; nobody hears of it."""
        run(command, self.rows, Moment(now_us=self.now_us, mono_ns=self.now_us * 1_000))
