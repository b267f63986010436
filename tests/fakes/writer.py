"""`Writer` on `FakeRows`: one unit after the other, each with a time of its own."""

from __future__ import annotations

from typing import Any

from chenu_server.unit import Moment, Row, Unit
from tests.fakes.rows import FakeRows, run


class FakeWriter:
    """Runs each unit at once; `now_us` is the time of the next batch."""

    healthy = True

    def __init__(self, *rows: Row, now_us: int = 0) -> None:
        self.rows = FakeRows(*rows)
        self.now_us = now_us

    async def submit(self, unit: Unit[Any]) -> Any:
        """The unit's outcome."""
        return run(unit, self.rows, Moment(now_us=self.now_us, mono_ns=self.now_us * 1_000))

    def note(self, unit: Unit[Any]) -> None:
        """Run it; nobody hears of it."""
        run(unit, self.rows, Moment(now_us=self.now_us, mono_ns=self.now_us * 1_000))
