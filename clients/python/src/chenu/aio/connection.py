"""One channel with its token and identity, and how a call on it is made and ended."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from chenu import errors
from chenu.api.governance.v1 import (
    audit_service_pb2,
    budget_service_pb2,
    checkpoint_service_pb2,
    identity_service_pb2,
    rate_limit_service_pb2,
)
from chenu.api.pipeline.v1 import pipeline_service_pb2, router_service_pb2

CALL_TIMEOUT_S: Final = 30.0
# gRPC reckons deadlines in 64 bits of nanoseconds: later than this, one has passed at once.
TIMEOUT_MAX_S: Final = 100_000_000.0
FILES: Final[tuple[FileDescriptor, ...]] = (
    pipeline_service_pb2.DESCRIPTOR,
    router_service_pb2.DESCRIPTOR,
    checkpoint_service_pb2.DESCRIPTOR,
    budget_service_pb2.DESCRIPTOR,
    rate_limit_service_pb2.DESCRIPTOR,
    identity_service_pb2.DESCRIPTOR,
    audit_service_pb2.DESCRIPTOR,
)
RETRY_POLICY: Final = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}

Q = TypeVar("Q")
A = TypeVar("A")
Metadata = tuple[tuple[str, str], ...]


class Connection:
    """A channel and what every call on it carries."""

    def __init__(
        self, channel: grpc.aio.Channel, token: Callable[[], str] | None, identity: str | None
    ) -> None:
        self.channel = channel
        self._token = token
        self._identity = identity

    def metadata(self) -> Metadata:
        """The token and the identity, as every call carries them."""
        token = (("authorization", f"Bearer {self._token()}"),) if self._token else ()
        identity = (("x-chenu-identity", self._identity),) if self._identity else ()
        return (*token, *identity)

    async def unary(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Q, A], request: Q, timeout_s: float
    ) -> A:
        """
        One answer.

        Raises:
            ChenuError: The call was refused or failed.
        """
        timeout_s = min(timeout_s, TIMEOUT_MAX_S)
        call = method(request, timeout=timeout_s, metadata=self.metadata())
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise errors.from_call(error) from error
        finally:
            call.cancel()  # an abandoned call would go on: grpc never collects it

    def open(
        self, method: grpc.aio.UnaryStreamMultiCallable[Q, A], request: Q, timeout_s: float
    ) -> grpc.aio.UnaryStreamCall[Q, A]:
        """A started stream. Whoever reads it cancels it in a `finally`."""
        timeout_s = min(timeout_s, TIMEOUT_MAX_S)
        return method(request, timeout=timeout_s, metadata=self.metadata())


def connect(
    target: str,
    *,
    credentials: grpc.ChannelCredentials | None,
    insecure: bool,
    options: tuple[tuple[str, str | int], ...],
) -> grpc.aio.Channel:
    """A channel with TLS, or without it on loopback and where the caller says so."""
    chosen = (*OPTIONS, *options)
    if credentials is None and (insecure or is_loopback(target)):
        return grpc.aio.insecure_channel(target, options=chosen)
    return grpc.aio.secure_channel(
        target, credentials or grpc.ssl_channel_credentials(), options=chosen
    )


def is_loopback(target: str) -> bool:
    """Whether what is sent to `target` stays on this machine, so that a token needs no TLS."""
    if target.startswith("unix:"):
        return True
    host = target.rpartition("://")[2].lstrip("/").rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _service_config() -> str:
    """Retries of the unary rpcs that the contract marks as idempotent, and of no others."""
    return json.dumps(
        {"methodConfig": [{"name": list(_idempotent_methods()), "retryPolicy": RETRY_POLICY}]}
    )


def _idempotent_methods() -> Iterator[dict[str, str]]:
    for file in FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                level = method.GetOptions().idempotency_level
                if level != MethodOptions.IDEMPOTENCY_UNKNOWN and not method.server_streaming:
                    yield {"service": service.full_name, "method": method.name}


OPTIONS: Final[tuple[tuple[str, str | int], ...]] = (
    ("grpc.service_config", _service_config()),
    # A server's default is to drop clients that ping an idle connection more than every 5 minutes.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A query without a reader is cancelled after 2 s, so a cut connection comes back fast.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
