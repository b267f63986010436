"""Connections that age or break, and the streams on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from chenu.aio import Client as Sdk
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Stage, eventually, staged
from tests.http2 import Connection, connected
from tests.service.cases import PIPELINE
from tests.service.relay import relayed

WINDOW_BYTES = 1_000_000


async def until_told_to_go(connection: Connection) -> None:
    """Wait until a connection is past its age."""

    async def told() -> bool:
        return connection.went_away

    await eventually(told)


async def test_a_stream_lives_on_when_its_connection_is_past_its_age(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Spreading load over replicas cuts nobody's stream, cancels nothing and charges nobody."""
    settings = {"server.max_connection_age_s": 1}
    async with staged(sqlite_url, tmp_path, settings) as stage:
        await stage.budget()
        client, request_id = stage.client(), str(uuid4())
        query = pb.QueryRequest(text="Hello", request_id=request_id)
        stage.upstream.hold()
        async with connected(stage.application.port, window_bytes=WINDOW_BYTES) as old:
            request = pb.RunRequest(query=query).SerializeToString()
            number = old.call(f"{PIPELINE}Run", request, client.metadata)
            await until_told_to_go(old)
            async with connected(stage.application.port) as young:
                await until_told_to_go(young)  # as long again has passed
            stage.upstream.release()
            stream = await old.until_ended(number)
        shown = await client.call(
            client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id)
        )

    assert b"grpc-status\x010" in stream.trailers
    assert message_pb2.QUERY_STATE_COMPLETED == shown.query.state
    assert message_pb2.COST_BASIS_EXACT == shown.query.cost_basis


async def test_a_call_after_that_goes_over_a_new_connection(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A client needs to do nothing for it."""
    settings = {"server.max_connection_age_s": 1}
    async with staged(sqlite_url, tmp_path, settings) as stage:
        await stage.budget()
        client = stage.client()
        await client.query("Hello")
        async with connected(stage.application.port) as other:
            await until_told_to_go(other)

        response = await client.query("Hello again")

    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state


async def abandoned(client: Client) -> None:
    """Start a query, leave it, and wait until it is cancelled for that."""
    request_id = str(uuid4())
    query = pb.QueryRequest(text="Hello", request_id=request_id)
    call = client.pipeline.Run(pb.RunRequest(query=query), metadata=client.metadata, timeout=20)
    await call.read()
    call.cancel()

    async def cancelled() -> bool:
        request = pb.GetQueryRequest(request_id=request_id)
        shown = await client.call(client.pipeline.GetQuery, request)
        return bool(message_pb2.QUERY_STATE_CANCELLED == shown.query.state)

    await eventually(cancelled)


async def test_a_reader_that_comes_back_over_a_new_connection_keeps_its_query(stage: Stage) -> None:
    """A connection that breaks is no abandoned query, as long as the reader attaches again."""
    token = dict(stage.client().metadata)["authorization"].removeprefix("Bearer ")
    stage.upstream.hold()
    async with (
        relayed(stage.application.port) as relay,
        Sdk(f"127.0.0.1:{relay.port}", token=token) as sdk,
    ):
        log = sdk.pipeline.run("Hello")
        events = aiter(log)
        first = await anext(events)
        reading = asyncio.create_task(_rest(events))
        await stage.upstream.until_open(1)
        relay.cut()

        async def back() -> bool:
            return relay.opened == 2

        await eventually(back)
        await abandoned(stage.client())  # so the first one would be by now
        stage.upstream.release()
        sequences = await reading

    assert 1 == first.sequence
    assert list(range(2, 19)) == sequences
    assert 2 == stage.upstream.arrivals_total


async def _rest(events: AsyncIterator[event_pb2.Event]) -> list[int]:
    return [event.sequence async for event in events if event.sequence]
