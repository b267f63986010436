"""The sweep of dead owners: what cannot be ended stands in nobody's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chenu_server.errors import InternalError
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.unit import Unit
from chenu_server.units.recover import Recover
from chenu_server.units.sweep import Sweeper


@dataclass
class Left:
    """Queries that an owner left, and which of them no unit can end."""

    running: list[tuple[str, str]]
    broken: set[str] = field(default_factory=set)
    forgotten: list[str] = field(default_factory=list)

    async def running_of(self, owner_id: str, count: int) -> Sequence[tuple[str, str]]:
        """What still runs."""
        return self.running[:count]

    async def lapsed(self, now_us: int, count: int) -> Sequence[Checkpoint]:
        """Nothing waits."""
        return ()

    async def dead_owners(self) -> Sequence[str]:
        """One, until it is forgotten."""
        return [] if self.forgotten else ["dead"]

    async def forget(self, owner_id: str) -> None:
        """Struck off."""
        self.forgotten.append(owner_id)

    async def submit(self, unit: Unit[Any]) -> bool:
        """End one query, or fail as a bug would."""
        assert isinstance(unit, Recover)
        if unit.key[1] in self.broken:
            raise InternalError
        self.running.remove((str(unit.key[0]), str(unit.key[1])))
        return True

    def note(self, unit: Unit[Any]) -> None:
        """Nobody notes anything."""


def sweeper(left: Left) -> Sweeper:
    """A sweeper of these queries."""
    return Sweeper(
        left,
        left,
        left,
        dead_owners=left.dead_owners,
        forget_owner=left.forget,
        now_us=lambda: 0,
    )


async def test_an_owner_is_forgotten_once_nothing_names_it() -> None:
    """Every query that it left is ended first."""
    left = Left([("acme", "a"), ("acme", "b")])

    assert 2 == await sweeper(left).recover()
    assert ([], ["dead"]) == (left.running, left.forgotten)


async def test_a_query_that_cannot_be_ended_stops_neither_the_others_nor_the_start() -> None:
    """Its owner stays on the books, so that the next sweep tries again."""
    left = Left([("acme", "a"), ("acme", "bad"), ("acme", "b")], broken={"bad"})

    assert 2 == await sweeper(left).recover()
    assert ([("acme", "bad")], []) == (left.running, left.forgotten)
