"""Folds the layers around a handler, once per method at start and for all four kinds alike.

A handler of any kind becomes one coroutine function of (request, context): a stream of responses
is written through the context, so a layer never stands between two messages, and every stream is
ended alike whose reader does not take them.

Every handler is given to grpc.aio as one of a stream of requests: of the other kinds it takes in
the message, and decodes it, before any layer runs. What the layers pass on is an `Upload`, which
`payload_validation` reads, behind all that can be refused without. On the wire the call is what the
contract says, and it takes as many turns through gRPC's core.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from typing import Any, Final, Protocol

import grpc

from chenu_server.errors import GovernanceUnavailable, SlowConsumer
from chenu_server.infra.rpc.context import CALL
from chenu_server.infra.rpc.intake import Intake, IntakeLimits, Upload
from chenu_server.infra.rpc.interceptors.unread import UNREAD_MAX, Unread
from chenu_server.infra.rpc.interceptors.write_limit import WriteLimit
from chenu_server.infra.rpc.methods import Method, RpcHandler
from chenu_server.values import replace

WRITE_TIMEOUT_S: Final = 10.0

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[[Any, Context], Awaitable[Any]]


class Layer(Protocol):
    """One interceptor."""

    def around(self, method: Method, proceed: Handler) -> Handler:
        """A handler that does this layer's part and calls `proceed`; made once per method."""
        ...


class Chain(grpc.GenericRpcHandler):
    """Every handler with every layer around it, as all that grpc.aio sees.

    Generated code adds its handlers here as it would to a server. Counts the calls in hand.

    A method that is registered with grpc.aio has a queue of its own for calls that it has not
    taken on yet, and costs each call of any method: for each call the server waits at the queues of
    all methods anew. So new work alone has them: behind a burst of it nobody else is waiting.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        layers: Sequence[Layer],
        *,
        write_timeout_s: float = WRITE_TIMEOUT_S,
        unread_max: int = UNREAD_MAX,
        intake: Intake | None = None,
    ) -> None:
        self._methods = methods
        self._layers = layers
        self._intake = intake or Intake(IntakeLimits())
        self._write_timeout_s = write_timeout_s
        self._unread = Unread(unread_max)
        self._wrapped: dict[str, RpcHandler] = {}
        self._in_hand: set[Context] = set()
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, RpcHandler]
    ) -> None:
        """Serve the rpcs of a service, by their bare names."""
        for bare, handler in method_handlers.items():
            name = f"/{service_name}/{bare}"
            self._wrapped[name] = self._wrap(name, handler)

    @property
    def served(self) -> AbstractSet[str]:
        """The rpcs that have a handler, by wire name."""
        return self._wrapped.keys()

    def new_work(self) -> dict[str, dict[str, RpcHandler]]:
        """What has queues of its own: wrapped handlers by service and bare name."""
        found: dict[str, dict[str, RpcHandler]] = {}
        for name, handler in self._wrapped.items():
            access = self._methods[name].access
            if access is not None and access.new_work:
                _, service, bare = name.split("/")
                found.setdefault(service, {})[bare] = handler
        return found

    def add_generic_rpc_handlers(self, generic_rpc_handlers: object) -> None:
        """Nothing: what generated code adds here, it registers too."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> RpcHandler | None:
        """The handler with all layers around it; None for an rpc that nobody serves."""
        return self._wrapped.get(handler_call_details.method)

    async def close(self) -> None:
        """Refuse governed calls from now on, and wait until none is in hand."""
        self._closing = True
        self._intake.close()
        await self._idle.wait()

    def _wrap(self, name: str, handler: RpcHandler) -> RpcHandler:
        method = replace(
            self._methods[name],
            decode=handler.request_deserializer,
            request_streaming=handler.request_streaming,
            response_streaming=handler.response_streaming,
        )
        proceed = self._coroutine_of(handler)
        if method.access is not None:
            # Innermost: a call whose request was still on its way as the drain began is refused as
            # well.
            proceed = self._admitting(proceed)
        for layer in reversed(self._layers):
            proceed = layer.around(method, proceed)
        uploads = not handler.request_streaming
        if method.access is not None:
            # Around all layers: a drain waits also for those that are just being refused.
            proceed = self._counted(proceed, uploads=uploads)
        elif uploads:
            proceed = self._uploading(proceed)
        return _unread(handler, proceed)

    def _uploading(self, proceed: Handler) -> Handler:
        async def uploading(_requests: Any, context: Context) -> Any:
            return await proceed(Upload(self._intake, context), context)

        return uploading

    def _admitting(self, proceed: Handler) -> Handler:
        async def admitted(request: Any, context: Context) -> Any:
            if self._closing:
                raise GovernanceUnavailable
            return await proceed(request, context)

        return admitted

    def _counted(self, proceed: Handler, *, uploads: bool) -> Handler:
        async def counted(request: Any, context: Context) -> Any:
            if uploads:
                request = Upload(self._intake, context)
            self._in_hand.add(context)
            self._idle.clear()
            try:
                return await proceed(request, context)
            finally:
                self._let_go(context)
                # Only here is the stream gone: its status has been taken, or its connection has
                # ended.
                self._unread.release(context)

        return counted

    def _let_go(self, context: Context) -> None:
        self._in_hand.discard(context)
        if not self._in_hand:
            self._idle.set()

    def _coroutine_of(self, handler: RpcHandler) -> Handler:
        """The handler's function; a generator of responses becomes a coroutine that writes them."""
        function: Any = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        if not inspect.isasyncgenfunction(function):
            coroutine: Handler = function
            return coroutine

        async def written(request: Any, context: Context) -> None:
            call = CALL.get(None)
            caller = call.caller if call is not None else None
            if caller is not None:
                # Before the generator is asked for anything: with its first message it would begin
                # a query.
                self._unread.admit(caller.identity_id)
            try:
                # Closed here and now, however it ends: whoever streams must learn of it.
                async with aclosing(function(request, context)) as responses:
                    await self._write_all(responses, context)
            except SlowConsumer:
                self._let_go(context)  # its status waits behind what it does not take
                if caller is not None:
                    self._unread.hold(context, caller.identity_id)
                raise

        return written

    async def _write_all(self, responses: AsyncIterator[Any], context: Context) -> None:
        limit = WriteLimit(asyncio.get_running_loop(), self._write_timeout_s)
        begun = False
        try:
            async for response in responses:
                if not begun:
                    # Apart from the first message: gRPC's core refuses to send them again with a
                    # status, and while that message is held up cannot know that they are sent.
                    await context.send_initial_metadata(())
                    begun = True
                await _write(response, context, limit)
        finally:
            limit.close()


async def _write(response: Any, context: Context, limit: WriteLimit) -> None:
    """Hand one message to the transport, which takes it when the reader has room.

    Raises:
        SlowConsumer: It had none in time. The message stays with the transport.
    """
    limit.begin()
    try:
        await context.write(response)
    except asyncio.CancelledError:
        if not limit.is_cause():
            raise
        call = CALL.get(None)
        raise SlowConsumer(call.taken_sequence if call is not None else 0) from None
    except grpc.aio.InternalError:
        # The connection is gone and gRPC has not got round to cancelling this call yet.
        raise asyncio.CancelledError from None
    limit.done()


def _unread(handler: RpcHandler, proceed: Handler) -> RpcHandler:
    make: Any = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    wrapped: RpcHandler = make(proceed, None, _sent_by(handler.response_serializer))
    return wrapped


def _sent_by(serialize: Any) -> Callable[[Any], bytes]:
    """What makes bytes of a response. One that is bytes already was written by the core."""

    def sent(response: Any) -> bytes:
        if type(response) is bytes:
            return response
        written: bytes = serialize(response)
        return written

    return sent
