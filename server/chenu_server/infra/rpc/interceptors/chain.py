"""Folds the layers around a handler, once per method and for all four kinds alike.

A handler of any kind becomes one coroutine function of (request, context): a stream of responses
is written through the context, so a layer never stands between two messages. Requests arrive as
bytes, because grpc.aio would decode them before any layer runs and answer a bad one with UNKNOWN;
`payload_validation` decodes them. The one request of a unary call is read here, because grpc.aio
never answers a call that ends without it; the layers then see None.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import grpc

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.rpc.methods import Method

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[[Any, Context], Awaitable[Any]]
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stub alone


class Layer(Protocol):
    """One interceptor."""

    def around(self, method: Method, proceed: Handler) -> Handler:
        """A handler that does this layer's part and calls `proceed`; made once per method."""
        ...


class Chain(grpc.aio.ServerInterceptor):
    """Every layer, as the one interceptor that grpc.aio sees. Counts the calls in hand."""

    def __init__(self, methods: Mapping[str, Method], layers: Sequence[Layer]) -> None:
        self._methods = methods
        self._layers = layers
        self._wrapped: dict[str, tuple[RpcHandler, RpcHandler]] = {}
        self._in_hand = 0
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[RpcHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> RpcHandler | None:
        """The handler with all layers around it; None for an rpc that nobody serves."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        name = handler_call_details.method
        known = self._wrapped.get(name)
        if known is None or known[0] is not handler:
            known = self._wrapped[name] = (handler, self._wrap(name, handler))
        return known[1]

    async def close(self) -> None:
        """Refuse governed calls from now on, and wait until none is in hand."""
        self._closing = True
        await self._idle.wait()

    def _wrap(self, name: str, handler: RpcHandler) -> RpcHandler:
        method = replace(
            self._methods[name],
            decode=handler.request_deserializer,
            request_streaming=handler.request_streaming,
            response_streaming=handler.response_streaming,
        )
        proceed = _coroutine_of(handler)
        if method.access is not None:
            proceed = self._admitting(proceed)
        for layer in reversed(self._layers):
            proceed = layer.around(method, proceed)
        if method.access is not None:
            proceed = self._counted(proceed)
        return _served_as(handler, proceed)

    def _admitting(self, proceed: Handler) -> Handler:
        async def admitted(request: Any, context: Context) -> Any:
            if self._closing:
                raise GovernanceUnavailable
            return await proceed(request, context)

        return admitted

    def _counted(self, proceed: Handler) -> Handler:
        async def counted(request: Any, context: Context) -> Any:
            self._in_hand += 1
            self._idle.clear()
            try:
                return await proceed(request, context)
            finally:
                self._in_hand -= 1
                if not self._in_hand:
                    self._idle.set()

        return counted


def _coroutine_of(handler: RpcHandler) -> Handler:
    """The handler's function; a generator of responses becomes a coroutine that writes them."""
    function: Any = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    if not inspect.isasyncgenfunction(function):
        coroutine: Handler = function
        return coroutine

    async def written(request: Any, context: Context) -> None:
        # Closed here and now when the call is cancelled: whoever streams must learn of it.
        async with aclosing(function(request, context)) as responses:
            async for response in responses:
                await context.write(response)

    return written


def _served_as(handler: RpcHandler, proceed: Handler) -> RpcHandler:
    make: Any = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    takes = proceed if handler.request_streaming else _reading_one(proceed)
    wrapped: RpcHandler = make(takes, None, handler.response_serializer)
    return wrapped


def _reading_one(proceed: Handler) -> Handler:
    async def read(_requests: Any, context: Context) -> Any:
        request = await context.read()
        return await proceed(None if request is grpc.aio.EOF else request, context)

    return read
