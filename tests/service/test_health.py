"""Whether the server takes calls, for probes and tools, and how it stops taking them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs

from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.architecture import contract
from tests.harness import Client, Stage, staged
from tests.service.asking import blocked

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def states(channel: grpc.aio.Channel) -> AsyncIterator[int]:
    """The states that a probe is told, as they change."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        async for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=20):
            yield answer.status
    except grpc.aio.AioRpcError:
        return


async def test_every_service_of_the_contract_is_serving(stage: Stage) -> None:
    """A probe has no token and may ask about each."""
    stub = health_pb2_grpc.HealthStub(stage.channel)
    names = ["", *contract.services()]

    answers = [
        await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=20) for name in names
    ]

    assert [SERVING] * len(names) == [answer.status for answer in answers]


async def test_every_state_is_told_at_once(stage: Stage) -> None:
    """`List` is what a dashboard asks; the library that we serve health with does not know it."""
    stub = health_pb2_grpc.HealthStub(stage.channel)

    answer = await stub.List(health_pb2.HealthListRequest(), timeout=20)

    names = ["", "grpc.health.v1.Health", *contract.services()]
    assert dict.fromkeys(names, SERVING) == {
        name: state.status for name, state in answer.statuses.items()
    }


@pytest.mark.parametrize(
    ("setting", "resource"),
    [
        ("limits.open_streams_max", "streams without a token"),
        ("limits.open_streams_per_peer", "streams without a token from this address"),
    ],
)
async def test_streams_without_a_token_are_bounded(
    sqlite_url: str, tmp_path: Path, setting: str, resource: str
) -> None:
    """Anyone may open them, so their number is a setting, and a refusal says what is full."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(sqlite_url, tmp_path, {setting: 1}))
        stub, request = health_pb2_grpc.HealthStub(stage.channel), health_pb2.HealthCheckRequest()
        first = stub.Watch(request, timeout=20)
        await first.read()
        refused = await stage.anonymous().fail(stub.Watch, request)
        first.cancel()

    assert ("SERVER_OVERLOADED", {"resource": resource}) == (refused.reason, refused.metadata)
    assert refused.retry_after_us


async def test_a_drain_says_so_and_lets_a_running_query_end(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Probes learn first, nothing new begins, and who is being answered is answered."""
    async with AsyncExitStack() as stack, AsyncExitStack() as running:
        settings = {"server.drain_grace_s": 10}
        stage = await running.enter_async_context(staged(sqlite_url, tmp_path, settings))
        await stage.budget()
        address = f"127.0.0.1:{stage.application.port}"
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        client, told = Client(channel, stage.client().metadata), states(channel)
        stage.upstream.hold()
        query = asyncio.create_task(client.query("Hello"))
        async with asyncio.timeout(20):
            await stage.upstream.until_open(1)
            first = await anext(told)

            draining = asyncio.create_task(running.aclose())
            second = await anext(told)
            late = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))
            stage.upstream.release()
            response = await query
            await draining

    assert [SERVING, NOT_SERVING] == [first, second]
    assert late.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state
    assert 1 == stage.upstream.arrivals_total


async def test_what_waits_for_a_person_waits_over_a_restart(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A blocked query belongs to the database and not to the process."""
    request_id = str(uuid4())
    async with staged(sqlite_url, tmp_path) as stage:
        await stage.budget()
        before = await blocked(stage.client(), request_id=request_id)
    async with staged(sqlite_url, tmp_path) as stage:
        after = await blocked(stage.client(), request_id=request_id)

    assert before.metadata == after.metadata


async def test_a_query_that_the_drain_cut_is_told_for_ever(sqlite_url: str, tmp_path: Path) -> None:
    """It may have run; it never runs again by itself, and the next server knows."""
    request = pb.QueryRequest(text="Hello", request_id=str(uuid4()), detached=True)
    async with staged(sqlite_url, tmp_path, {"server.drain_grace_s": 0}) as stage:
        await stage.budget()
        stage.upstream.hold()
        client = stage.client()
        running = asyncio.create_task(client.outcome(client.pipeline.Query, request))
        async with asyncio.timeout(10):
            await stage.upstream.until_open(1)
    await asyncio.wait([running])
    async with staged(sqlite_url, tmp_path) as stage:
        client = stage.client()
        again = await client.fail(client.pipeline.Query, request)
        arrivals = stage.upstream.arrivals_total

    assert ("EXECUTION_INTERRUPTED", "true") == (again.reason, again.metadata["outcome_unknown"])
    assert 0 == arrivals
