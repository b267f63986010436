"""What committed late is ended however long nothing can be recorded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from chenu_server.command import Command
from chenu_server.errors import ChenuError, GovernanceUnavailable, Internal
from chenu_server.operations.late import LateCommits
from tests.unit.operations.samples import World

REFUSALS = 3


class Refusing:
    """A writer that records nothing, so many times."""

    healthy = True

    def __init__(self, world: World, error: type[ChenuError] = GovernanceUnavailable) -> None:
        self._world = world
        self._error = error
        self.refused = 0
        self.done = asyncio.Event()

    async def submit(self, command: Command[Any]) -> Any:
        """Run it, if it is time."""
        if self.refused < REFUSALS:
            self.refused += 1
            raise self._error
        outcome = self._world.act(command)
        self.done.set()
        return outcome

    def note(self, command: Command[Any]) -> None:
        """Nobody notes anything."""


async def test_it_is_tried_until_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage that made the commit late is seldom over with it."""
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    world, late = World(), LateCommits()
    writer = Refusing(world)
    late.attach(writer)
    late.on_late("admit", world.admitted())
    await writer.done.wait()

    assert REFUSALS == writer.refused == len(slept)
    assert world.query.status.is_final
    assert (0, 0, 0) == world.money


async def test_what_a_bug_refuses_is_not_asked_again() -> None:
    """The same settlement would meet it again each second, for as long as the process lives."""
    world, late = World(), LateCommits()
    writer = Refusing(world, Internal)
    late.attach(writer)
    with capture_logs() as logs:
        late.on_late("admit", world.admitted())
        await asyncio.gather(*late._tasks)

    assert 1 == writer.refused
    assert ("error", "late_settle_failed") == (logs[-1]["log_level"], logs[-1]["event"])


async def test_what_nobody_would_run_is_left_alone() -> None:
    """A query that waits for a person ends by that person, or by its time."""
    world, late = World(), LateCommits()
    blocked = world.blocked()
    before = dict(world.rows.stored)
    late.attach(Refusing(world))
    late.on_late("admit", blocked)
    await asyncio.sleep(0)

    assert before == world.rows.stored
