"""Streams that need no token are few, few from one address, and end when nothing is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # no stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # no stubs
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # no stubs
    reflection_pb2,
    reflection_pb2_grpc,
)

from chenu_server.infra.rpc import open_streams
from chenu_server.infra.rpc.health import HEALTH
from chenu_server.infra.rpc.interceptors import chain
from chenu_server.infra.rpc.interceptors.write_limit import WriteLimit
from chenu_server.infra.rpc.open_streams import OF_PEER_ASKING, OpenStreamLimits, address_of
from chenu_server.infra.rpc.reflection import REFLECTION
from tests.harness import eventually
from tests.http2 import connected
from tests.unit.rpc.samples import TIMEOUT_S, Refusal, Served, serving

OF_ALL, OF_PEER = "streams without a token", "streams without a token from this address"
LISTED = reflection_pb2.ServerReflectionRequest(list_services="")
WATCH = f"/{HEALTH.full_name}/Watch"
WATCHED = health_pb2.HealthCheckRequest()
STREAMING = [
    (f"/{service.full_name}/{method.name}", method.client_streaming)
    for service in (HEALTH, *REFLECTION)
    for method in service.methods
    if method.client_streaming or method.server_streaming
]


def limits(
    *,
    all_: int = 0,
    peer: int = 0,
    asking: int = 0,
    asking_peer: int = 0,
    idle_s: int = 0,
    watch_s: int = 0,
) -> OpenStreamLimits:
    """Limits that are off unless told."""
    return OpenStreamLimits(
        streams_max=all_,
        per_peer_max=peer,
        asking_max=asking,
        asking_per_peer_max=asking_peer,
        idle_s=idle_s,
        watch_idle_s=watch_s,
    )


def watch(channel: grpc.aio.Channel) -> Any:
    """An open stream of health states."""
    return health_pb2_grpc.HealthStub(channel).Watch(WATCHED, timeout=TIMEOUT_S)


def reflection(channel: grpc.aio.Channel) -> Any:
    """An open stream of questions about the contract."""
    return reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(timeout=TIMEOUT_S)


async def refusal_of(call: Any) -> Refusal:
    """How a stream ends."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    raise AssertionError("the stream ended well")


@asynccontextmanager
async def from_another_address(served: Served) -> AsyncIterator[grpc.aio.Channel]:
    """A channel whose connection the server sees come from 127.0.0.2."""
    pipes: list[asyncio.Task[None]] = []

    async def relay(near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        far, away = await asyncio.open_connection(
            "127.0.0.1", served.server.port, local_addr=("127.0.0.2", 0)
        )
        pipes.extend(asyncio.create_task(_pipe(*ends)) for ends in ((near, away), (far, out)))

    relaying = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = relaying.sockets[0].getsockname()[1]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    relaying.close()
    for pipe in pipes:
        pipe.cancel()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(65_536):
        sink.write(piece)
    sink.close()


@pytest.mark.parametrize(("name", "may_send_later"), STREAMING)
async def test_every_open_stream_takes_a_place(name: str, may_send_later: bool) -> None:
    """A service that is opened to anyone later is bounded like those of today."""
    async with serving(open_streams=limits(all_=1)) as served:
        taken = watch(served.channel)
        await taken.read()
        rpc: Any = served.channel.stream_stream(name)
        refusal = await refusal_of(rpc(iter([b""]), timeout=TIMEOUT_S))
        taken.cancel()

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == refusal.code
    assert ("SERVER_OVERLOADED", OF_ALL) == (refusal.reason, refusal.info.metadata["resource"])


async def test_streams_that_may_send_at_any_time_are_fewer() -> None:
    """What has come of a message of theirs is held, without a token, until the rest has come."""
    async with serving(open_streams=limits(all_=9, asking=1)) as served:
        asking = reflection(served.channel)
        await asking.write(LISTED)
        await asking.read()
        refusal = await refusal_of(reflection(served.channel))
        watching = watch(served.channel)
        told = (await watching.read()).status
        for each in (asking, watching):
            each.cancel()

    assert "streams without a token that ask" == refusal.info.metadata["resource"]
    assert health_pb2.HealthCheckResponse.SERVING == told


async def test_one_address_leaves_others_places_to_ask() -> None:
    """They are few in all, so one client without a token could take reflection from everybody."""
    async with serving(open_streams=limits(asking=3, asking_peer=2)) as served:
        ours = [reflection(served.channel) for _ in range(2)]
        for each in ours:
            await each.write(LISTED)
            await each.read()
        refusal = await refusal_of(reflection(served.channel))
        watching = watch(served.channel)
        told = (await watching.read()).status
        async with from_another_address(served) as channel:
            theirs = reflection(channel)
            await theirs.write(LISTED)
            answer = await theirs.read()
            theirs.cancel()
        for each in (*ours, watching):
            each.cancel()

    assert OF_PEER_ASKING == refusal.info.metadata["resource"]
    assert health_pb2.HealthCheckResponse.SERVING == told
    assert answer.list_services_response.service


async def test_one_address_leaves_places_for_others() -> None:
    """Who opens all that it may keeps nobody else from asking how the server is."""
    async with serving(open_streams=limits(all_=3, peer=2)) as served:
        ours = [watch(served.channel), watch(served.channel)]
        states = [(await each.read()).status for each in ours]
        refusal = await refusal_of(watch(served.channel))
        async with from_another_address(served) as channel:
            theirs = watch(channel)
            states.append((await theirs.read()).status)
            theirs.cancel()
        for each in ours:
            each.cancel()

    assert OF_PEER == refusal.info.metadata["resource"]
    assert [health_pb2.HealthCheckResponse.SERVING] * 3 == states


@pytest.mark.parametrize("reads", [True, False])
async def test_a_reader_that_takes_nothing_keeps_its_place_until_it_reads_or_leaves(
    monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """Its stream is ended and stays in memory; else anyone could pile them up without a token."""
    monkeypatch.setattr(chain, "WriteLimit", lambda loop, _: WriteLimit(loop, 0.001))
    async with (
        serving(open_streams=limits(peer=1, watch_s=60)) as served,
        connected(served.server.port) as connection,
    ):
        with structlog.testing.capture_logs() as lines:
            number = connection.call(WATCH, b"", ())

            async def ended() -> bool:
                return "SLOW_CONSUMER" in [line.get("outcome") for line in lines]

            await eventually(ended)
        refusal = await refusal_of(watch(served.channel))
        connection.open_window(number) if reads else connection.close()

        async def free() -> bool:
            call = watch(served.channel)
            try:
                return await call.read() is not grpc.aio.EOF
            except grpc.aio.AioRpcError:
                return False
            finally:
                call.cancel()

        await eventually(free)

    assert ("SERVER_OVERLOADED", OF_PEER) == (refusal.reason, refusal.info.metadata["resource"])
    assert 1 == refusal.detail(error_details_pb2.RetryInfo).retry_delay.seconds


async def test_a_place_is_free_again_when_its_stream_ends() -> None:
    """Else a server that runs for long would refuse everybody."""
    async with serving(open_streams=limits(all_=1)) as served:
        first = watch(served.channel)
        await first.read()
        full = await _is_served(served.channel)
        first.cancel()
        await eventually(lambda: _is_served(served.channel))

    assert not full


async def _is_served(channel: grpc.aio.Channel) -> bool:
    call = watch(channel)
    try:
        await call.read()
    except grpc.aio.AioRpcError:
        return False
    call.cancel()
    return True


async def test_probes_and_calls_take_no_place() -> None:
    """They end by themselves, and a full server must still be able to say how it is."""
    async with serving(open_streams=limits(all_=1)) as served:
        taken = watch(served.channel)
        await taken.read()
        answer = await health_pb2_grpc.HealthStub(served.channel).Check(WATCHED, timeout=TIMEOUT_S)
        taken.cancel()

    assert health_pb2.HealthCheckResponse.SERVING == answer.status


@pytest.fixture
async def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes so many seconds pass at once on the loop's clock."""
    loop, passed_s = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + passed_s[0])

    def pass_(seconds: float) -> None:
        passed_s[0] += seconds

    return pass_


@pytest.fixture
def done_with(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[None]:
    """One for each message that a server is done with: its client may have read it before."""
    messages: asyncio.Queue[None] = asyncio.Queue()
    write = open_streams._Told.write

    async def written(self: Any, message: Any) -> None:
        await write(self, message)
        messages.put_nowait(None)

    monkeypatch.setattr(open_streams._Told, "write", written)
    return messages


async def test_reflection_that_is_asked_nothing_is_ended(
    later: Callable[[float], None], done_with: asyncio.Queue[None]
) -> None:
    """A tool that was left open holds its place for a minute and not for days."""
    async with serving(open_streams=limits(idle_s=60)) as served:
        call = reflection(served.channel)
        for _ in range(3):  # asked in time, it goes on for longer than it may be silent
            await call.write(LISTED)
            await call.read()
            await done_with.get()
            later(59)
        await call.write(LISTED)
        await call.read()
        await done_with.get()
        refusal = await ended(call, later, 61)

    assert ("SERVER_OVERLOADED", "idle streams without a token") == (
        refusal.reason,
        refusal.info.metadata["resource"],
    )


async def test_a_watch_with_nothing_to_tell_is_ended(
    later: Callable[[float], None], done_with: asyncio.Queue[None]
) -> None:
    """Its client attaches again at once; one that has forgotten it does not."""
    async with serving(open_streams=limits(idle_s=60, watch_s=3_600)) as served:
        call = watch(served.channel)
        await call.read()
        await done_with.get()
        later(3_599)
        await served.server.health.set_serving(False)
        told = (await call.read()).status
        await done_with.get()
        later(3_599)
        await served.server.health.set_serving(True)
        told_again = (await call.read()).status
        await done_with.get()
        refusal = await ended(call, later, 3_601)

    assert [health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING] == [
        told,
        told_again,
    ]
    assert "SERVER_OVERLOADED" == refusal.reason
    assert 0 == refusal.detail(error_details_pb2.RetryInfo).retry_delay.ToMicroseconds()


async def ended(call: Any, later: Callable[[float], None], silent_s: float) -> Refusal:
    """How a stream is ended that stays silent. The server may learn late that it sent the last."""
    reading = asyncio.create_task(refusal_of(call))
    while not reading.done():
        later(silent_s)
        await asyncio.wait([reading], timeout=0.01)
    return await reading


async def test_a_refusal_says_when_a_place_is_free_at_the_latest(
    later: Callable[[float], None],
) -> None:
    """That is when the stream that has been silent for longest is ended."""
    async with serving(open_streams=limits(all_=1, watch_s=100)) as served:
        call = watch(served.channel)
        await call.read()
        await health_pb2_grpc.HealthStub(served.channel).Check(WATCHED, timeout=TIMEOUT_S)
        later(40)
        refusal = await refusal_of(watch(served.channel))
        call.cancel()

    delay = refusal.detail(error_details_pb2.RetryInfo).retry_delay
    assert 50 < delay.ToSeconds() <= 60


@pytest.mark.parametrize(
    ("peer", "counted_as"),
    [
        ("ipv4:192.0.2.7:50123", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:50123", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:9::1]:50124", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50123", "fe80::/64"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:50123", "192.0.2.7"),
        ("unix:/run/chenu.sock", "unix:/run/chenu.sock"),
        ("unix:", "unix:"),
    ],
)
def test_who_shares_places(peer: str, counted_as: str) -> None:
    """Ports differ by connection, and an IPv6 site has more addresses than there are places."""
    assert counted_as == address_of(peer)
