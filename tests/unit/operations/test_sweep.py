"""The sweep of dead owners: what cannot be ended stands in nobody's way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from chenu_server.command import Command
from chenu_server.errors import ChenuError, GovernanceUnavailable, Internal
from chenu_server.operations.run import Recover
from chenu_server.operations.spending import Lapse
from chenu_server.operations.sweep import BATCH, Sweeper
from chenu_server.operations.wait import Expire


@dataclass
class Lapsing:
    """Reservations of services whose time is over."""

    waiting: list[str] = field(default_factory=list)

    async def lapsed(
        self, now_us: int, after: tuple[int, str, str], count: int
    ) -> Sequence[tuple[int, str, str]]:
        """Those behind a place."""
        found = sorted((7, "acme", each) for each in self.waiting)
        return [each for each in found if each > after][:count]


@dataclass
class Left:
    """Queries that an owner left, and which of them no command can end."""

    running: list[tuple[str, str]]
    broken: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)
    raises: type[ChenuError] = Internal
    healthy: bool = True
    tried: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    fenced: list[str] = field(default_factory=list)
    is_back: bool = False
    lapsing: Lapsing = field(default_factory=Lapsing)

    async def lapsed(self, now_us: int, after: str, count: int) -> Sequence[tuple[str, str, str]]:
        """What waits, its time over."""
        found = sorted(each for each in self.waiting if each > after)[:count]
        return [("acme", "q", each) for each in found]

    async def dead_owners(self) -> Sequence[str]:
        """One, until it is forgotten."""
        return [] if self.forgotten else ["dead"]

    async def fence(self, owner_id: str) -> Sequence[tuple[str, str]] | None:
        """What still runs; once it has come back it is nobody's to take over from."""
        self.fenced.append(owner_id)
        return None if self.is_back else sorted(self.running)

    async def forget(self, owner_id: str) -> None:
        """Struck off."""
        self.forgotten.append(owner_id)

    async def submit(self, command: Command[Any]) -> bool:
        """End one query, or fail as a bug would."""
        if isinstance(command, Recover):
            ended = str(command.key[1])
        elif isinstance(command, Lapse):
            ended = command.request_id
        else:
            assert isinstance(command, Expire)
            ended = command.checkpoint_id
        self.tried.append(ended)
        if ended in self.broken:
            raise self.raises
        self.running = [each for each in self.running if each[1] != ended]
        self.waiting = [each for each in self.waiting if each != ended]
        self.lapsing.waiting = [each for each in self.lapsing.waiting if each != ended]
        return True

    def note(self, command: Command[Any]) -> None:
        """Nobody notes anything."""


def sweeper(left: Left) -> Sweeper:
    """A sweeper of these queries."""
    return Sweeper(
        left,
        left,
        left.lapsing,
        dead_owners=left.dead_owners,
        fence_owner=left.fence,
        forget_owner=left.forget,
        now_us=lambda: 0,
    )


async def test_an_owner_is_forgotten_once_nothing_names_it() -> None:
    """Every query that it left is ended first."""
    left = Left([("acme", "a"), ("acme", "b")])

    assert 2 == await sweeper(left).recover()
    assert ([], ["dead"]) == (left.running, left.forgotten)


async def test_an_owner_that_has_come_back_is_left_alone() -> None:
    """Between the look and the fence it took its lock again."""
    left = Left([("acme", "a")])
    left.is_back = True

    assert 0 == await sweeper(left).recover()
    assert (["dead"], [], []) == (left.fenced, left.tried, left.forgotten)


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


@pytest.mark.parametrize("raises", [Internal, GovernanceUnavailable])
async def test_an_expiry_that_fails_blocks_none_behind_it(raises: type[ChenuError]) -> None:
    """Whether it cannot be decided or not be written, and not as many as one look-up finds."""
    bad = [f"a{number:03}" for number in range(BATCH + 1)]
    left = Left([], set(bad), waiting=[*bad, "b"], raises=raises)

    assert 1 == await sweeper(left).expire()
    assert bad == left.waiting


async def test_what_could_not_be_ended_is_tried_on_the_next_turn() -> None:
    """A sweep goes on where the last one failed."""
    left = Left([], {"a"}, waiting=["a"])
    sweeping = sweeper(left)
    await sweeping.expire()
    left.broken.clear()

    assert 1 == await sweeping.expire()


@pytest.mark.parametrize("sweep", [Sweeper.expire, Sweeper.recover])
async def test_a_database_that_is_away_ends_the_sweep(
    sweep: Callable[[Sweeper], Awaitable[int]],
) -> None:
    """Each of thousands would fail alike, and tell so; the next turn begins anew."""
    left = Left([("acme", "a"), ("acme", "b")], {"a"}, waiting=["a", "b"])
    left.raises, left.healthy = GovernanceUnavailable, False

    with capture_logs() as logs, pytest.raises(GovernanceUnavailable):
        await sweep(sweeper(left))

    assert (["a"], []) == (left.tried, logs)


async def test_a_reservation_that_cannot_be_ended_blocks_none_behind_it() -> None:
    """More of them than one look brings, the first ones damaged."""
    names = [f"q-{at:04}" for at in range(BATCH + 3)]
    left = Left([], broken=set(names[:BATCH]), lapsing=Lapsing(list(names)))

    assert 3 == await sweeper(left).lapse()
    assert names == left.tried
    assert names[:BATCH] == left.lapsing.waiting
