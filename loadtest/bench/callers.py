"""What is called in a bench: the gateway with ready-made bytes, and the provider directly."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
import grpc

from chenu.api.pipeline.v1 import pipeline_service_pb2, routing_pb2
from loadtest.bench.load import Call
from loadtest.processes import START_TIMEOUT_S, Process

SERVICE: Final = "/chenu.api.pipeline.v1.PipelineService"
QUERY: Final = f"{SERVICE}/Query"
RUN: Final = f"{SERVICE}/Run"
PROVIDER: Final = "openai"
MODEL: Final = "gpt-6-luna"
TEXT: Final = "How many orders came in since Monday, and which of them are still open?"
OUTPUT_CAP: Final = 512
CHANNELS: Final = 4
DEADLINE_S: Final = 30.0


class Gateway:
    """Calls one method with the same bytes; nothing is encoded or decoded on the way."""

    def __init__(self, target: str, token: str) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)
        alone = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
        self._channels = [grpc.aio.insecure_channel(target, options=alone) for _ in range(CHANNELS)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels:
            await channel.close()

    def unary(self) -> Call:
        """A whole answer."""
        stubs: Iterator[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = cycle(
            [channel.unary_unary(QUERY) for channel in self._channels]
        )
        request = _query().SerializeToString()

        async def call() -> None:
            await next(stubs)(request, timeout=DEADLINE_S, metadata=self._metadata)

        return call

    def stream(self) -> Call:
        """A stream, read to its end."""
        stubs: Iterator[grpc.aio.UnaryStreamMultiCallable[bytes, bytes]] = cycle(
            [channel.unary_stream(RUN) for channel in self._channels]
        )
        request = pipeline_service_pb2.RunRequest(query=_query()).SerializeToString()

        async def call() -> None:
            stream = next(stubs)(request, timeout=DEADLINE_S, metadata=self._metadata)
            async for _ in stream:
                pass

        return call

    def first_piece(self) -> Callable[[], Awaitable[float]]:
        """Microseconds until a stream's first piece is there; the stream is read to its end.

        Raises, when called:
            RuntimeError: There was none; a stream without a piece would be the quickest.
        """
        start: grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
        start = self._channels[0].unary_stream(RUN)
        request = pipeline_service_pb2.RunRequest(query=_query()).SerializeToString()

        async def call() -> float:
            started_ns, took_ns = time.perf_counter_ns(), 0
            async for message in start(request, timeout=DEADLINE_S, metadata=self._metadata):
                event = pipeline_service_pb2.RunResponse.FromString(message).event
                if not took_ns and event.HasField("llm_call_delta"):
                    took_ns = time.perf_counter_ns() - started_ns
            if not took_ns:
                raise RuntimeError("the stream had no piece")
            return took_ns / 1_000

        return call


class Direct:
    """Calls the provider as the gateway does: the same body, the same HTTP client."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/{PROVIDER}/v1/chat/completions"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(headers=headers)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def call(self) -> None:
        """One answer, all of it."""
        async with self._session.post(self._url, data=_BODY) as response:
            response.raise_for_status()
            await response.read()


def _query() -> pipeline_service_pb2.QueryRequest:
    """Without an id, so that each call is a query of its own."""
    only = routing_pb2.RoutingRequest(strategy=routing_pb2.STRATEGY_SPECIFIC, preferred_model=MODEL)
    return pipeline_service_pb2.QueryRequest(text=TEXT, routing=only, max_output_tokens=OUTPUT_CAP)


_BODY: Final = json.dumps(
    {
        "model": MODEL,
        "messages": [{"role": "user", "content": TEXT}],
        "max_completion_tokens": OUTPUT_CAP,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
).encode()


class EchoProcess(Process):
    """The echo in a process of its own."""

    def __init__(self, directory: Path, *, core: int) -> None:
        """Start it."""
        self._port_file = directory / "echo.port"
        command = ("-m", "loadtest.bench.echo", str(self._port_file), QUERY)
        super().__init__("echo", command, directory=directory, core=core)

    def wait_listening(self) -> str:
        """Wait until it listens, and where that is.

        Raises:
            ProcessFailed: It ended, or took too long.
        """
        self.until(lambda: self._port_file.exists() or None, "listened", START_TIMEOUT_S)
        return f"127.0.0.1:{self._port_file.read_text()}"
