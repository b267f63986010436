"""A server on a real port with every layer, around servicers that do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu.api.governance.v1 import (
    checkpoint_service_pb2,
    checkpoint_service_pb2_grpc,
    identity_service_pb2,
    identity_service_pb2_grpc,
    rate_limit_service_pb2,
    rate_limit_service_pb2_grpc,
)
from chenu.api.pipeline.v1 import event_pb2, pipeline_service_pb2, pipeline_service_pb2_grpc
from chenu_server.caller import Caller
from chenu_server.engine import CallBuckets
from chenu_server.errors import IdentityBoundaryViolation
from chenu_server.governance.identity.service import TokenService
from chenu_server.infra.rpc.context import current_call, current_caller
from chenu_server.infra.rpc.intake import Intake, IntakeLimits
from chenu_server.infra.rpc.interceptors.access_log import AccessLog
from chenu_server.infra.rpc.interceptors.authentication import Authentication
from chenu_server.infra.rpc.interceptors.chain import Layer
from chenu_server.infra.rpc.interceptors.error_mapping import ErrorMapping
from chenu_server.infra.rpc.interceptors.identity import Identity
from chenu_server.infra.rpc.interceptors.payload_validation import PayloadValidation
from chenu_server.infra.rpc.interceptors.rate_limit import RateLimit
from chenu_server.infra.rpc.interceptors.request_context import RequestContext
from chenu_server.infra.rpc.interceptors.tracing import Tracing
from chenu_server.infra.rpc.open_streams import OpenStreamLimits, OpenStreams
from chenu_server.infra.rpc.server import Mount, RpcServer
from chenu_server.steady import wall_us
from chenu_server.vocabulary import ViolationType
from tests.unit.identity.samples import ISSUER, NOW_US, token

TIMEOUT_S: Final = 20
Context = grpc.aio.ServicerContext[Any, Any]
Metadata = tuple[tuple[str, str], ...]


class FakeBoundary:
    """A `Boundary` that remembers."""

    def __init__(self) -> None:
        self.refused: list[tuple[Caller, str, str, ViolationType]] = []

    async def refuse(
        self,
        caller: Caller,
        *,
        kind: str,
        id: str,
        type: ViolationType = ViolationType.CROSS_IDENTITY_ACCESS,
    ) -> NoReturn:
        """Note it and refuse."""
        self.refused.append((caller, kind, id, type))
        raise IdentityBoundaryViolation(f"violation-{len(self.refused)}")


async def _nothing() -> None:
    return None


@dataclass
class Script:
    """What the servicers do, and what they saw."""

    act: Callable[[], Awaitable[None]] = _nothing
    events: int = 3
    callers: list[Caller] = field(default_factory=list)
    deadlines_ms: list[int | None] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Note the call, then act."""
        call = current_call()
        self.callers.append(current_caller())
        self.deadlines_ms.append(call.remaining_ms())
        self.traces.append(call.trace_id)
        await self.act()


class ScriptedIdentity(identity_service_pb2_grpc.IdentityServiceServicer):
    """WhoAmI needs `member`, ListViolations `auditor`, or `system_auditor` in `system`."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def WhoAmI(  # noqa: N802 - the wire name
        self, request: identity_service_pb2.WhoAmIRequest, context: Context
    ) -> identity_service_pb2.WhoAmIResponse:
        """Say in which identity the call acts."""
        await self.script.run()
        return identity_service_pb2.WhoAmIResponse(identity_id=current_caller().identity_id)

    async def ListViolations(  # noqa: N802 - the wire name
        self, request: identity_service_pb2.ListViolationsRequest, context: Context
    ) -> identity_service_pb2.ListViolationsResponse:
        """Nothing to list."""
        await self.script.run()
        return identity_service_pb2.ListViolationsResponse()


class ScriptedPipeline(pipeline_service_pb2_grpc.PipelineServiceServicer):
    """Query and Run are new work."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Query(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.QueryRequest, context: Context
    ) -> pipeline_service_pb2.QueryResponse:
        """Remember the text."""
        self.script.texts.append(request.text)
        await self.script.run()
        return pipeline_service_pb2.QueryResponse()

    async def Run(  # noqa: N802 - the wire name
        self, request: pipeline_service_pb2.RunRequest, context: Context
    ) -> AsyncIterator[pipeline_service_pb2.RunResponse]:
        """Some events, then what the script does."""
        try:
            for sequence in range(1, self.script.events + 1):
                event = event_pb2.Event(sequence=sequence)
                yield pipeline_service_pb2.RunResponse(event=event)
            await self.script.run()
        finally:
            self.script.closed.set()


class ScriptedCheckpoints(checkpoint_service_pb2_grpc.CheckpointServiceServicer):
    """ResolveCheckpoint needs `approver`, and a user."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def ResolveCheckpoint(  # noqa: N802 - the wire name
        self, request: checkpoint_service_pb2.ResolveCheckpointRequest, context: Context
    ) -> checkpoint_service_pb2.ResolveCheckpointResponse:
        """Resolved."""
        await self.script.run()
        return checkpoint_service_pb2.ResolveCheckpointResponse()


class ScriptedLimits(rate_limit_service_pb2_grpc.RateLimitServiceServicer):
    """ListRateLimits is served in `system` only, to its `operator`."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def ListRateLimits(  # noqa: N802 - the wire name
        self, request: rate_limit_service_pb2.ListRateLimitsRequest, context: Context
    ) -> rate_limit_service_pb2.ListRateLimitsResponse:
        """Nothing to list."""
        await self.script.run()
        return rate_limit_service_pb2.ListRateLimitsResponse()


def mounts(script: Script) -> list[Mount]:
    """Every scripted service."""
    named = {
        **identity_service_pb2.DESCRIPTOR.services_by_name,
        **pipeline_service_pb2.DESCRIPTOR.services_by_name,
        **checkpoint_service_pb2.DESCRIPTOR.services_by_name,
        **rate_limit_service_pb2.DESCRIPTOR.services_by_name,
    }
    identity, pipeline = identity_service_pb2_grpc, pipeline_service_pb2_grpc
    checkpoints, limits = checkpoint_service_pb2_grpc, rate_limit_service_pb2_grpc
    return [
        Mount(named[name], add, _concrete(kind)(script))
        for name, add, kind in (
            (
                "IdentityService",
                identity.add_IdentityServiceServicer_to_server,
                ScriptedIdentity,
            ),
            (
                "PipelineService",
                pipeline.add_PipelineServiceServicer_to_server,
                ScriptedPipeline,
            ),
            (
                "CheckpointService",
                checkpoints.add_CheckpointServiceServicer_to_server,
                ScriptedCheckpoints,
            ),
            (
                "RateLimitService",
                limits.add_RateLimitServiceServicer_to_server,
                ScriptedLimits,
            ),
        )
    ]


def _concrete(kind: Any) -> Any:
    """A test scripts only the rpcs that it calls; for mypy such a servicer is abstract."""
    return kind


UNBOUNDED: Final = OpenStreamLimits(
    streams_max=0,
    per_peer_max=0,
    asking_max=0,
    asking_per_peer_max=0,
    idle_s=0,
    watch_idle_s=0,
)


def all_layers(
    boundary: FakeBoundary,
    *,
    calls_per_s: int = 0,
    burst: int = 1,
    open_streams: OpenStreamLimits = UNBOUNDED,
) -> list[Layer]:
    """The eight, with a clock for tokens that stands still; no limit unless told."""
    buckets = CallBuckets(rate_per_s=calls_per_s, burst=burst, keys_max=100)
    return [
        ErrorMapping(wall_us),
        RequestContext(),
        Tracing(),
        Authentication(TokenService([ISSUER], now_us=lambda: NOW_US)),
        Identity(boundary, buckets),
        RateLimit(buckets, OpenStreams(open_streams)),
        PayloadValidation(),
        AccessLog(),
    ]


@dataclass
class Served:
    """A running server, a channel to it, and what happened behind it."""

    server: RpcServer
    channel: grpc.aio.Channel
    script: Script
    boundary: FakeBoundary

    async def call(
        self,
        method: str,
        request: bytes = b"",
        metadata: Metadata | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """The bytes that a unary rpc answers to these bytes."""
        rpc: Any = self.channel.unary_unary(method)
        sent = bearer() if metadata is None else metadata
        answer: bytes = await rpc(request, metadata=sent, timeout=timeout_s)
        return answer

    async def refusal(
        self, method: str, request: bytes = b"", metadata: Metadata | None = None
    ) -> Refusal:
        """How a unary rpc refuses."""
        try:
            await self.call(method, request, metadata)
        except grpc.aio.AioRpcError as error:
            return Refusal(error)
        raise AssertionError("the call was answered")


class Refusal:
    """A status and its details."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.error = error
        self.code = error.code()
        self.status: status_pb2.Status = rpc_status.from_call(error)

    @property
    def info(self) -> error_details_pb2.ErrorInfo:
        """Its `ErrorInfo`."""
        return self.detail(error_details_pb2.ErrorInfo)

    @property
    def reason(self) -> str:
        """Its reason."""
        return str(self.info.reason)

    def detail(self, kind: type[Any]) -> Any:
        """The detail of a kind."""
        found = kind()
        assert any(detail.Unpack(found) for detail in self.status.details), kind
        return found


def bearer(sent: str = "", **headers: str) -> Metadata:
    """Metadata with a token, and other headers with `_` for `-`."""
    named = ((name.replace("_", "-"), value) for name, value in headers.items())
    return (("authorization", f"Bearer {sent or token()}"), *named)


@asynccontextmanager
async def serving(
    *,
    calls_per_s: int = 0,
    burst: int = 1,
    open_streams: OpenStreamLimits = UNBOUNDED,
    intake: IntakeLimits | None = None,
) -> AsyncIterator[Served]:
    """A server on a free port, drained afterwards."""
    script, boundary = Script(), FakeBoundary()
    layers = all_layers(boundary, calls_per_s=calls_per_s, burst=burst, open_streams=open_streams)
    server = RpcServer(
        "127.0.0.1:0", mounts(script), layers, intake=Intake(intake) if intake else None
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Served(server, channel, script, boundary)
    await server.drain(0)
