"""Requests on their way to a whole server: refused unread, few at once, and none for ever."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from chenu.api.pipeline.v1 import (
    conversation_pb2,
    message_pb2,
    pipeline_service_pb2,
    routing_pb2,
)
from chenu_server.pipeline.conversation import Medium
from tests.files import png
from tests.harness import Client, Failure, Stage, eventually, failure_of, staged
from tests.http2 import Connection, announced, connected
from tests.service.cases import PIPELINE

QUERY, RUN = f"{PIPELINE}Query", f"{PIPELINE}Run"
SMALL_MAX, LARGE_MAX, PLACE = 262_144, 20_971_520, 22_020_096
ONE_PLACE = {"server.receiving_max_bytes": PLACE, "server.receiving_per_identity_bytes": PLACE}


@asynccontextmanager
async def on_stage(
    database_url: str, folder: Path, **settings: Any
) -> AsyncIterator[tuple[Stage, Connection]]:
    """A server with a budget and one place for a request on its way, and a bare connection."""
    async with (
        staged(database_url, folder, ONE_PLACE | settings) as stage,
        connected(stage.application.port) as connection,
    ):
        await stage.budget()
        yield stage, connection


async def sent(client: Client, request: bytes) -> Failure | None:
    """How a query of these bytes is refused."""
    rpc: Any = client.channel.unary_unary(QUERY)
    try:
        await rpc(request, metadata=client.metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    return None


def hanging(connection: Connection, client: Client, method: str = QUERY) -> int:
    """A call whose message has begun and never comes whole."""
    number = connection.begin(method, client.metadata)
    connection.send(number, announced(LARGE_MAX) + b"x" * 100)
    return number


async def until_full(connection: Connection, client: Client) -> None:
    """Until a request that hangs finds no place: one before it has it."""

    async def full() -> bool:
        stream = await connection.until_ended(hanging(connection, client))
        return b"on their way" in stream.trailers

    await eventually(full)


@pytest.mark.parametrize("request_bytes", [LARGE_MAX, LARGE_MAX + 1, PLACE])
async def test_a_large_request_without_media_is_refused_with_its_limit(
    stage: Stage, request_bytes: int
) -> None:
    """The contract's refusal and not the transport's; another query is served at once."""
    failure = await sent(stage.client(), bytes(request_bytes))
    response = await stage.client().query("Hello")

    assert failure is not None
    assert ("REQUEST_TOO_LARGE", str(SMALL_MAX)) == (
        failure.reason,
        failure.metadata["limit_bytes"],
    )
    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state


async def test_what_the_transport_cannot_take_is_refused_by_the_transport(stage: Stage) -> None:
    """As the contract lists it."""
    failure = await sent(stage.client(), bytes(PLACE + 1))

    assert failure is not None
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "") == (failure.code, failure.reason)


async def test_a_large_request_with_a_bad_token_is_refused_unread(stage: Stage) -> None:
    """It never comes whole, so the server cannot have waited for it."""
    nobody = Client(stage.channel, (("authorization", "Bearer forged"),))
    async with connected(stage.application.port) as connection:
        numbers = [hanging(connection, nobody, name) for name in (QUERY, RUN) * 100]
        streams = [await connection.until_ended(number) for number in numbers]

    assert 200 == sum(b"grpc-status\x0216" in stream.trailers for stream in streams)


async def test_queries_go_on_while_requests_hang(sqlite_url: str, tmp_path: Path) -> None:
    """What is small and there at once needs no place; what hangs is refused for want of one."""
    async with on_stage(sqlite_url, tmp_path) as (stage, connection):
        answered = connection.streams[hanging(connection, stage.client())]
        await until_full(connection, stage.client())
        responses = await asyncio.gather(*(stage.client().query("Hello") for _ in range(10)))
        hangs_on = not answered.ended

    assert hangs_on
    assert [message_pb2.QUERY_STATE_COMPLETED] * 10 == [each.query.state for each in responses]


async def test_a_request_that_trickles_is_ended(sqlite_url: str, tmp_path: Path) -> None:
    """However many pieces come: what counts is when it is whole."""
    async with on_stage(sqlite_url, tmp_path, **{"server.receive_timeout_s": 1}) as running:
        stage, connection = running
        number = hanging(connection, stage.client())
        stream = connection.streams[number]

        async def ended() -> bool:
            connection.send(number, b"x")
            return stream.ended or stream.reset

        await eventually(ended)

    assert b"requests that arrive slowly" in stream.trailers


async def test_a_drain_does_not_wait_for_a_request_on_its_way(
    sqlite_url: str, tmp_path: Path
) -> None:
    """It would take as long as the caller likes."""
    async with connected_after(sqlite_url, tmp_path) as (connection, number):
        stream = await connection.until_ended(number)

    assert b"grpc-status\x0214" in stream.trailers


@asynccontextmanager
async def connected_after(database_url: str, folder: Path) -> AsyncIterator[tuple[Connection, int]]:
    """A connection to a server that has been stopped while a request was on its way to it."""
    settings = ONE_PLACE | {"server.drain_grace_s": 600}
    async with asyncio.timeout(30):
        async with staged(database_url, folder, settings) as stage:
            port = stage.application.port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            connection = Connection(reader, writer)
            connection.greet(0)
            listening = asyncio.create_task(connection.listen())
            number = hanging(connection, stage.client())
            await until_full(connection, stage.client())
        yield connection, number
    connection.close()
    await listening


def files_held() -> list[Medium]:
    """Every file that is in memory."""
    return [each for each in gc.get_objects() if type(each) is Medium]


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize("status", [400, 503])
async def test_a_request_that_its_provider_refused_is_not_kept(
    stage: Stage, provider: str, status: int
) -> None:
    """While a provider is away, one request after another would wait for the garbage collector."""
    part = conversation_pb2.Part(
        image=conversation_pb2.Image(data=png(), media_type="image/png"),
    )
    asks = conversation_pb2.ChatMessage(role=conversation_pb2.MESSAGE_ROLE_USER, parts=[part])
    routing = routing_pb2.RoutingRequest(allowed_providers=[provider])
    request = pipeline_service_pb2.QueryRequest(messages=[asks], routing=routing)

    async def is_gone() -> bool:
        return all(any(each is other for other in others) for each in files_held())

    stage.upstream.behave(status=status)
    gc.collect()
    others = files_held()  # of other tests
    gc.disable()
    try:
        refused = await stage.client().fail(stage.client().pipeline.Query, request)
        await eventually(is_gone)
    finally:
        gc.enable()

    assert refused.reason in {"PROVIDER_REJECTED", "PROVIDER_UNAVAILABLE"}
