"""An approval is used once, for exactly what was approved, and only if all still agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chenu_server.command import Moment
from chenu_server.operations.ask import Consume
from chenu_server.pipeline.ports import Admitted, Closed, NotResumable, Resumption, Wait
from chenu_server.vocabulary import CheckpointState, Intent, Lane, LaneStatus, QueryStatus
from tests.unit.operations.samples import (
    BOUND_1,
    BOUND_2,
    FIRST,
    NOWHERE,
    SECOND,
    World,
    admission,
    has_lapsed,
    resumption,
    route,
)

CHEAP = admission(intents=(Intent.DELETE,), chain=route(FIRST))
DEAR = admission(intents=(Intent.DELETE,), chain=route(SECOND))


def consume(world: World, asked: Resumption, *, take_slot: bool = True) -> object:
    """What the command answers."""
    return world.act(Consume(asked, world.rules, take_slot=take_slot))


def test_an_approval_is_used_in_the_unit_that_executes() -> None:
    """Query, checkpoint, attempt, `execute` entry and owner are one commit."""
    world = World()
    asked = world.approved()
    world.now_us += 5

    assert isinstance(consume(world, asked), Admitted)

    assert QueryStatus.RUNNING is world.query.status
    assert "owner" == world.query.owner_id == world.held.owner_id
    assert world.now_us == world.checkpoint.consumed_us
    assert CheckpointState.APPROVED is world.checkpoint.state
    assert ["block", "approve", "execute"] == world.entries
    assert LaneStatus.COMPLETED is world.lane(Lane.E_CHECKPOINT)
    assert (0, BOUND_2, 0) == world.money
    assert 60_000 == world.query.deadline_ms


def test_an_approval_is_used_once() -> None:
    """The second asker finds it running."""
    world = World()
    asked = world.approved()
    consume(world, asked)
    before = dict(world.rows.stored)

    answer = consume(world, asked)

    assert NotResumable(query=world.query) == answer
    assert before == world.rows.stored


def test_only_an_approved_query_goes_on() -> None:
    """A blocked one stays blocked."""
    world = World()
    wanted = admission(intents=(Intent.DELETE,))
    world.blocked(wanted)

    assert isinstance(consume(world, resumption(world.query, wanted)), NotResumable)


def test_an_approval_in_the_instant_of_its_end_is_over() -> None:
    """`use_before` itself is too late."""
    world = World()
    asked = world.approved()
    world.now_us = world.checkpoint.use_before_us

    assert isinstance(consume(world, asked), Closed)

    assert QueryStatus.EXPIRED is world.query.status
    assert CheckpointState.EXPIRED is world.checkpoint.state
    assert (0, 0, 0) == world.money


@pytest.mark.parametrize("take_slot", [True, False])
def test_a_wait_for_a_slot_does_not_use_the_approval(take_slot: bool) -> None:
    """Whether none is free or others wait: nothing is written."""
    world = World()
    asked = world.approved()
    if take_slot:
        world.admitted(admission("x"))
        world.admitted(admission("y"))
    before = dict(world.rows.stored)

    assert isinstance(consume(world, asked, take_slot=take_slot), Wait)
    assert before == world.rows.stored


def changed(world: World) -> Resumption:
    """Another action than the approved one."""
    asked = world.approved()
    return replace(asked, encoded=replace(asked.encoded, action_digest=b"\x02" * 32))


def uncovered(world: World) -> Resumption:
    """What was approved now needs another type of approval too."""
    asked = world.approved()
    snapshot = replace(asked.snapshot, crosses_spheres=True)
    return replace(asked, snapshot=snapshot)


def unrouted(world: World) -> Resumption:
    """Nothing can be called within the approval any more."""
    asked = world.approved()
    return replace(asked, encoded=replace(asked.encoded, route=NOWHERE))


def dearer(world: World) -> Resumption:
    """The budget has shrunk, and the route now costs more than is held."""
    asked = world.approved(CHEAP)
    world.set_limit(BOUND_2 - 1)
    return replace(asked, encoded=DEAR.encoded)


def overdrawn(world: World) -> Resumption:
    """The budget has shrunk under what is held: it is not open any more."""
    asked = world.approved()
    world.set_limit(BOUND_2 - 1)
    return asked


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed, "POLICY_DENIED"),
        (uncovered, "POLICY_DENIED"),
        (unrouted, "NO_ROUTE"),
        (dearer, "BUDGET_EXHAUSTED"),
        (overdrawn, "BUDGET_EXHAUSTED"),
    ],
)
def test_a_check_made_again_ends_the_query_and_its_approval(
    change: Callable[[World], Resumption], reason: str
) -> None:
    """The money goes back, nothing ran, and no sweep finds the approval ever again."""
    world = World()

    assert isinstance(consume(world, change(world)), Closed)

    assert QueryStatus.FAILED is world.query.status
    assert reason == world.rows.entries[-1].reason
    assert "deny" == world.entries[-1]
    assert (0, 0, 0) == world.money
    assert CheckpointState.CANCELLED is world.checkpoint.state
    assert LaneStatus.FAILED is world.lane(Lane.E_CHECKPOINT)
    assert LaneStatus.SKIPPED is world.lane(Lane.F_EXECUTION)
    assert (reason == "BUDGET_EXHAUSTED") == ("budget.exceeded" in world.kinds)
    for later_us in (0, 2**40):
        assert not has_lapsed(world.checkpoint, Moment(now_us=world.now_us + later_us, mono_ns=0))


def test_what_is_held_is_enough_for_what_was_approved() -> None:
    """A budget that the query's own reservation fills is open to that query."""
    world = World(BOUND_2)
    asked = world.approved()

    assert isinstance(consume(world, asked), Admitted)


def test_only_the_difference_is_reserved() -> None:
    """What is held already is not held twice, and a cheaper route holds what it held."""
    dear, cheap = World(), World()
    more, less = dear.approved(CHEAP), cheap.approved(DEAR)

    consume(dear, replace(more, encoded=DEAR.encoded))
    consume(cheap, replace(less, encoded=CHEAP.encoded))

    assert (0, BOUND_2, 0) == dear.money == cheap.money
    assert BOUND_1 < dear.held.amount_nanousd
