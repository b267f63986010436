"""Providers that fail: failover before the first token, an honest end after it."""

from __future__ import annotations

from uuid import uuid4

import grpc
import pytest

from chenu.api.pipeline.v1 import event_pb2, message_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.upstream import Behaviour
from tests.harness import Stage, only

GROQ = "groq"


async def first_choice(stage: Stage) -> tuple[str, str]:
    """Provider and model that answer an ordinary question."""
    response = await stage.client().query("Which model are you?")
    return response.answer.provider, response.answer.model


@pytest.mark.parametrize("status", [429, 500, 503, 529])
async def test_a_provider_that_answers_with_an_error_is_left_for_the_next(
    stage: Stage, status: int
) -> None:
    """One provider's trouble is not the caller's; the failed attempt costs nothing."""
    provider, model = await first_choice(stage)
    stage.upstream.behave(f"{provider}/{model}", status=status)

    response = await stage.client().query("Which model are you?")

    assert (provider, model) != (response.answer.provider, response.answer.model)
    assert message_pb2.COST_BASIS_EXACT == response.query.cost_basis
    assert stage.upstream.bill.total_nanousd >= response.query.cost_nanousd


ONE_PROVIDER = routing_pb2.RoutingRequest(allowed_providers=[GROQ])
"""Wishes whose chain has several models, all of one provider."""


async def test_a_provider_that_throttles_is_given_its_time_before_another_of_its_models(
    stage: Stage,
) -> None:
    """It would throttle that one too, and whoever asks too soon is throttled for longer."""
    stage.upstream.script(GROQ, [Behaviour(status=429, retry_after_ms="300")])

    response = await stage.client().query("Hello", routing=ONE_PROVIDER)

    first, second = stage.upstream.arrivals
    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state
    assert first.model != second.model
    assert second.mono_ns - first.mono_ns >= 300_000_000


async def test_a_provider_that_wants_a_long_time_is_asked_for_nothing_more(stage: Stage) -> None:
    """The caller is told the time instead of waiting for it."""
    stage.upstream.behave(GROQ, status=429, retry_after="30")
    client = stage.client()

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Hello", routing=ONE_PROVIDER)
    )

    assert "PROVIDER_UNAVAILABLE" == failure.reason
    assert 20_000_000 < (failure.retry_after_us or 0) <= 30_000_000
    assert 1 == stage.upstream.arrivals_total


async def test_a_failover_shows_both_attempts_in_the_log(stage: Stage) -> None:
    """Whoever reads the log sees what was tried."""
    provider, model = await first_choice(stage)
    stage.upstream.behave(f"{provider}/{model}", status=500)

    events, error = await stage.client().events(
        stage.client().pipeline.Run, pb.RunRequest(query=pb.QueryRequest(text="Hello"))
    )

    starts = [e.llm_call_start.attempt for e in events if e.HasField("llm_call_start")]
    errors = [e.llm_call_error for e in events if e.HasField("llm_call_error")]
    assert error is None
    assert [1, 2] == starts
    assert [(event_pb2.AFTER_ATTEMPT_FAILOVER, "http_500")] == [(e.next, e.kind) for e in errors]


async def test_a_request_that_a_provider_refuses_is_not_tried_elsewhere(stage: Stage) -> None:
    """A bad request stays bad at the next provider, and the key may be at fault."""
    stage.upstream.behave(status=400)
    client = stage.client()

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))

    assert (grpc.StatusCode.FAILED_PRECONDITION, "PROVIDER_REJECTED") == (
        failure.code,
        failure.reason,
    )
    assert 1 == stage.upstream.arrivals_total


async def test_when_every_candidate_fails_the_caller_learns_what_was_tried(stage: Stage) -> None:
    """UNAVAILABLE, with the attempts."""
    stage.upstream.behave(status=500)
    client = stage.client()

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))

    assert (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE") == (failure.code, failure.reason)
    assert 3 == len(failure.metadata["attempts"].split(","))


@pytest.mark.parametrize("fault", ["cut", "no_terminator", "malformed"])
async def test_a_stream_that_breaks_after_text_is_an_error_and_never_a_success(
    stage: Stage, fault: str
) -> None:
    """What the caller has is kept and charged at the bound; nothing else is tried."""
    stage.upstream.behave(fault=fault, fault_after=2, deltas=6)
    client = stage.client()

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello there"))

    assert (grpc.StatusCode.DATA_LOSS, "STREAM_TRUNCATED") == (failure.code, failure.reason)
    assert 1 == stage.upstream.arrivals_total


async def test_a_query_that_runs_out_of_time_ends_and_says_so(stage: Stage) -> None:
    """The deadline belongs to the query: it ends also if the client has left."""
    stage.upstream.behave(fault="hang")
    client, request_id = stage.client(), str(uuid4())
    request = pb.QueryRequest(text="Hello", request_id=request_id, detached=True)

    await client.fail(client.pipeline.Query, request, timeout_s=1)
    failure = await client.fail(client.pipeline.Query, request)

    assert (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED") == (
        failure.code,
        failure.reason,
    )


async def test_nova_speaks_only_through_claude_and_never_falls_over(stage: Stage) -> None:
    """Locked: with Claude down, Nova is down."""
    client = stage.client()
    first = await client.query("Who are you?", agent_role="nova")
    stage.upstream.behave("anthropic", status=500)
    before = stage.upstream.arrivals_total

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Who are you?", agent_role="nova")
    )

    assert ("anthropic", True) == (first.answer.provider, "claude" in first.answer.model)
    assert "PROVIDER_UNAVAILABLE" == failure.reason
    assert 1 == stage.upstream.arrivals_total - before


async def test_no_preference_unlocks_nova(stage: Stage) -> None:
    """A preferred provider does not turn Nova into something else."""
    client = stage.client()
    routing = routing_pb2.RoutingRequest(forbidden_providers=["anthropic"])

    failure = await client.fail(
        client.pipeline.Query,
        pb.QueryRequest(text="Who are you?", agent_role="nova", routing=routing),
    )

    assert "NO_ROUTE" == failure.reason


async def test_a_provider_that_bills_more_than_was_reserved_is_an_overrun(stage: Stage) -> None:
    """The excess is a number of its own, never hidden in the posted amount."""
    models = stage.upstream.bill
    stage.upstream.behave(extra_output_tokens=5_000_000)
    client = stage.client()

    response = await client.query("Hello", max_output_tokens=16)

    assert models.total_nanousd == response.query.cost_nanousd


async def test_an_answer_without_its_usage_is_given_and_charged_at_its_bound(stage: Stage) -> None:
    """Many servers of the OpenAI wire count nothing; who asks them must not lose the answer."""
    stage.upstream.behave(fault="no_usage")

    response = await stage.client().query("A question", max_output_tokens=100)

    assert response.answer.text
    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state
    assert message_pb2.COST_BASIS_ESTIMATED == response.query.cost_basis
    assert stage.upstream.bill.total_nanousd <= response.query.cost_nanousd


async def test_usage_and_cost_are_told_and_no_remaining_amount(stage: Stage) -> None:
    """LAW 1: what was used, never what is left."""
    response = await stage.client().query("Hello")

    assert response.query.tokens_used > 0
    assert response.answer.usage.input_tokens > 0
    assert not [f for f in response.query.DESCRIPTOR.fields_by_name if "remain" in f]


async def test_scripted_failures_are_counted_once_each(stage: Stage) -> None:
    """Two bad answers in a row cost two attempts, the third answers."""
    stage.upstream.script("*", [Behaviour(status=500), Behaviour(status=500)])

    response = await stage.client().query("Hello")

    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state
    assert 3 == stage.upstream.arrivals_total


async def test_a_chain_of_one_has_no_other_try(stage: Stage) -> None:
    """Whoever asks for one model gets that one or nothing."""
    _, model = await first_choice(stage)
    stage.upstream.behave(GROQ, status=503)
    client = stage.client()

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Hello", routing=only(GROQ, model))
    )

    assert "PROVIDER_UNAVAILABLE" == failure.reason
    assert 1 == len(failure.metadata["attempts"].split(","))


@pytest.mark.parametrize("role", ["Nova", "nova ", " NOVA"])
async def test_nova_is_locked_however_she_is_spelt(stage: Stage, role: str) -> None:
    """A capital letter is no way around the lock."""
    response = await stage.client().query("Who are you?", agent_role=role)

    assert "anthropic" == response.answer.provider
