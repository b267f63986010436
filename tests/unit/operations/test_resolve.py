"""What a person's decision, a cancel or the clock does to a query that waits."""

from __future__ import annotations

from typing import Any

import pytest

from chenu_server.caller import Principal
from chenu_server.governance.budgets.model import HoldState
from chenu_server.governance.checkpoints.model import Lapsed, Lost, Repeated, Resolved
from chenu_server.operations.wait import Cancel, Expire
from chenu_server.vocabulary import (
    CheckpointState,
    Decision,
    Lane,
    LaneStatus,
    PrincipalType,
    QueryStatus,
)
from tests.unit.budgets.samples import NOON
from tests.unit.operations.samples import ACME, ANN, BACKEND, BOUND_2, LIFETIME_US, World, admission

APPROVE, REJECT = Decision.APPROVE, Decision.REJECT
BOB = Principal(type=PrincipalType.USER, id="bob")
MACHINE_ANN = Principal(type=PrincipalType.SERVICE, id="ann")
DIGEST = admission().encoded.action_digest
EXPIRE = Expire(ACME, "q", "checkpoint-1")
CANCEL = Cancel(ACME, "q", "checkpoint-1", BACKEND, "no longer needed")


def blocked() -> World:
    """A world whose query waits for a person."""
    world = World()
    world.blocked()
    return world


def test_an_approval_keeps_the_money_until_it_must_be_used() -> None:
    """Approval time and the expiry of its types; nothing has run yet."""
    world = blocked()
    world.now_us += 10

    assert isinstance(world.resolve(APPROVE), Resolved)

    assert QueryStatus.APPROVED is world.query.status
    assert NOON + 10 + LIFETIME_US == world.checkpoint.use_before_us == world.held.expires_us
    assert (0, BOUND_2, 0) == world.money
    assert "user:ann" == world.checkpoint.resolved_by
    assert ["block", "approve"] == world.entries
    assert "checkpoint.approved" == world.kinds[-1]


def test_a_rejection_ends_the_query_and_releases_the_money() -> None:
    """`rejected` is a person's no, with its own lane status and event."""
    world = blocked()

    assert isinstance(world.resolve(REJECT), Resolved)

    assert QueryStatus.REJECTED is world.query.status
    assert (0, 0, 0) == world.money
    assert HoldState.VOIDED is world.held.state
    assert LaneStatus.FAILED is world.lane(Lane.E_CHECKPOINT)
    assert LaneStatus.SKIPPED is world.lane(Lane.F_EXECUTION)
    assert LaneStatus.COMPLETED is world.lane(Lane.G_AUDIT)
    assert ["block", "reject"] == world.entries
    assert "checkpoint.rejected" in world.kinds


@pytest.mark.parametrize("late_us", [0, 1])
@pytest.mark.parametrize("decision", list(Decision))
def test_a_decision_in_the_instant_of_the_expiry_loses(decision: Decision, late_us: int) -> None:
    """Expired means denied; one clock decides."""
    world = blocked()
    world.now_us = world.checkpoint.expires_us + late_us

    assert isinstance(world.resolve(decision), Lapsed)

    assert QueryStatus.EXPIRED is world.query.status
    assert CheckpointState.EXPIRED is world.checkpoint.state
    assert (0, 0, 0) == world.money
    assert ["block", "expire"] == world.entries


@pytest.mark.parametrize(
    ("first", "second", "again", "answer"),
    [
        (APPROVE, APPROVE, {}, Repeated),
        (REJECT, REJECT, {}, Repeated),
        (APPROVE, APPROVE, {"expected_digest": DIGEST}, Repeated),
        (APPROVE, APPROVE, {"decision_id": "other"}, Lost),
        (APPROVE, REJECT, {}, Lost),
        (REJECT, APPROVE, {}, Lost),
        (APPROVE, APPROVE, {"by": BOB}, Lost),
        (REJECT, REJECT, {"by": BOB}, Lost),
        (APPROVE, APPROVE, {"by": MACHINE_ANN}, Lost),
        (REJECT, REJECT, {"reason": "another"}, Lost),
        (APPROVE, APPROVE, {"expected_digest": bytes(32)}, Lost),
    ],
)
def test_a_checkpoint_is_resolved_once(
    first: Decision, second: Decision, again: dict[str, Any], answer: type[object]
) -> None:
    """A person's same decision is answered alike; anyone and anything else learns who won."""
    world = blocked()
    world.resolve(first)
    before = dict(world.rows.stored)

    told = world.resolve(second, **again)

    assert answer is type(told)
    assert "user:ann" == told.checkpoint.resolved_by  # type: ignore[attr-defined] # both have it
    assert before == world.rows.stored
    assert 2 == len(world.rows.entries)


@pytest.mark.parametrize(
    ("end", "state"),
    [(EXPIRE, CheckpointState.EXPIRED), (CANCEL, CheckpointState.CANCELLED)],
)
def test_an_approval_that_has_ended_is_not_answered_as_one(
    end: Expire | Cancel, state: CheckpointState
) -> None:
    """The same decision under the same id would tell its person that the action may still run."""
    world = blocked()
    world.resolve(APPROVE)
    world.now_us = world.held.expires_us
    world.act(end)

    answer = world.resolve(APPROVE)

    assert isinstance(answer, Lost)
    assert state is answer.checkpoint.state


@pytest.mark.parametrize("approved", [False, True])
def test_a_wait_expires_in_the_instant_that_its_time_is_over(approved: bool) -> None:
    """Not a microsecond sooner; an unused approval ends like an undecided question."""
    world = blocked()
    if approved:
        world.resolve(APPROVE)
    world.now_us = world.held.expires_us - 1

    assert not world.act(EXPIRE)
    world.now_us += 1
    assert world.act(EXPIRE)

    assert QueryStatus.EXPIRED is world.query.status
    assert CheckpointState.EXPIRED is world.checkpoint.state
    assert HoldState.EXPIRED is world.held.state
    assert (0, 0, 0) == world.money
    assert "checkpoint.expired" in world.kinds
    assert not world.act(EXPIRE)


@pytest.mark.parametrize("approved", [False, True])
def test_a_cancel_takes_checkpoint_and_money_along(approved: bool) -> None:
    """Also those of an approval that was not used."""
    world = blocked()
    if approved:
        world.resolve(APPROVE)

    world.act(CANCEL)

    assert QueryStatus.CANCELLED is world.query.status
    assert CheckpointState.CANCELLED is world.checkpoint.state
    assert HoldState.VOIDED is world.held.state
    assert (0, 0, 0) == world.money
    assert "service:backend" == world.checkpoint.resolved_by
    assert "QUERY_CANCELLED" == world.rows.entries[-1].reason


@pytest.mark.parametrize("command", [EXPIRE, CANCEL])
def test_a_final_query_is_never_changed(command: Expire | Cancel) -> None:
    """Whatever comes late finds it as it ended."""
    world = blocked()
    world.resolve(REJECT)
    world.now_us += 2 * LIFETIME_US
    before = dict(world.rows.stored)

    world.act(command)

    assert before == world.rows.stored


def test_a_decision_after_a_cancel_finds_the_checkpoint_cancelled() -> None:
    """Nothing runs that its caller has withdrawn."""
    world = blocked()
    world.act(CANCEL)

    answer = world.resolve(APPROVE, by=ANN)

    assert isinstance(answer, Lost)
    assert CheckpointState.CANCELLED is answer.checkpoint.state
