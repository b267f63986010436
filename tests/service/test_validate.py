"""Asking what would happen: told in full, and nothing happens."""

from __future__ import annotations

from uuid import uuid4

import pytest

from chenu.api.governance.v1 import action_pb2, checkpoint_pb2
from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.governance.v1 import rate_limit_service_pb2 as rb
from chenu.api.pipeline.v1 import message_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Stage
from tests.service.asking import DELETE

HELLO = "Which day is it?"


async def validated(stage: Stage, text: str, **fields: object) -> message_pb2.Validation:
    """What the server says would happen."""
    response = await stage.client().query(text, validate_only=True, **fields)
    return response.validation


async def entries(stage: Stage) -> list[ab.LedgerEntry]:
    """The ledger, as the identity's auditor sees it."""
    auditor = stage.person()
    answer = await auditor.call(auditor.audit.ListEntries, ab.ListEntriesRequest())
    return list(answer.entries)


@pytest.mark.parametrize("text", [HELLO, DELETE])
async def test_a_validation_leaves_one_marked_entry_and_nothing_else(
    stage: Stage, text: str
) -> None:
    """No query, no checkpoint, no money, no slot, no call."""
    person, operator = stage.person(), stage.operator()
    before = await entries(stage)

    await validated(stage, text)

    new = (await entries(stage))[len(before) :]
    queries = await person.call(person.pipeline.ListQueries, pb.ListQueriesRequest())
    waiting = await person.call(person.checkpoints.ListCheckpoints, cb.ListCheckpointsRequest())
    budgets = await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())
    slots = await operator.call(operator.limits.ListRateLimits, rb.ListRateLimitsRequest())
    assert ["VALIDATE_ONLY"] == [entry.reason for entry in new]
    assert ([], []) == (list(queries.queries), list(waiting.checkpoints))
    assert [0] == [budget.reserved_nanousd for budget in budgets.budgets]
    assert {0} == {provider.in_use for provider in slots.providers}
    assert 0 == stage.upstream.arrivals_total


async def test_a_validation_does_not_claim_its_id(stage: Stage) -> None:
    """The real query may follow under the same id, with other content too."""
    request_id = str(uuid4())
    await validated(stage, HELLO, request_id=request_id)

    response = await stage.client().query("Something else", request_id=request_id)

    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state


async def test_a_validation_says_what_a_person_would_be_asked(stage: Stage) -> None:
    """And the digest that the approval would be bound to."""
    client = stage.client()
    validation = await validated(stage, DELETE)

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text=DELETE))

    assert [checkpoint_pb2.CHECKPOINT_TYPE_DESTRUCTIVE_ACTION] == list(validation.checkpoint_types)
    assert failure.metadata["action_digest"] == validation.action_digest.hex()
    assert not validation.HasField("outcome")


async def test_a_validation_says_which_route_and_what_it_costs_at_most(stage: Stage) -> None:
    """The bound that would be reserved, and a bill below it."""
    validation = await validated(stage, HELLO)

    response = await stage.client().query(HELLO)

    assert (response.answer.provider, response.answer.model) == (
        validation.route.provider,
        validation.route.model,
    )
    assert 0 < response.query.cost_nanousd <= validation.cost_bound_nanousd


async def test_a_validation_says_how_it_would_be_refused(stage: Stage) -> None:
    """A refusal that would come is told as an outcome; the call itself succeeds."""
    nowhere = routing_pb2.RoutingRequest(required_capabilities=["telepathy"])

    validation = await validated(stage, HELLO, routing=nowhere)

    assert "NO_ROUTE" == validation.outcome.reason


async def test_a_validation_without_a_budget_says_so(stage: Stage) -> None:
    """The same reason as the real query's."""
    stranger = stage.client("other")

    response = await stranger.query(HELLO, validate_only=True)

    assert "BUDGET_REQUIRED" == response.validation.outcome.reason


async def test_only_query_validates(stage: Stage) -> None:
    """A validation has no log to stream."""
    client = stage.client()
    query = pb.QueryRequest(text=HELLO, validate_only=True)

    failure = await client.fail(client.pipeline.Run, pb.RunRequest(query=query))

    assert ("INVALID_FIELD", "query.validate_only") == (failure.reason, failure.metadata["field"])


@pytest.mark.parametrize(
    ("text", "intent", "state"),
    [
        (HELLO, action_pb2.INTENT_QUERY, message_pb2.QUERY_STATE_PENDING),
        (DELETE, action_pb2.INTENT_DELETE, message_pb2.QUERY_STATE_BLOCKED),
    ],
)
async def test_a_validation_shows_what_the_query_would_be(
    stage: Stage, text: str, intent: int, state: int
) -> None:
    """Which intents were heard, and how far its lanes would come."""
    response = await stage.client().query(text, validate_only=True)

    assert ([intent], state) == (list(response.query.intents), response.query.state)
    assert 7 == len(response.query.lanes)
    assert response.validation.action_digest == response.query.action_digest
    assert not response.query.HasField("create_time")
