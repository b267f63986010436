"""Approved queries that go on by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from chenu_server.errors import ServerOverloaded
from chenu_server.operations.resume import resume_approved
from chenu_server.pipeline.records import Operation
from tests.unit.operations.samples import World


@dataclass
class Waiting:
    """Approved queries, and what starting one of them raises."""

    queries: list[Operation]
    raises: dict[str, Exception] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    async def to_resume(self) -> Sequence[Operation]:
        """All of them."""
        return self.queries

    def resume_approved(self, query: Operation, deadline_s: float | None) -> object:
        """Start it, or fail."""
        if query.request_id in self.raises:
            raise self.raises[query.request_id]
        self.started.append(query.request_id)
        return None


def waiting(**raises: Exception) -> Waiting:
    """Three queries."""
    world = World()
    world.blocked()
    return Waiting([replace(world.query, request_id=name) for name in ("a", "b", "c")], raises)


@pytest.mark.parametrize(
    ("raises", "started"),
    [
        ({}, ["a", "b", "c"]),
        ({"b": KeyError("bug")}, ["a", "c"]),
        ({"b": ServerOverloaded(1, "queries")}, ["a"]),
    ],
)
async def test_one_that_cannot_be_started_stands_in_nobodys_way(
    raises: dict[str, Exception], started: list[str]
) -> None:
    """Where there is no room there is none for those behind it either; they hold their turn."""
    queries = waiting(**raises)

    await resume_approved(queries, queries)

    assert started == queries.started
