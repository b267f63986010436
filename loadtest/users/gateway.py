"""What every user has: a channel of its own, tokens, and calls that Locust counts."""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, cast

import grpc
from locust import User
from locust.env import Environment

from chenu import errors
from chenu.api.governance.v1 import checkpoint_service_pb2_grpc
from chenu.api.pipeline.v1 import pipeline_service_pb2_grpc

DEADLINE_S: Final = 30.0
SERIES: Final = "grpc"
# Other processes ask too: the same action, asked again while it waits, is the first one's.
_number = itertools.count(secrets.randbelow(2**40))

A = TypeVar("A")
Metadata = tuple[tuple[str, str], ...]


class Refused(Exception):
    """A call that Locust has counted as failed; the task ends here."""


class GatewayUser(User):
    """Calls the gateway at `--host` with the tokens of one of the identities in `--tokens`."""

    abstract = True
    text: ClassVar[str] = "How many orders came in on {number}, and from where?"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        assert environment.parsed_options is not None, "Locust ran without a command line"
        held = _tokens(environment.parsed_options.tokens)
        mine = held[next(_number) % len(held)]
        self.member = _bearer(mine["member"])
        self.approver = _bearer(mine["approver"])
        # Without a pool of its own, all users would share one connection.
        self._channel = grpc.insecure_channel(
            environment.host or "127.0.0.1:50051",
            options=(("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)),
        )
        self.pipeline = pipeline_service_pb2_grpc.PipelineServiceStub(self._channel)
        self.checkpoints = checkpoint_service_pb2_grpc.CheckpointServiceStub(self._channel)

    def on_stop(self) -> None:
        """Close the connection."""
        self._channel.close()

    def next_text(self) -> str:
        """A text that nobody has asked before."""
        return self.text.format(number=next(_number))

    def counted(self, name: str, call: Callable[[], A]) -> A:
        """
        A call as one request of the series `name`.

        Raises:
            Refused: It failed.
        """
        started = time.perf_counter()
        try:
            answer = call()
        except grpc.RpcError as error:
            self.count(name, started, error)
            raise Refused from error
        self.count(name, started)
        return answer

    def count(self, name: str, started: float, error: Exception | None = None) -> None:
        """Add to the series `name` what began at `started` and ends now."""
        self.environment.events.request.fire(
            request_type=SERIES,
            name=name,
            response_time=(time.perf_counter() - started) * 1_000,
            response_length=0,
            exception=error,
            context={},
        )


def typed(error: grpc.RpcError) -> errors.ChenuError:
    """The SDK's error of a failed call on a synchronous stub."""
    return errors.from_call(cast("grpc.aio.AioRpcError", error))


@cache
def _tokens(path: str) -> list[dict[str, str]]:
    held: list[dict[str, str]] = json.loads(Path(path).read_text())
    return held


def _bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def finished(task: Callable[[Any], None]) -> Callable[[Any], None]:
    """A task that ends where a call was refused: Locust has counted that already."""

    def tolerant(user: Any) -> None:
        with suppress(Refused):
            task(user)

    tolerant.__name__ = task.__name__  # Locust shows it, and rejects `run`
    return tolerant
