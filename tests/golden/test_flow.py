"""The golden flow: what CHE·NU is for, from the first question to the ledger, on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.golden.flow import Flow
from tests.harness import Failure, only, staged

EN, FR = "Delete all archived items", "Supprime tous mes anciens fils"
MODEL = only("groq", "openai/gpt-oss-120b")


@pytest.fixture
async def flow(database_url: str, tmp_path: Path) -> AsyncIterator[Flow]:
    """Everybody on a fresh server with a generous budget."""
    async with staged(database_url, tmp_path) as stage:
        await stage.budget("acme")
        yield Flow(stage)


async def test_a_question_is_answered_charged_and_written_down(flow: Flow) -> None:
    """The ordinary case: three decisions, one call, one bill."""
    request_id, response = await flow.ask("What is the capital of France?")

    assert isinstance(response, pb.QueryResponse)
    budget, bill = await flow.budget(), flow.stage.upstream.bill.total_nanousd
    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state
    assert (bill, bill, 0) == (
        response.query.cost_nanousd,
        budget.posted_nanousd,
        budget.reserved_nanousd,
    )
    assert ["allow", "execute", "settle"] == await flow.decisions(request_id)
    assert await flow.ledger_failure() is None


@pytest.mark.parametrize("text", [EN, FR])
async def test_what_a_person_approves_runs_once(flow: Flow, text: str) -> None:
    """Blocked in both languages, approved once, run once, however often it is continued."""
    request_id, blocked = await flow.ask(text)
    assert isinstance(blocked, Failure)
    before = flow.stage.upstream.arrivals_total
    approved = await flow.decide(flow.ann, blocked, yes=True)

    first, error = await flow.go_on(request_id)
    again, _ = await flow.go_on(request_id)

    assert ("CHECKPOINT_PENDING", "423") == (blocked.reason, blocked.metadata["http_status"])
    assert (0, None, None) == (before, approved, error)
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == first[-1].type == again[-1].type
    assert 1 == flow.stage.upstream.arrivals_total
    assert ["block", "approve", "execute", "settle"] == await flow.decisions(request_id)
    assert await flow.ledger_failure() is None


async def test_what_a_person_rejects_never_runs(flow: Flow) -> None:
    """No is no, for good, and costs nothing."""
    request_id, blocked = await flow.ask(EN)
    assert isinstance(blocked, Failure)
    await flow.decide(flow.ann, blocked, yes=False)

    late = await flow.decide(flow.ann, blocked, yes=True)
    _, error = await flow.go_on(request_id)

    budget = await flow.budget()
    assert late is not None and "CHECKPOINT_ALREADY_RESOLVED" == late.reason
    assert error is not None and "CHECKPOINT_REJECTED" == error.reason
    assert message_pb2.QUERY_STATE_REJECTED == await flow.state(request_id)
    assert (0, 0) == (budget.posted_nanousd, budget.reserved_nanousd)
    assert 0 == flow.stage.upstream.arrivals_total
    assert ["block", "reject"] == await flow.decisions(request_id)


async def test_another_identity_reaches_nothing(flow: Flow) -> None:
    """Not the query, not the checkpoint; the owner's approval still works afterwards."""
    request_id, blocked = await flow.ask(EN)
    assert isinstance(blocked, Failure)
    query = pb.GetQueryRequest(request_id=request_id)

    seen = await flow.stranger.outcome(flow.stranger.pipeline.GetQuery, query)
    decided = await flow.decide(flow.stranger, blocked, yes=True)
    approved = await flow.decide(flow.ann, blocked, yes=True)

    assert seen is not None and decided is not None
    assert "IDENTITY_BOUNDARY_VIOLATION" == seen.reason == decided.reason
    assert approved is None
    assert await flow.ledger_failure() is None


async def test_money_that_is_not_there_is_not_spent(flow: Flow) -> None:
    """One query fits; the next is refused before any call, and says no amount."""
    _, validated = await flow.ask(EN, validate_only=True, routing=MODEL)
    assert isinstance(validated, pb.QueryResponse)
    theirs = flow.stage.client("thrifty")
    bound = validated.validation.cost_bound_nanousd
    await flow.stage.budget("thrifty", limit_nanousd=bound)

    request = pb.QueryRequest(text=EN, routing=MODEL)
    held = await theirs.fail(theirs.pipeline.Query, request)
    refused = await theirs.fail(theirs.pipeline.Query, pb.QueryRequest(text="Hi", routing=MODEL))

    assert ("CHECKPOINT_PENDING", "BUDGET_EXHAUSTED") == (held.reason, refused.reason)
    assert str(bound) not in refused.message
    assert 0 == flow.stage.upstream.arrivals_total
    assert await flow.ledger_failure() is None


async def test_the_same_id_is_the_same_query_on_every_store(flow: Flow) -> None:
    """A retry after the answer is the answer; other content is a conflict."""
    request_id, first = await flow.ask("Tell me a story")
    same = pb.QueryRequest(text="Tell me a story", request_id=request_id)
    other = pb.QueryRequest(text="Tell me another", request_id=request_id)

    again = await flow.service.call(flow.service.pipeline.Query, same)
    conflict = await flow.service.fail(flow.service.pipeline.Query, other)

    assert first == again
    assert "REQUEST_ID_CONFLICT" == conflict.reason
    assert 1 == flow.stage.upstream.arrivals_total


async def test_asking_twice_asks_a_person_once(flow: Flow) -> None:
    """Both ids are one query: one question, one yes, one call, one bill."""
    first_id, blocked = await flow.ask(EN)
    second_id, again = await flow.ask(EN)
    assert isinstance(blocked, Failure) and isinstance(again, Failure)
    await flow.decide(flow.ann, again, yes=True)

    events, error = await flow.go_on(second_id)
    answers = [await flow.state(each) for each in (first_id, second_id)]

    budget = await flow.budget()
    assert blocked.metadata == again.metadata
    assert error is None
    assert {first_id} == {event.request_id for event in events}
    assert [message_pb2.QUERY_STATE_COMPLETED] * 2 == answers
    assert (flow.stage.upstream.bill.total_nanousd, 0) == (
        budget.posted_nanousd,
        budget.reserved_nanousd,
    )
    assert 1 == flow.stage.upstream.arrivals_total
    assert ["block", "approve", "execute", "settle"] == await flow.decisions(first_id)
    assert ["block"] == await flow.decisions(second_id)
    assert await flow.ledger_failure() is None
