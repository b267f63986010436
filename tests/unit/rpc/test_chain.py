"""One chain for all four kinds of rpc."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from chenu_server.errors import InvalidField
from chenu_server.infra.rpc.interceptors import chain
from chenu_server.infra.rpc.interceptors.chain import Chain, Context, Handler, Layer
from chenu_server.infra.rpc.interceptors.error_mapping import ErrorMapping
from chenu_server.infra.rpc.interceptors.payload_validation import PayloadValidation
from chenu_server.infra.rpc.interceptors.write_limit import WriteLimit
from chenu_server.infra.rpc.methods import Method
from chenu_server.steady import wall_us

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
DECODE: Any = bytes.decode
ENCODE: Any = str.encode  # which takes no bytes: the handlers' are sent as they are


class Counting:
    """A layer that counts how often it was folded and passed."""

    def __init__(self) -> None:
        self.folded = 0
        self.passed = 0

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Count."""
        self.folded += 1

        async def counted(request: Any, context: Context) -> Any:
            self.passed += 1
            return await proceed(request, context)

        return counted


async def unary(request: str, context: Context) -> bytes:
    """Echo."""
    if request == "no":
        raise InvalidField("text", "is no")
    return request.encode()


async def whole(request: str, context: Context) -> str:
    """Echo in what is not bytes yet."""
    return (await unary(request, context)).decode()


async def streamed(request: str, context: Context) -> AsyncIterator[bytes]:
    """Echo each character."""
    for character in await unary(request, context):
        yield bytes([character])


async def gathered(requests: AsyncIterator[str], context: Context) -> bytes:
    """Echo all at once."""
    return b"".join([await unary(request, context) async for request in requests])


async def mirrored(requests: AsyncIterator[str], context: Context) -> AsyncIterator[bytes]:
    """Echo one by one."""
    async for request in requests:
        yield await unary(request, context)


HANDLERS: dict[str, Any] = dict(zip(KINDS, (whole, streamed, gathered, mirrored), strict=True))


async def echoing(*layers: Layer) -> tuple[grpc.aio.Server, grpc.aio.Channel]:
    """A server of the four kinds, and a channel to it."""
    names = [f"/test.Echo/{kind}" for kind in KINDS]
    methods = {name: Method(name=name, request_name="text", access=None) for name in names}
    makers: dict[str, Any] = {kind: getattr(grpc, f"{kind}_rpc_method_handler") for kind in KINDS}
    handlers = {kind: makers[kind](HANDLERS[kind], DECODE, ENCODE) for kind in KINDS}
    made = Chain(methods, layers)
    made.add_registered_method_handlers("test.Echo", handlers)
    server = grpc.aio.server(handlers=[made])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, grpc.aio.insecure_channel(f"127.0.0.1:{port}")


async def answers(channel: grpc.aio.Channel, kind: str, *sent: bytes) -> list[bytes]:
    """All that one rpc answers."""
    rpc: Any = getattr(channel, kind)(f"/test.Echo/{kind}")
    requests: Iterator[bytes] | bytes = iter(sent) if kind.startswith("stream") else sent[0]
    call = rpc(requests, timeout=20)
    if kind.endswith("unary"):
        return [await call]
    return [message async for message in call]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("unary_unary", [b"ab"]),
        ("unary_stream", [b"a", b"b"]),
        ("stream_unary", [b"abcd"]),
        ("stream_stream", [b"ab", b"cd"]),
    ],
)
async def test_every_kind_passes_every_layer_once(kind: str, expected: list[bytes]) -> None:
    """A layer is written once, and no kind of rpc slips past it."""
    counting = Counting()
    server, channel = await echoing(ErrorMapping(wall_us), counting, PayloadValidation())

    answered = await answers(channel, kind, b"ab", b"cd")

    await channel.close()
    await server.stop(None)
    assert expected == answered
    assert (len(KINDS), 1) == (counting.folded, counting.passed)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_is_refused_alike(kind: str) -> None:
    """Whether a refusal comes before or after the first message."""
    server, channel = await echoing(ErrorMapping(wall_us), PayloadValidation())

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answers(channel, kind, b"no")

    await channel.close()
    await server.stop(None)
    assert grpc.StatusCode.INVALID_ARGUMENT == caught.value.code()
    assert "text: is no" == caught.value.details()


async def test_layers_are_folded_once_per_method() -> None:
    """Folding for each call would cost more than the layers do."""
    counting = Counting()
    server, channel = await echoing(ErrorMapping(wall_us), counting, PayloadValidation())

    for _ in range(5):
        await answers(channel, "unary_unary", b"ab")

    await channel.close()
    await server.stop(None)
    assert (len(KINDS), 5) == (counting.folded, counting.passed)


async def test_an_rpc_that_nobody_serves_is_unimplemented() -> None:
    """The transport's own answer, listed in the contract."""
    server, channel = await echoing(ErrorMapping(wall_us))

    rpc: Any = channel.unary_unary("/test.Echo/other")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc(b"", timeout=20)

    await channel.close()
    await server.stop(None)
    assert grpc.StatusCode.UNIMPLEMENTED == caught.value.code()


class LostContext:
    """The context of a call whose client leaves after its request: every write is cancelled."""

    async def send_initial_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        """Nothing is sent."""

    async def write(self, message: bytes) -> None:
        """Cancelled."""
        raise asyncio.CancelledError


async def test_a_streaming_handler_is_closed_before_its_call_ends() -> None:
    """What it holds is free when the call is over, not when garbage is collected."""
    ended: list[str] = []

    async def held(request: str, context: Context) -> AsyncIterator[bytes]:
        try:
            yield b"a"
        finally:
            ended.append("handler")

    wrapped = folded(held)

    with pytest.raises(asyncio.CancelledError):
        await wrapped(None, LostContext())
    ended.append("call")

    assert ["handler", "call"] == ended


class TakingContext(LostContext):
    """The context of a call whose client takes every message at once."""

    async def write(self, message: bytes) -> None:
        """Taken."""


async def test_a_stream_may_say_nothing_for_longer_than_a_write_may_take() -> None:
    """A model that thinks has no slow reader."""
    said: list[bytes] = []

    async def pondering(request: str, context: Context) -> AsyncIterator[bytes]:
        yield b"a"
        thought = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, thought.set)  # behind the limit's own timer
        await thought.wait()
        said.append(b"b")
        yield b"b"

    wrapped = folded(pondering, write_timeout_s=0.001)
    await wrapped(None, TakingContext())

    assert [b"b"] == said


@pytest.mark.parametrize("context", [TakingContext(), LostContext()])
async def test_a_stream_leaves_no_timer_behind(
    monkeypatch: pytest.MonkeyPatch, context: LostContext
) -> None:
    """However it ends: a timer holds the stream's task, and would cancel what that does next."""
    closed: list[WriteLimit] = []

    class Noted(WriteLimit):
        def close(self) -> None:
            super().close()
            closed.append(self)

    monkeypatch.setattr(chain, "WriteLimit", Noted)
    wrapped = folded(streamed)
    with suppress(asyncio.CancelledError):
        await wrapped(None, context)

    assert 1 == len(closed)


class Reading:
    """A layer that reads, in place of the request, what the test gave for one."""

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Give it to the handler."""

        async def read(_upload: Any, context: Context) -> Any:
            return await proceed("ab", context)

        return read


def folded(function: Any, **settings: Any) -> Any:
    """The coroutine function that a streaming handler becomes, with a request that is read."""
    handler: Any = grpc.unary_stream_rpc_method_handler(function, None, None)
    methods = {"/s/m": Method(name="/s/m", request_name="text", access=None)}
    details: Any = SimpleNamespace(method="/s/m")
    made = Chain(methods, [Reading()], **settings)
    made.add_registered_method_handlers("s", {"m": handler})
    wrapped: Any = made.service(details)
    return wrapped.stream_stream
