"""Lane D in one command: each of its six answers, what it writes, and what it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.caller import Caller, Principal
from chenu_server.governance.budgets.model import Hold
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.governance.limits.model import Slot
from chenu_server.pipeline.ports import Admission, Admitted, Blocked, Closed, Conflict, Known, Wait
from chenu_server.pipeline.records import (
    Attempt,
    AttemptState,
    EventSegment,
    Operation,
    QueryContent,
)
from chenu_server.vocabulary import (
    CheckpointState,
    CheckpointType,
    Intent,
    Lane,
    LaneStatus,
    PrincipalType,
    QueryStatus,
)
from tests.unit.budgets.samples import NOON
from tests.unit.operations.samples import (
    BOUND_1,
    BOUND_2,
    CALLER,
    FIRST,
    LIFETIME_US,
    LIMIT,
    NOWHERE,
    SECOND,
    UNPRICED,
    World,
    admission,
    bound_of,
    route,
)


def test_an_allowed_query_runs_with_everything_written_at_once() -> None:
    """Claim, money, slot, attempt, events, `allow` and `execute` are one commit."""
    world = World()

    admitted = world.admitted()

    assert QueryStatus.RUNNING is world.query.status
    assert "owner" == world.query.owner_id
    assert (0, BOUND_2, 0) == world.money
    assert BOUND_1 == admitted.attempt.bound_nanousd
    assert AttemptState.EXECUTING is admitted.attempt.state
    assert ["allow", "execute"] == world.entries
    assert [NOON + LIMIT.held_before_dispatch_us] == [s.free_at_us for s in world.rows.all(Slot)]
    assert LaneStatus.SKIPPED is world.lane(Lane.E_CHECKPOINT)
    assert "llm_call.start" == world.kinds[-1]
    assert 1 == len(world.rows.all(QueryContent))


def test_a_log_begins_with_what_was_accepted_and_how_its_lanes_went() -> None:
    """A reader who comes late sees each lane begin and end, as if it had watched."""
    world = World()

    world.admitted()

    lane = ["lane.start", "lane.complete"]
    assert ["pipeline.start", *lane, *lane, *lane, *lane] == world.kinds[:9]
    (segment,) = world.rows.all(EventSegment)
    assert {
        "sphere": "personal",
        "mode": "command",
        "intents": ["query"],
        "detected": ["query"],
        "agent_role": "",
    } == segment.events[0].body
    walked = (Lane.A_INTENT, Lane.B_CONTEXT, Lane.C_ENCODING, Lane.D_GOVERNANCE)
    assert [each.value for each in walked] == [it.body["lane"] for it in segment.events[1:9:2]]
    assert [each.value for each in walked] == [it.body["lane"] for it in segment.events[2:10:2]]


def test_a_query_that_a_person_must_approve_holds_its_money_and_takes_no_slot() -> None:
    """Nothing ran: no attempt, no slot; the reservation ends with the checkpoint."""
    world = World()

    blocked = world.blocked()

    assert QueryStatus.BLOCKED is world.query.status
    assert (0, BOUND_2, 0) == world.money
    assert NOON + LIFETIME_US == world.held.expires_us == world.checkpoint.expires_us
    assert "checkpoint-1" == blocked.pending.checkpoint_id
    assert ["block"] == world.entries
    assert "pipeline.blocked" == world.kinds[-1]
    assert LaneStatus.BLOCKED is world.lane(Lane.E_CHECKPOINT)
    assert Lane.G_AUDIT not in [report.lane for report in world.query.lanes]
    assert not world.rows.all(Slot) and not world.rows.all(Attempt)


def test_several_checkpoints_are_one_that_lists_all_types_and_expires_first() -> None:
    """The shortest expiry of its types holds."""
    world = World()

    world.blocked(admission(intents=(Intent.DELETE, Intent.TRANSFER), crosses_spheres=True))

    assert 1 == len(world.rows.all(Checkpoint))
    assert {
        CheckpointType.DESTRUCTIVE_ACTION,
        CheckpointType.DATA_ACCESS,
        CheckpointType.CROSS_SPHERE,
    } == set(world.checkpoint.types)
    assert NOON + LIFETIME_US // 2 == world.checkpoint.expires_us
    assert CheckpointState.PENDING is world.checkpoint.state


NOBODY = replace(CALLER, roles=frozenset())


@pytest.mark.parametrize(
    ("asked", "limit", "reason"),
    [
        (admission(caller=NOBODY), 100_000, "POLICY_DENIED"),
        (admission(caller=NOBODY, intents=(Intent.DELETE,)), 100_000, "POLICY_DENIED"),
        (admission(chain=NOWHERE), 100_000, "NO_ROUTE"),
        (admission(chain=UNPRICED), 100_000, "PRICE_UNKNOWN"),
        (admission(), BOUND_2 - 1, "BUDGET_EXHAUSTED"),
        (admission(intents=(Intent.DELETE,)), BOUND_2 - 1, "BUDGET_EXHAUSTED"),
    ],
)
def test_a_denied_query_is_closed_in_the_same_unit(
    asked: Admission, limit: int, reason: str
) -> None:
    """It is failed: D failed, E and F skipped, G completed; nothing is held."""
    world = World(limit)

    assert isinstance(world.admit(asked), Closed)

    assert QueryStatus.FAILED is world.query.status
    assert reason == world.rows.entries[-1].reason
    assert ["deny"] == world.entries
    assert LaneStatus.FAILED is world.lane(Lane.D_GOVERNANCE)
    assert LaneStatus.SKIPPED is world.lane(Lane.E_CHECKPOINT)
    assert LaneStatus.SKIPPED is world.lane(Lane.F_EXECUTION)
    assert LaneStatus.COMPLETED is world.lane(Lane.G_AUDIT)
    assert (reason == "BUDGET_EXHAUSTED") == ("budget.exceeded" in world.kinds)
    assert not world.rows.all(Hold) and not world.rows.all(Slot)


@pytest.mark.parametrize(("required", "answer"), [(True, Closed), (False, Admitted)])
def test_no_budget_is_a_denial_unless_configured_otherwise(
    required: bool, answer: type[object]
) -> None:
    """`BUDGET_REQUIRED` is the default."""
    world = World(budget_required=required)
    world.rows.stored.clear()

    assert isinstance(world.admit(), answer)


def test_no_free_slot_writes_nothing() -> None:
    """A wait is not a write: the id stays free, no money is held."""
    world = World()
    world.admitted(admission("x"))
    world.admitted(admission("y"))
    before = dict(world.rows.stored)

    answer = world.admit()

    assert Wait(free_times_us=(NOON + LIMIT.held_before_dispatch_us,)) == answer
    assert before == world.rows.stored


def test_a_query_that_may_run_waits_behind_those_that_wait() -> None:
    """It is told so before it takes a free slot out of turn, and nothing is written."""
    world = World()
    before = dict(world.rows.stored)

    assert Wait() == world.admit(take_slot=False)
    assert before == world.rows.stored


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (admission(intents=(Intent.DELETE,)), Blocked),
        (admission(chain=NOWHERE), Closed),
    ],
)
def test_what_needs_no_slot_is_answered_out_of_turn(asked: Admission, answer: type[object]) -> None:
    """A block or a denial is not kept waiting by others' calls."""
    assert isinstance(World().admit(asked, take_slot=False), answer)


OTHER = Principal(type=PrincipalType.SERVICE, id="other")
AGENT = Principal(type=PrincipalType.AGENT, id="backend")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (admission(), Known),
        (admission(content=b"other"), Conflict),
        (admission(caller=replace(CALLER, principal=OTHER)), Conflict),
        (admission(caller=replace(CALLER, principal=AGENT)), Conflict),
    ],
)
@pytest.mark.parametrize("take_slot", [True, False])
def test_an_id_is_one_query_of_one_principal(
    asked: Admission, answer: type[object], take_slot: bool
) -> None:
    """The same again attaches, anything else conflicts; neither writes or is charged."""
    world = World()
    world.admitted()
    before = dict(world.rows.stored)

    assert isinstance(world.admit(asked, take_slot=take_slot), answer)
    assert before == world.rows.stored


def test_the_same_id_in_another_identity_is_another_query() -> None:
    """Ids belong to their identity."""
    world = World(budget_required=False)
    world.admitted()

    caller = Caller(principal=CALLER.principal, identity_id="umbrella", roles=CALLER.roles)

    assert isinstance(world.admit(admission(caller=caller)), Admitted)
    assert {"acme", "umbrella"} == {query.identity_id for query in world.rows.all(Operation)}


@pytest.mark.parametrize(
    ("limit", "max_cost", "cap"),
    [
        (100_000, bound_of(1), 1_000),
        (bound_of(1, 400), bound_of(1), 400),
        (100_000, bound_of(1, 300), 300),
        (bound_of(1, 256), bound_of(1), 256),
    ],
)
def test_a_default_cap_is_lowered_to_what_fits(limit: int, max_cost: int, cap: int) -> None:
    """To the budget or to the caller's ceiling, and the money held is that cap's bound."""
    world = World(limit)

    admitted = world.admitted(admission(chain=route(FIRST), default_cap=True, max_cost=max_cost))

    assert cap == admitted.output_cap == world.query.output_cap
    assert (0, bound_of(1, cap), 0) == world.money


def test_a_cap_is_never_lowered_under_the_least() -> None:
    """Less than that is no answer: the query is denied."""
    world = World(bound_of(1, 256) - 1)

    answer = world.admit(admission(chain=route(FIRST), default_cap=True, max_cost=bound_of(1)))

    assert isinstance(answer, Closed)
    assert "BUDGET_EXHAUSTED" == world.rows.entries[-1].reason


def test_a_callers_own_cap_stands() -> None:
    """It is denied rather than cut short."""
    world = World(bound_of(1) - 1)

    assert isinstance(world.admit(admission(chain=route(FIRST))), Closed)


def test_the_dearest_of_the_chain_is_held() -> None:
    """So that the failover is covered before the first attempt goes out."""
    world = World()

    world.admitted(admission(chain=route(SECOND, FIRST)))

    assert (0, BOUND_2, 0) == world.money
