"""One id, one query: whoever else reads it, cancels it or asks under the same id."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import grpc
import pytest

from chenu.api.governance.v1 import checkpoint_service_pb2
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Failure, Stage, eventually, only
from tests.service.proofs.rates import someone_waits

DELETE = "Delete all archived items"
GROQ = only("groq", "openai/gpt-oss-120b")
ONE_SLOT = {"limits.provider_limit": 1, "limits.provider_window_s": 20}


async def blocked(client: Client, request_id: str) -> Failure:
    """A query that waits for a person."""
    request = pb.QueryRequest(text=DELETE, request_id=request_id, routing=GROQ)
    failure = await client.fail(client.pipeline.Query, request)
    assert "CHECKPOINT_PENDING" == failure.reason
    return failure


async def approve(stage: Stage, checkpoint_id: str, decision_id: str | None = None) -> None:
    """A person says yes."""
    person = stage.person()
    request = checkpoint_service_pb2.ResolveCheckpointRequest(
        checkpoint_id=checkpoint_id,
        decision_id=decision_id or str(uuid4()),
        decision=checkpoint_service_pb2.CHECKPOINT_DECISION_APPROVE,
    )
    await person.call(person.checkpoints.ResolveCheckpoint, request)


async def state(client: Client, request_id: str) -> str:
    """The state of a query, by its wire name."""
    request = pb.GetQueryRequest(request_id=request_id)
    found = await client.call(client.pipeline.GetQuery, request)
    return message_pb2.QueryState.Name(found.query.state)


async def test_other_content_is_refused_while_somebody_watches_the_query(stage: Stage) -> None:
    """It gets neither the other query's answer nor the watcher's stream broken."""
    client, request_id = stage.client(), str(uuid4())
    await blocked(client, request_id)
    watch = client.pipeline.Watch(
        pb.WatchRequest(request_id=request_id), metadata=client.metadata, timeout=20
    )
    events = aiter(watch)
    await anext(events)

    other = pb.QueryRequest(text="Delete everything else", request_id=request_id)
    refused = await client.fail(client.pipeline.Query, other)
    await client.call(client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id))
    seen = [response.event async for response in events]

    assert "REQUEST_ID_CONFLICT" == refused.reason
    assert seen[-1].HasField("pipeline_error")
    assert grpc.StatusCode.OK == await watch.code()


@pytest.mark.parametrize("settings", [ONE_SLOT])
async def test_a_resumed_query_that_waits_for_a_slot_is_cancelled_at_once(stage: Stage) -> None:
    """Its approval is gone with it: no restart runs what its caller has withdrawn."""
    client, request_id = stage.client(), str(uuid4())
    pending = await blocked(client, request_id)
    await approve(stage, pending.metadata["checkpoint_id"])
    await client.query("Hello", routing=GROQ)
    resumed = client.pipeline.Continue(
        pb.ContinueRequest(request_id=request_id), metadata=client.metadata, timeout=60
    )
    async for response in resumed:
        if response.event.HasField("rate_limit_notice"):
            break

    cancelled = await client.call(
        client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id)
    )
    resumed.cancel()

    assert message_pb2.QUERY_STATE_CANCELLED == cancelled.query.state
    assert "QUERY_STATE_CANCELLED" == await state(client, request_id)


@pytest.mark.parametrize("settings", [{"pipeline.abandon_after_ms": 100}])
async def test_who_leaves_before_a_resumed_query_is_read_abandons_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would run, and cost, for nobody until its deadline."""
    client, request_id, read = stage.client(), str(uuid4()), asyncio.Event()
    pending = await blocked(client, request_id)
    await approve(stage, pending.metadata["checkpoint_id"])
    pipeline = stage.application.pipeline
    content = pipeline._store.content

    async def content_once_left(*key: str) -> object:
        await read.wait()
        return await content(*key)

    monkeypatch.setattr(pipeline._store, "content", content_once_left)
    stage.upstream.hold()
    resumed = client.pipeline.Continue(
        pb.ContinueRequest(request_id=request_id), metadata=client.metadata, timeout=60
    )
    await eventually(lambda: _attached(stage, 1))
    resumed.cancel()
    await eventually(lambda: _attached(stage, 0))
    read.set()
    await eventually(lambda: _runs_nothing(stage))

    assert "QUERY_STATE_CANCELLED" == await state(client, request_id)


@pytest.mark.parametrize("settings", [{**ONE_SLOT, "server.drain_grace_s": 1}])
async def test_a_drain_does_not_call_interrupted_what_never_ran(stage: Stage) -> None:
    """A query that waited for its first slot has no unknown outcome: it may ask elsewhere."""
    client = stage.client()
    await client.query("Hello", routing=GROQ)
    request = pb.QueryRequest(text="Hello", routing=GROQ)
    waiting = asyncio.create_task(client.fail(client.pipeline.Query, request, timeout_s=60))
    await eventually(lambda: someone_waits(stage))

    await stage.application.pipeline.drain(0.1)

    assert "SERVER_OVERLOADED" == (await waiting).reason


@pytest.mark.parametrize("settings", [{"pipeline.watchers_max": 1}])
async def test_a_stream_that_is_refused_starts_nothing(stage: Stage) -> None:
    """A caller that was told no is not charged for an answer that it never sees."""
    client, request_id = stage.client(), str(uuid4())
    await blocked(client, request_id)
    watch = client.pipeline.Watch(
        pb.WatchRequest(request_id=request_id), metadata=client.metadata, timeout=20
    )
    await anext(aiter(watch))
    refused_id = str(uuid4())

    request = pb.RunRequest(query=pb.QueryRequest(text="Hello", request_id=refused_id))
    refused = await client.fail(client.pipeline.Run, request)
    watch.cancel()

    assert "SERVER_OVERLOADED" == refused.reason
    assert 0 == stage.application.pipeline.running
    assert 0 == stage.upstream.arrivals_total


@pytest.mark.parametrize("settings", [ONE_SLOT])
async def test_a_known_answer_does_not_wait_for_a_slot(stage: Stage) -> None:
    """While calls queue for the provider, a repeat is answered and a denial told at once."""
    client, request_id = stage.client(), str(uuid4())
    first = await client.query("Hello", routing=GROQ, request_id=request_id)
    request = pb.QueryRequest(text="Hello", routing=GROQ)
    waiting = asyncio.create_task(client.outcome(client.pipeline.Query, request, timeout_s=60))
    await eventually(lambda: someone_waits(stage))

    repeated = await client.query("Hello", routing=GROQ, request_id=request_id, timeout_s=5)
    other = pb.QueryRequest(text="Goodbye", routing=GROQ, request_id=request_id)
    refused = await client.fail(client.pipeline.Query, other, timeout_s=5)
    waiting.cancel()

    assert first.answer == repeated.answer
    assert "REQUEST_ID_CONFLICT" == refused.reason
    assert 1 == stage.upstream.arrivals_total


async def test_a_used_approval_cannot_be_withdrawn_from_under_its_query(stage: Stage) -> None:
    """The refused call has no effect: the query that runs goes on to its answer."""
    client, request_id = stage.client(), str(uuid4())
    checkpoint_id = (await blocked(client, request_id)).metadata["checkpoint_id"]
    await approve(stage, checkpoint_id)
    stage.upstream.hold()
    resumed = asyncio.create_task(
        client.outcome(client.pipeline.Continue, pb.ContinueRequest(request_id=request_id))
    )
    await stage.upstream.until_open(1)

    request = checkpoint_service_pb2.CancelCheckpointRequest(checkpoint_id=checkpoint_id)
    refused = await client.fail(client.checkpoints.CancelCheckpoint, request)
    stage.upstream.release()

    assert "CHECKPOINT_ALREADY_RESOLVED" == refused.reason
    assert await resumed is None
    assert "QUERY_STATE_COMPLETED" == await state(client, request_id)


async def test_an_id_means_the_same_however_a_uuid_is_written(stage: Stage) -> None:
    """Who asked with one spelling is not a stranger to the query with another."""
    client, request_id = stage.client(), uuid4()
    await client.query("Hello", request_id=request_id.hex.upper())

    for spelling in (str(request_id), request_id.hex, request_id.urn, f"{{{request_id}}}"):
        assert "QUERY_STATE_COMPLETED" == await state(client, spelling)


async def _attached(stage: Stage, count: int) -> bool:
    runs = stage.application.pipeline._runs.values()
    return [count] == [run._attached for run in runs]


async def _runs_nothing(stage: Stage) -> bool:
    return stage.application.pipeline.running == 0
