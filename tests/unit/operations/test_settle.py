"""How a query that ran ends: by lane G, by a sweep after a crash, or by both in either order."""

from __future__ import annotations

from hashlib import sha256

import pytest

from chenu_server.errors import ProviderRejected, QueryCancelled
from chenu_server.governance.budgets.model import HoldState
from chenu_server.operations.late import settlement_of
from chenu_server.operations.run import Recover, Retry, Settle
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.decide import outcome_of, parts_of
from chenu_server.pipeline.model import Outcome, TokenUsage
from chenu_server.pipeline.output import StoredPart
from chenu_server.pipeline.ports import Admitted
from chenu_server.pipeline.records import Attempt, AttemptState, EventSegment, OutputChunk
from chenu_server.vocabulary import EventKind, Lane, LaneStatus, PartKind, QueryStatus
from tests.unit.operations.samples import (
    ACME,
    BOUND_1,
    BOUND_2,
    World,
    ended,
    following,
    settlement,
)

COMPLETED, FAILED, CANCELLED = QueryStatus.COMPLETED, QueryStatus.FAILED, QueryStatus.CANCELLED
REJECTED = outcome_of(ProviderRejected("first", "http_400"))
CHUNK_CHARACTERS = 16_384
"""What a piece of stored output has at most."""
RECOVER = Recover(ACME, "q", "owner")


def test_an_answer_is_posted_stored_and_told() -> None:
    """Money, output, events, row and entry are one commit."""
    world = World()
    admitted = world.admitted()
    end = ended(admitted, 77, usage=TokenUsage(input_tokens=5, output_tokens=9))

    world.act(Settle(settlement(admitted, end, output="né")))

    assert COMPLETED is world.query.status
    assert (77, 0, 0) == world.money
    assert HoldState.POSTED is world.held.state
    assert (77, 14, 3) == (
        world.query.cost_nanousd,
        world.query.usage.total,
        world.query.output_length,
    )
    assert ["né"] == [chunk.text for chunk in world.rows.all(OutputChunk)]
    assert (StoredPart(PartKind.TEXT, "", 3),) == world.query.output_parts
    assert sha256("né".encode()).hexdigest() in world.rows.entries[-1].payload
    assert 1 == world.kinds.count("part.complete")
    assert ["allow", "execute", "settle"] == world.entries
    assert "llm_call.complete" in world.kinds
    assert "pipeline.complete" == world.kinds[-1]
    assert not world.query.estimated
    assert LaneStatus.COMPLETED is world.lane(Lane.F_EXECUTION)
    assert LaneStatus.COMPLETED is world.lane(Lane.G_AUDIT)


PARTS = (
    Part(kind=PartKind.REASONING, text="", redacted="r"),
    Part(kind=PartKind.TOOL_CALL, text='{"é":1}', name="look", call_id="c1"),
    Part(kind=PartKind.TEXT, text="a" * (CHUNK_CHARACTERS + 1)),
)


def test_each_part_is_stored_and_told_calls_behind_all_others() -> None:
    """Rows by part and byte; ends in the order in which readers get the parts."""
    world = World()
    admitted = world.admitted()

    world.act(Settle(settlement(admitted, ended(admitted, 1), output=PARTS), world.rules))

    chunks = world.rows.all(OutputChunk)
    assert PARTS == parts_of(chunks)
    assert [(0, 0), (1, 0), (2, 0), (2, CHUNK_CHARACTERS)] == [(c.part, c.offset) for c in chunks]
    assert [("", "r"), (), (), ()] == [chunk.proof for chunk in chunks]
    lengths = [part.length for part in world.query.output_parts]
    assert ([0, 8, CHUNK_CHARACTERS + 1], sum(lengths)) == (lengths, world.query.output_length)
    (last,) = [each for each in world.rows.all(EventSegment) if each.events[-1].kind.is_final]
    bodies = [each.body for each in last.events if each.kind is EventKind.PART_COMPLETE]
    assert [0, 2, 1] == [body["part"] for body in bodies]
    told = {"kind": "tool_call", "name": "look", "call_id": "c1", "length": 8, "attempt": 1}
    assert {**told, "part": 1} == bodies[-1]
    assert EventKind.LLM_CALL_COMPLETE is last.events[3].kind
    published = world.rows.published
    assert published.index(chunks[-1]) < published.index(last), "output comes before its end"


def test_what_a_failed_attempt_said_is_stored_and_no_part_of_it_is_complete() -> None:
    """It is no answer; a reader cuts what it has to what the row tells."""
    world = World()
    admitted = world.admitted()
    end = ended(admitted, 0, failure="cut")

    world.act(Settle(settlement(admitted, end, FAILED, REJECTED, output=PARTS[-1:])))

    assert PARTS[-1:] == parts_of(world.rows.all(OutputChunk))
    assert [CHUNK_CHARACTERS + 1] == [part.length for part in world.query.output_parts]
    assert "part.complete" not in world.kinds


@pytest.mark.parametrize(
    ("status", "outcome", "charge", "state"),
    [
        (FAILED, REJECTED, 0, HoldState.VOIDED),
        (FAILED, REJECTED, BOUND_1, HoldState.POSTED),
        (CANCELLED, outcome_of(QueryCancelled("q")), 0, HoldState.VOIDED),
        (CANCELLED, outcome_of(QueryCancelled("q")), BOUND_1, HoldState.POSTED),
    ],
)
def test_a_failure_posts_what_it_may_have_cost_or_gives_all_back(
    status: QueryStatus, outcome: Outcome, charge: int, state: HoldState
) -> None:
    """Nothing went out: voided. Something may have: its bound, marked as estimated."""
    world = World()
    admitted = world.admitted()
    end = ended(admitted, charge, failure="cut", estimated=charge > 0)

    world.act(Settle(settlement(admitted, end, status, outcome)))

    assert status is world.query.status
    assert (charge, 0, 0) == world.money
    assert state is world.held.state
    assert (charge > 0) == world.query.estimated
    assert LaneStatus.FAILED is world.lane(Lane.F_EXECUTION)
    assert "pipeline.error" == world.kinds[-1]


def test_a_free_answer_is_posted_as_nothing() -> None:
    """A completed query's reservation is posted, whatever it came to."""
    world = World()
    admitted = world.admitted()

    world.act(Settle(settlement(admitted, ended(admitted, 0))))

    assert HoldState.POSTED is world.held.state
    assert (0, 0, 0) == world.money


def test_what_is_billed_beyond_the_reservation_is_overrun() -> None:
    """It is counted, never dropped, and never posted beyond what was held."""
    world = World()
    admitted = world.admitted()

    world.act(Settle(settlement(admitted, ended(admitted, BOUND_2 + 5))))

    assert (BOUND_2, 0, 5) == world.money


@pytest.mark.parametrize("charge", [0, 50])
def test_a_failed_attempts_charge_stays_when_the_last_one_cost_nothing(charge: int) -> None:
    """What retry posted is not given back by lane G."""
    world = World()
    first = world.admitted()
    end = ended(first, charge, failure="http_500", estimated=charge > 0)
    second = world.act(Retry(following(first, end), world.rules))
    assert isinstance(second, Admitted)

    world.act(Settle(settlement(second, ended(second, 0, failure="http_500"), FAILED, REJECTED)))

    assert (charge, 0, 0) == world.money
    assert charge == world.query.cost_nanousd
    expected = HoldState.POSTED if charge else HoldState.VOIDED
    assert expected is world.held.state


def test_a_crash_charges_the_bound_and_never_runs_it_again() -> None:
    """The outcome is unknown, the money is at its bound, marked as estimated."""
    world = World()
    world.admitted()

    assert world.act(RECOVER)

    assert FAILED is world.query.status
    assert "EXECUTION_INTERRUPTED" == world.rows.entries[-1].reason
    assert (BOUND_1, 0, 0) == world.money
    assert world.query.estimated
    assert HoldState.EXPIRED is world.held.state
    assert [AttemptState.INTERRUPTED] == [each.state for each in world.rows.all(Attempt)]
    assert not world.act(RECOVER)


def test_a_crash_in_the_second_attempt_charges_both() -> None:
    """The first as it was posted, the second at its bound."""
    world = World()
    first = world.admitted()
    end = ended(first, BOUND_1, failure="timeout", estimated=True)
    world.act(Retry(following(first, end), world.rules))

    world.act(RECOVER)

    assert (BOUND_1 + BOUND_2, 0, 0) == world.money
    assert BOUND_1 + BOUND_2 == world.query.cost_nanousd


def test_only_a_dead_owners_running_query_is_taken_over() -> None:
    """Another owner's, a waiting or an unknown one is left as it is."""
    running, waiting = World(), World()
    running.admitted()
    waiting.blocked()

    assert not running.act(Recover(ACME, "q", "another"))
    assert not waiting.act(RECOVER)
    assert not waiting.act(Recover(ACME, "unknown", "owner"))
    assert QueryStatus.RUNNING is running.query.status
    assert QueryStatus.BLOCKED is waiting.query.status


@pytest.mark.parametrize("billed", [10, BOUND_1, BOUND_1 + 30, BOUND_2 + 30])
def test_a_settle_after_a_takeover_posts_only_what_is_beyond_the_bound(
    billed: int,
) -> None:
    """The bound is charged already; the query stays as the sweep ended it."""
    world = World(BOUND_2)
    admitted = world.admitted()
    world.act(RECOVER)
    events = world.query.event_count

    settled = world.act(Settle(settlement(admitted, ended(admitted, billed), output="late")))

    assert settled == world.query
    assert FAILED is world.query.status
    assert events == world.query.event_count
    posted, reserved, over = world.money
    assert max(billed, BOUND_1) == posted + over
    assert max(billed - BOUND_2, 0) == over
    assert 0 == reserved


@pytest.mark.parametrize("billed", [BOUND_1 + 30, BOUND_2 + 30])
def test_a_late_settle_is_the_same_twice(billed: int) -> None:
    """Its answer may have been lost, and it is submitted again until one comes."""
    world = World(BOUND_2)
    admitted = world.admitted()
    world.act(RECOVER)
    command = Settle(settlement(admitted, ended(admitted, billed), output="late"))
    world.act(command)
    before = world.money

    world.act(command)

    assert before == world.money
    assert billed == before[0] + before[2]


def test_a_takeover_under_a_lowered_limit_is_no_overrun() -> None:
    """The provider billed nothing beyond what was reserved: nothing freezes."""
    world = World()
    world.admitted()
    world.set_limit(1)

    world.act(RECOVER)

    assert (BOUND_1, 0, 0) == world.money


def test_a_settle_is_the_same_twice() -> None:
    """A commit whose answer was lost is submitted again: nothing is posted twice."""
    world = World()
    admitted = world.admitted()
    command = Settle(settlement(admitted, ended(admitted, 77), output="x"))
    world.act(command)
    before = dict(world.rows.stored)

    world.act(command)

    assert before == world.rows.stored
    assert (77, 0, 0) == world.money


def test_an_admission_that_committed_late_is_ended_and_costs_nothing() -> None:
    """Its caller was told that nothing could be recorded; nobody runs it."""
    world = World()
    admitted = world.admitted()

    world.act(Settle(settlement_of(admitted)))

    assert QueryStatus.CANCELLED is world.query.status
    assert QueryCancelled.reason == world.query.outcome.reason
    assert (0, 0, 0) == world.money
    assert HoldState.VOIDED is world.held.state


def retried_late(world: World) -> tuple[Admitted, Admitted]:
    """Two attempts; the run was told that the second could not be recorded."""
    first = world.admitted()
    end = ended(first, BOUND_1, failure="timeout", estimated=True)
    second = world.act(Retry(following(first, end), world.rules))
    assert isinstance(second, Admitted)
    return first, second


@pytest.mark.parametrize("run_first", [True, False])
def test_a_retry_that_committed_late_leaves_no_attempt_executing(run_first: bool) -> None:
    """The run and whoever ends the late attempt settle in either order; nobody ran it."""
    world = World()
    first, second = retried_late(world)
    end = ended(first, BOUND_1, failure="timeout", estimated=True)
    settles = [Settle(settlement(first, end, FAILED, REJECTED)), Settle(settlement_of(second))]

    for command in settles if run_first else reversed(settles):
        world.act(command)

    assert [AttemptState.FAILED] * 2 == [each.state for each in world.rows.all(Attempt)]
    assert ["timeout", "not_dispatched"] == [each.failure for each in world.rows.all(Attempt)]
    assert (BOUND_1, 0, 0) == world.money
    assert BOUND_1 == world.query.cost_nanousd
    assert 2 == world.kinds.count("llm_call.start") == world.kinds.count("llm_call.error")
