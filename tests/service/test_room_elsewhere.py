"""A provider without room is one provider's trouble: the call goes on to the next that has some."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import event_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu_server import asking, engine
from chenu_server.operations.ask import Consume
from chenu_server.operations.run import Retry
from tests.harness import Client, Stage, eventually, only, staged
from tests.service.asking import approval, blocked
from tests.service.proofs.rates import someone_waits

SETTINGS = {"limits.waiting_max": 1, "server.drain_grace_s": 0}
LONG_S = 120.0
THREE = routing_pb2.RoutingRequest(allowed_providers=["google", "mistral", "openai"])
"""Wishes whose chain has three models of three providers."""


async def chain_of(stage: Stage) -> list[routing_pb2.ModelRef]:
    """The models that these wishes are routed along."""
    client = stage.client()
    explained = await client.call(
        client.router.Route, rb.RouteRequest(text="Which one?", routing=THREE)
    )
    return list(explained.decision.chain)


@asynccontextmanager
async def full(stage: Stage, client: Client, provider: str, model: str) -> AsyncIterator[None]:
    """A provider whose only slot is used and whose queue is full."""
    request = pb.QueryRequest(text="Mine", routing=only(provider, model))
    await client.call(client.pipeline.Query, request)
    waiting = asyncio.create_task(client.outcome(client.pipeline.Query, request, timeout_s=LONG_S))
    await eventually(lambda: someone_waits(stage))
    try:
        yield
    finally:
        waiting.cancel()


def one_slot(*providers: str) -> dict[str, object]:
    """So many calls in a minute that one is all."""
    return {**SETTINGS, **{f"providers.settings.{name}.limit": 1 for name in providers}}


async def distinct_chain(sqlite_url: str, folder: Path) -> list[tuple[str, str]]:
    """The chain of these wishes; its three providers differ."""
    async with staged(sqlite_url, folder) as stage:
        chain = [(each.provider, each.model) for each in await chain_of(stage)]
    assert 3 == len({provider for provider, _ in chain}), chain
    return chain


async def test_a_full_second_queue_does_not_end_the_chain(sqlite_url: str, tmp_path: Path) -> None:
    """The third provider is free, and answers."""
    first, second, third = await distinct_chain(sqlite_url, tmp_path)
    async with staged(sqlite_url, tmp_path, one_slot(second[0])) as stage:
        await stage.budget()
        client = stage.client()
        async with full(stage, client, *second):
            stage.upstream.behave("/".join(first), status=503)

            response = await client.query("Which one?", routing=THREE, timeout_s=LONG_S)

    assert third == (response.answer.provider, response.answer.model)


async def test_a_full_first_queue_is_passed_by_before_anything_is_held(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Lane D admits the second, and the log shows one attempt."""
    first, second, _ = await distinct_chain(sqlite_url, tmp_path)
    async with staged(sqlite_url, tmp_path, one_slot(first[0])) as stage:
        await stage.budget()
        client = stage.client()
        async with full(stage, client, *first):
            request = pb.RunRequest(query=pb.QueryRequest(text="Which one?", routing=THREE))
            events, error = await client.events(client.pipeline.Run, request, timeout_s=LONG_S)

    starts = [each.llm_call_start for each in events if each.HasField("llm_call_start")]
    assert error is None
    assert [(1, *second)] == [(each.attempt, each.provider, each.model) for each in starts]


async def test_an_approved_query_passes_by_a_full_queue_too(
    sqlite_url: str, tmp_path: Path
) -> None:
    """The approval is used where there is room."""
    first, second, _ = await distinct_chain(sqlite_url, tmp_path)
    async with staged(sqlite_url, tmp_path, one_slot(first[0])) as stage:
        await stage.budget()
        client, person = stage.client(), stage.person()
        waits = await blocked(client, routing=THREE)
        await person.call(person.checkpoints.ResolveCheckpoint, approval(waits))
        async with full(stage, client, *first):
            request = pb.ContinueRequest(request_id=waits.metadata["request_id"])
            events, error = await client.events(client.pipeline.Continue, request, timeout_s=LONG_S)

    starts = [each.llm_call_start for each in events if each.HasField("llm_call_start")]
    assert error is None
    assert [second[0]] == [each.provider for each in starts]


async def test_where_no_provider_has_room_the_soonest_is_told(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Refused before admission: nothing is bound to the id, and the time is exact."""
    chain = await distinct_chain(sqlite_url, tmp_path)
    async with staged(sqlite_url, tmp_path, one_slot(*(name for name, _ in chain))) as stage:
        await stage.budget()
        client = stage.client()
        for provider, model in chain:
            request = pb.QueryRequest(text="Mine", routing=only(provider, model))
            await client.call(client.pipeline.Query, request)

        refused = await client.fail(
            client.pipeline.Query, pb.QueryRequest(text="x", routing=THREE), timeout_s=5
        )

    assert "DEADLINE_UNREACHABLE" == refused.reason
    assert {"provider": chain[0][0]} == refused.metadata
    assert 0 < (refused.retry_after_us or 0) <= 61_250_000


def buggy(_: object) -> engine.Command:
    """What no command should be: one about a query that there is not, which no rows decide."""
    plain: dict[str, object] = {
        "identity_id": "nobody",
        "request_id": "none",
        "status": "failed",
        "outcome": {"reason": None, "message": "", "error": []},
        "ended": None,
        "output": [],
        "execution_us": 0,
        "lane_started_ns": 0,
    }
    return engine.Command({"Settle": plain}, asking.NO_RULES)


async def reserved(stage: Stage) -> int:
    """How much the identity's budget holds."""
    person = stage.person()
    (budget,) = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets
    return int(budget.reserved_nanousd)


async def test_a_bug_in_the_next_admission_ends_the_query_and_frees_its_money(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would ever come back for it."""
    monkeypatch.setattr(Retry, "asked", buggy)
    stage.upstream.behave((await chain_of(stage))[0].provider, status=503)
    client = stage.client()

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="x", routing=THREE))

    assert "INTERNAL" == failure.reason
    assert 0 == await reserved(stage)


async def test_a_bug_in_an_approvals_use_leaves_the_query_to_be_cancelled(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not run, and its money goes back with it."""
    monkeypatch.setattr(Consume, "asked", buggy)
    client, person = stage.client(), stage.person()
    waits = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(waits))
    request_id = waits.metadata["request_id"]

    _, error = await client.events(
        client.pipeline.Continue, pb.ContinueRequest(request_id=request_id)
    )
    await client.call(client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id))

    assert error is not None
    assert "INTERNAL" == error.reason
    assert 0 == await reserved(stage)


# --- throttled by the providers ---------------------------------------------------------------


async def test_when_all_were_throttled_the_earliest_time_is_told(stage: Stage) -> None:
    """Under the same id the answer stays; a new one may succeed then."""
    first, second, third = [each.provider for each in await chain_of(stage)]
    for provider, after in ((first, "70"), (second, "30"), (third, "50")):
        stage.upstream.behave(provider, status=429, retry_after=after)
    client = stage.client()
    request = pb.QueryRequest(
        text="x", routing=THREE, request_id="6b0c7f1a-93de-4c0e-a2d6-0f8fd9b5a0c1"
    )

    failure = await client.fail(client.pipeline.Query, request)
    again = await client.fail(client.pipeline.Query, request)
    events, _ = await client.events(
        client.pipeline.Watch, pb.WatchRequest(request_id=request.request_id)
    )

    assert (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE") == (failure.code, failure.reason)
    assert 20_000_000 < (failure.retry_after_us or 0) <= 30_000_000
    assert failure.metadata == again.metadata == dict(final(events).query.outcome.metadata)
    assert (again.retry_after_us or 0) <= (failure.retry_after_us or 0)
    told = datetime.fromisoformat(failure.metadata["retry_at"])
    assert timedelta(seconds=20) < told - datetime.now(UTC) <= timedelta(seconds=30)


async def test_at_the_time_that_was_told_a_new_id_is_answered(stage: Stage) -> None:
    """And the old one never: what has ended stays ended."""
    for each in await chain_of(stage):
        stage.upstream.behave(each.provider, status=429, retry_after="1")
    client = stage.client()
    request = pb.QueryRequest(text="x", routing=THREE, request_id=str(uuid4()))
    failure = await client.fail(client.pipeline.Query, request)
    for each in await chain_of(stage):
        stage.upstream.behave(each.provider)
    await asyncio.sleep((failure.retry_after_us or 0) / 1e6)

    again = await client.fail(client.pipeline.Query, request)
    answered = await client.query("x", routing=THREE)

    assert "PROVIDER_UNAVAILABLE" == again.reason
    assert answered.answer.text


@pytest.mark.parametrize("status", [500, 429])
async def test_no_time_is_told_where_one_is_down_or_none_is_known(
    stage: Stage, status: int
) -> None:
    """A provider that is down may stay down, and a throttled one need not say for how long."""
    first, *rest = [each.provider for each in await chain_of(stage)]
    stage.upstream.behave(first, status=status)
    for provider in rest:
        after = "30" if status == 500 else ""
        stage.upstream.behave(provider, status=429, retry_after=after)
    client = stage.client()

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="x", routing=THREE))

    assert "PROVIDER_UNAVAILABLE" == failure.reason
    assert failure.retry_after_us is None
    assert {"attempts"} == set(failure.metadata)


def final(events: list[event_pb2.Event]) -> event_pb2.PipelineError:
    """What the log's last event says."""
    ends = [each.pipeline_error for each in events if each.HasField("pipeline_error")]
    return ends[-1]
