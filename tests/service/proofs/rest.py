"""Proofs of the other reasons: requests, records, readers."""

from __future__ import annotations

from uuid import uuid4

import grpc

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server import failpoints
from tests.harness import Failure, Stage, eventually, failure_of, only
from tests.service.proofs.rates import hello
from tests.service.proofs.registry import proves


@proves("GOVERNANCE_UNAVAILABLE")
async def unrecorded(stage: Stage) -> Failure:
    """The decision's statements ran, and its commit fails."""
    failpoints.arm("admit.before_commit=error")
    client = stage.client()
    failure = await client.fail(client.pipeline.Query, hello())
    assert 0 == stage.upstream.arrivals_total
    return failure


@proves("QUERY_STATE")
async def runs_elsewhere(stage: Stage) -> Failure:
    """A query cannot be cancelled that nobody runs, and nobody has taken over yet."""
    client, request_id = stage.client(), str(uuid4())
    await client.query("Hello", request_id=request_id)
    stage.sql("UPDATE queries SET status = 'running', owner_id = 'another', ended_us = 0")
    request = pb.CancelQueryRequest(request_id=request_id)
    return await client.fail(client.pipeline.CancelQuery, request)


@proves("INVALID_FIELD")
async def no_text(stage: Stage) -> Failure:
    """A query that asks nothing."""
    client = stage.client()
    return await client.fail(client.pipeline.Query, pb.QueryRequest())


@proves("REQUEST_TOO_LARGE")
async def too_large(stage: Stage) -> Failure:
    """More bytes than a request may have."""
    client = stage.client()
    request = pb.QueryRequest(
        text="Hello", context_items=[pb.ContextItem(kind="a", content="a" * 262_144)]
    )
    return await client.fail(client.pipeline.Query, request)


@proves("SLOW_CONSUMER", settings={"pipeline.write_timeout_s": 1, "pipeline.watchers_max": 1})
async def unread(stage: Stage) -> Failure:
    """A reader takes one event, then nothing until it has lost its place."""
    other, ended = stage.client(), str(uuid4())
    await other.query("Hello", request_id=ended)

    async def place_is_free() -> bool:
        _, error = await other.events(other.pipeline.Watch, pb.WatchRequest(request_id=ended))
        return error is None

    stage.upstream.behave(deltas=200, answer_chars=240_000, pace_ms=1)
    query = pb.QueryRequest(
        text="Tell me everything",
        max_output_tokens=60_000,
        detached=True,
        routing=only("groq", "openai/gpt-oss-120b"),
    )
    async with stage.narrow(stage.client()) as client:
        call = client.pipeline.Run(pb.RunRequest(query=query), metadata=client.metadata, timeout=20)
        try:
            async for response in call:
                if response.event.sequence == 1:
                    await eventually(place_is_free)
        except grpc.aio.AioRpcError as error:
            return failure_of(error)
    raise AssertionError("a reader that does not read was served")
