"""The sweep of dead owners: what cannot be ended stands in nobody's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chenu_server.errors import InternalError
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.unit import Moment, Unit
from chenu_server.units.sweep import BATCH, Sweeper
from tests.unit.units.samples import World


@dataclass
class Left:
    """Queries that an owner left, and which of them no unit can end."""

    running: list[tuple[str, str]]
    broken: set[str] = field(default_factory=set)
    waiting: list[Checkpoint] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    async def running_of(
        self, owner_id: str, after: tuple[str, str], count: int
    ) -> Sequence[tuple[str, str]]:
        """What still runs."""
        return sorted(key for key in self.running if key > after)[:count]

    async def lapsed(self, now_us: int, after: str, count: int) -> Sequence[Checkpoint]:
        """What waits, its time over."""
        waiting = sorted(self.waiting, key=lambda each: each.checkpoint_id)
        return [each for each in waiting if each.checkpoint_id > after][:count]

    async def dead_owners(self) -> Sequence[str]:
        """One, until it is forgotten."""
        return [] if self.forgotten else ["dead"]

    async def forget(self, owner_id: str) -> None:
        """Struck off."""
        self.forgotten.append(owner_id)

    async def submit(self, unit: Unit[Any]) -> bool:
        """End one query, or fail as a bug would."""
        (key, *_) = unit.needs(Moment(now_us=0, mono_ns=0))
        ended = str(key.key[1])
        if ended in self.broken:
            raise InternalError
        self.running = [each for each in self.running if each[1] != ended]
        self.waiting = [each for each in self.waiting if each.checkpoint_id != ended]
        return True

    def note(self, unit: Unit[Any]) -> None:
        """Nobody notes anything."""


def waiting(checkpoint_id: str) -> Checkpoint:
    """A checkpoint that nobody has decided."""
    world = World()
    world.blocked()
    return replace(world.checkpoint, checkpoint_id=checkpoint_id)


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


async def test_many_queries_that_cannot_be_ended_hide_none_behind_them() -> None:
    """More than one look-up finds."""
    bad = [("acme", f"a{number:03}") for number in range(BATCH + 1)]
    left = Left([*bad, ("acme", "b")], broken={request_id for _, request_id in bad})

    assert 1 == await sweeper(left).recover()
    assert bad == left.running


async def test_an_expiry_that_fails_blocks_none_behind_it() -> None:
    """Not one, and not as many as one look-up finds: their money would be held for ever."""
    bad = [waiting(f"a{number:03}") for number in range(BATCH + 1)]
    left = Left([], {each.checkpoint_id for each in bad}, waiting=[*bad, waiting("b")])

    assert 1 == await sweeper(left).expire()
    assert bad == left.waiting


async def test_a_turn_goes_on_where_the_last_one_failed() -> None:
    """What was broken is tried again on every turn."""
    left = Left([], {"a"}, waiting=[waiting("a")])
    sweeping = sweeper(left)
    await sweeping.turn()
    left.broken.clear()

    await sweeping.turn()

    assert [] == left.waiting
