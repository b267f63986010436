"""A channel to the gateway: its TLS, its proxy, its keepalive, and which calls gRPC repeats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from chenu.aio.target import is_loopback
from chenu.api.governance.v1 import (
    audit_service_pb2,
    budget_service_pb2,
    checkpoint_service_pb2,
    identity_service_pb2,
    rate_limit_service_pb2,
)
from chenu.api.pipeline.v1 import (
    pipeline_service_pb2,
    router_service_pb2,
    tool_call_service_pb2,
)

Options = tuple[tuple[str, str | int], ...]

FILES: Final[tuple[FileDescriptor, ...]] = (
    pipeline_service_pb2.DESCRIPTOR,
    router_service_pb2.DESCRIPTOR,
    tool_call_service_pb2.DESCRIPTOR,
    checkpoint_service_pb2.DESCRIPTOR,
    budget_service_pb2.DESCRIPTOR,
    rate_limit_service_pb2.DESCRIPTOR,
    identity_service_pb2.DESCRIPTOR,
    audit_service_pb2.DESCRIPTOR,
)
# `Pipeline.query` repeats itself: it knows more than a status, and has more patience.
REPEATED_HERE: Final = "chenu.api.pipeline.v1.PipelineService.Query"
RETRY_POLICY: Final = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    # A refusal of this status that is not to be repeated says so in a trailer (gRFC A6's pushback).
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def connect(
    target: str,
    *,
    credentials: grpc.ChannelCredentials | None,
    insecure: bool,
    http_proxy: str | None,
    options: Options,
) -> grpc.aio.Channel:
    """
    A channel with TLS, or without it on loopback and where the caller says so.

    Loopback is never reached through a proxy, whatever the environment says: the proxy's loopback
    is another machine's, and would be given the token in clear.
    """
    stays = is_loopback(target)
    chosen = (*OPTIONS, *_proxy(None if stays else http_proxy, stays=stays), *options)
    if credentials is None and (insecure or stays):
        return grpc.aio.insecure_channel(target, options=chosen)
    return grpc.aio.secure_channel(
        target, credentials or grpc.ssl_channel_credentials(), options=chosen
    )


def _proxy(url: str | None, *, stays: bool) -> Options:
    if stays or url == "":
        return (("grpc.enable_http_proxy", 0),)
    return (("grpc.http_proxy", url),) if url else ()


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
                # Streams are taken up by whoever reads them, at the place where they were cut.
                repeats = level != MethodOptions.IDEMPOTENCY_UNKNOWN and not method.server_streaming
                if repeats and method.full_name != REPEATED_HERE:
                    yield {"service": service.full_name, "method": method.name}


OPTIONS: Final[Options] = (
    ("grpc.service_config", _service_config()),
    # A server's default is to drop clients that ping an idle connection more than every 5 minutes.
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # A query without a reader is cancelled after 2 s, so a cut connection comes back fast.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
