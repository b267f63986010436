"""Listening, health, bursts and the drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]  # no stubs

from chenu.api.governance.v1 import identity_service_pb2
from chenu_server.infra.rpc.methods import governed
from chenu_server.infra.rpc.server import RpcServer
from tests.unit.rpc.samples import FakeBoundary, Script, Served, all_layers, bearer, mounts

WHO = "/chenu.api.governance.v1.IdentityService/WhoAmI"
QUERY = "/chenu.api.pipeline.v1.PipelineService/Query"
RUN = "/chenu.api.pipeline.v1.PipelineService/Run"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_is_open_and_knows_every_service(served: Served) -> None:
    """A probe has no token."""
    stub = health_pb2_grpc.HealthStub(served.channel)
    names = ["", "chenu.api.governance.v1.IdentityService", "grpc.health.v1.Health"]
    asked = [health_pb2.HealthCheckRequest(service=name) for name in names]

    answers = [await stub.Check(request, timeout=20) for request in asked]

    assert [SERVING] * 3 == [answer.status for answer in answers]


async def test_health_of_an_unknown_service_is_not_found(served: Served) -> None:
    """The health protocol's own status passes the layers as it is."""
    stub = health_pb2_grpc.HealthStub(served.channel)

    with (
        structlog.testing.capture_logs() as lines,
        pytest.raises(grpc.aio.AioRpcError) as caught,
    ):
        await stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=20)

    assert grpc.StatusCode.NOT_FOUND == caught.value.code()
    assert [] == lines


async def test_an_address_in_use_is_an_error(served: Served) -> None:
    """Two servers that share a port would each get half of the calls."""
    second = RpcServer(f"127.0.0.1:{served.server.port}", [], [])

    with pytest.raises(OSError, match="cannot listen"):
        await second.start()

    await second.drain(0)


async def test_a_burst_loses_no_call(served: Served) -> None:
    """The core resets calls at random when 1,000 wait, unless it is told otherwise."""
    answers = await asyncio.gather(
        # On a busy machine, and measured, so many take longer than one call may.
        *(served.call(WHO, timeout_s=120) for _ in range(3_000)),
        return_exceptions=True,
    )

    assert [] == [answer for answer in answers if isinstance(answer, BaseException)]


async def test_a_probe_does_not_stand_behind_a_burst_of_new_work(served: Served) -> None:
    """Who restarts what does not answer would restart a server for being busy."""
    done = 0

    async def one() -> None:
        nonlocal done
        with suppress(grpc.aio.AioRpcError):
            await served.call(QUERY, timeout_s=120)
        done += 1

    burst = [asyncio.create_task(one()) for _ in range(2_000)]
    await asyncio.sleep(0)  # all of them have been sent first
    health = health_pb2_grpc.HealthStub(served.channel)
    await health.Check(health_pb2.HealthCheckRequest(), timeout=60)
    done_before = done
    await asyncio.wait(burst)

    assert done_before < 1_000
    assert 2_000 == done


async def running() -> tuple[RpcServer, grpc.aio.Channel, Script]:
    """A server that the test drains itself."""
    script = Script()
    server = RpcServer("127.0.0.1:0", mounts(script), all_layers(FakeBoundary()))
    await server.start()
    return server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"), script


def blocking(script: Script) -> tuple[asyncio.Event, asyncio.Event]:
    """Make calls wait: the events say that one has begun, and let it go on."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    script.act = wait
    return begun, go_on


async def test_a_drain_lets_calls_in_hand_end_and_takes_no_more() -> None:
    """A deployment loses no call; an open health stream does not hold it up."""
    server, channel, script = await running()
    begun, go_on = blocking(script)
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
    states = [(await watch.read()).status]
    rpc: Any = channel.unary_unary(WHO)
    first = rpc(b"", metadata=bearer(), timeout=20)
    await asyncio.wait_for(begun.wait(), 10)

    draining = asyncio.create_task(server.drain(60))
    states.append((await watch.read()).status)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as late:
        late_rpc: Any = late.unary_unary(WHO)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await late_rpc(b"", metadata=bearer(), timeout=5)
    go_on.set()

    assert b"\x22\x04acme" == await first
    await asyncio.wait_for(draining, 10)
    await channel.close()
    assert [SERVING, NOT_SERVING] == states
    assert grpc.StatusCode.UNAVAILABLE == refused.value.code()


@pytest.mark.parametrize("name", [WHO, RUN])
async def test_a_call_without_its_message_holds_up_no_drain(name: str) -> None:
    """It waits for nothing of this server: anybody with a token could stop deployments."""
    server, channel, _ = await running()
    rpc: Any = channel.stream_unary(name)
    waiting = rpc(never(), metadata=bearer(), timeout=60)
    ordinary: Any = channel.unary_unary(WHO)
    await ordinary(b"", metadata=bearer(), timeout=20)

    await asyncio.wait_for(server.drain(60), 10)

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await waiting
    await channel.close()
    assert grpc.StatusCode.UNAVAILABLE == ended.value.code()


async def never() -> AsyncIterator[bytes]:
    """A stream of requests without a first one and without an end."""
    await asyncio.Event().wait()
    yield b""


async def test_a_drain_cuts_what_outlasts_its_grace() -> None:
    """A stuck call must not keep the process alive."""
    server, channel, script = await running()
    begun, _ = blocking(script)
    rpc: Any = channel.unary_unary(WHO)
    stuck = rpc(b"", metadata=bearer(), timeout=20)
    await asyncio.wait_for(begun.wait(), 10)

    await asyncio.wait_for(server.drain(0.05), 10)

    with pytest.raises(grpc.aio.AioRpcError) as cut:
        await stuck
    await channel.close()
    assert cut.value.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}


def test_an_rpc_without_its_option_is_not_served() -> None:
    """It would be open to anyone; the server does not start with it."""
    reflection = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]

    with pytest.raises(ValueError, match="no complete `access` option"):
        governed([reflection])


def test_the_contracts_options_are_what_the_layers_see() -> None:
    """The check is made from the descriptor, so that the two cannot differ."""
    service = identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"]

    access = governed([service])["/chenu.api.governance.v1.IdentityService/ListViolations"].access

    assert access is not None
    assert ("auditor", "system_auditor", None, False, False) == (
        access.role,
        access.system_role,
        access.principal_type,
        access.system_only,
        access.new_work,
    )
