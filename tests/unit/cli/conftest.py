"""A gateway that answers what a test gave it, and the command line pointed at it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs
from typer.testing import CliRunner, Result

from chenu.aio.channel import FILES
from chenu_server.cli.app import app
from tests.listener import Listener, listening

Answer = Message  # a google.rpc.Status is a refusal


@dataclass
class Gateway(grpc.GenericRpcHandler):
    """Answers each method with what stands in `answers`, and records what it was asked."""

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    asked: list[Message] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    target: str = ""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """A handler of whatever method it is."""
        service, _, name = handler_call_details.method.rpartition(".")[2].partition("/")
        services = {name: one for file in FILES for name, one in file.services_by_name.items()}
        method = services[service].methods_by_name[name]
        request_type = GetMessageClass(method.input_type)

        def unary(request: Message, context: grpc.ServicerContext) -> Message:
            return next(self._answer(name, request, context))

        def stream(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            yield from self._answer(name, request, context)

        handler = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return handler(
            stream if method.server_streaming else unary,
            request_deserializer=request_type.FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )

    def _answer(
        self, name: str, request: Message, context: grpc.ServicerContext
    ) -> Iterator[Message]:
        self.asked.append(request)
        metadata = context.invocation_metadata()
        self.headers.append({key: str(value) for key, value in metadata})
        answers = self.answers[name]
        for answer in answers if isinstance(answers, list) else [answers]:
            if answer.DESCRIPTOR.full_name == "google.rpc.Status":
                context.abort_with_status(rpc_status.to_status(answer))
            yield answer


@dataclass(frozen=True)
class Shell:
    """Runs `chenu` against the gateway."""

    target: str

    def __call__(self, *arguments: str, **options: Any) -> Result:
        """Run one command; the gateway's address is in the environment."""
        env = {
            "CHENUCLI_TARGET": self.target,
            "CHENUCLI_TOKEN": "a-token",
            **options.pop("env", {}),
        }
        return CliRunner().invoke(app, list(arguments), env=env, **options)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway on a port of its own."""
    handler = Gateway()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler.target = f"127.0.0.1:{port}"
    yield handler
    server.stop(None).wait()


@pytest.fixture
def chenu(gateway: Gateway) -> Shell:
    """The command line, pointed at the gateway."""
    return Shell(gateway.target)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """What listens where a proxy would."""
    with listening() as listener:
        yield listener
