"""What the server serves: layers, lanes, services."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from chenu.api.governance.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    budget_service_pb2,
    budget_service_pb2_grpc,
    checkpoint_service_pb2,
    checkpoint_service_pb2_grpc,
    identity_service_pb2,
    identity_service_pb2_grpc,
    rate_limit_service_pb2,
    rate_limit_service_pb2_grpc,
)
from chenu.api.pipeline.v1 import (
    pipeline_service_pb2,
    pipeline_service_pb2_grpc,
    router_service_pb2,
    router_service_pb2_grpc,
    tool_call_service_pb2,
    tool_call_service_pb2_grpc,
)
from chenu_server.bootstrap.decisions import Live, limits_of, provider_limit
from chenu_server.bootstrap.routes import Routes
from chenu_server.bootstrap.storage import Storage, Stores
from chenu_server.config import Settings
from chenu_server.engine import CallBuckets
from chenu_server.governance.audit.service import AuditService
from chenu_server.governance.audit.servicer import AuditServicer
from chenu_server.governance.audit.store import SqlLedger
from chenu_server.governance.budgets.service import BudgetService
from chenu_server.governance.budgets.servicer import BudgetServicer
from chenu_server.governance.budgets.spending_service import SpendingService
from chenu_server.governance.budgets.store import SqlBudgets
from chenu_server.governance.checkpoints.service import CheckpointService
from chenu_server.governance.checkpoints.servicer import CheckpointServicer
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.service import BoundaryService, TokenService, ViolationService
from chenu_server.governance.identity.servicer import IdentityServicer
from chenu_server.governance.identity.store import SqlViolations
from chenu_server.governance.limits.ports import NewWork
from chenu_server.governance.limits.service import LimitService
from chenu_server.governance.limits.servicer import RateLimitServicer
from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.governance.tools.service import ToolCallService
from chenu_server.governance.tools.servicer import ToolCallServicer
from chenu_server.infra.rpc.intake import IntakeLimits
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
from chenu_server.infra.rpc.server import Mount
from chenu_server.operations.content import BoundContents
from chenu_server.operations.governance import WriterGovernance
from chenu_server.operations.media import FileKeeper
from chenu_server.operations.reads import WhatWaits
from chenu_server.operations.spending import WriterSpending
from chenu_server.operations.tool_calls import WriterGate
from chenu_server.pipeline.attachments import Attachments
from chenu_server.pipeline.lanes.audit import AuditLane
from chenu_server.pipeline.lanes.checkpoint import CheckpointLane
from chenu_server.pipeline.lanes.context import ContextLane
from chenu_server.pipeline.lanes.encoding import EncodingLane
from chenu_server.pipeline.lanes.execution import ExecutionLane
from chenu_server.pipeline.lanes.governance import GovernanceLane
from chenu_server.pipeline.lanes.intent import IntentLane
from chenu_server.pipeline.lanes.resume import ResumeLane
from chenu_server.pipeline.ports import NewWorkLimit
from chenu_server.pipeline.router_servicer import RouterServicer
from chenu_server.pipeline.service import LaneSet, PipelineService
from chenu_server.pipeline.servicer import PipelineServicer
from chenu_server.pipeline.waiting import ProviderQueue


def layers_of(
    settings: Settings,
    issuers: Sequence[Issuer],
    boundary: BoundaryService,
    now_us: Callable[[], int],
) -> Sequence[Layer]:
    """The eight layers around every call, outermost first; `now_us` is the batches' time."""
    limits = settings.limits
    # Of two layers: a principal's key has a colon, which no identity's has.
    buckets = CallBuckets(
        rate_per_s=limits.calls_per_s, burst=limits.calls_burst, keys_max=limits.keys_max
    )
    open_streams = OpenStreamLimits(
        streams_max=limits.open_streams_max,
        per_peer_max=limits.open_streams_per_peer,
        asking_max=limits.open_asking_max,
        asking_per_peer_max=limits.open_asking_per_peer,
        idle_s=limits.open_stream_idle_s,
        watch_idle_s=limits.open_watch_idle_s,
    )
    # The request is read in the seventh: what those before it refuse costs no byte of it.
    return [
        ErrorMapping(now_us),
        RequestContext(),
        Tracing(),
        Authentication(TokenService(issuers)),
        Identity(boundary, buckets),
        RateLimit(buckets, OpenStreams(open_streams)),
        PayloadValidation(),
        AccessLog(),
    ]


def intake_limits(settings: Settings) -> IntakeLimits:
    """What may be on its way to the server."""
    server = settings.server
    return IntakeLimits(
        bytes_max=server.receiving_max_bytes,
        per_identity_bytes=server.receiving_per_identity_bytes,
        timeout_s=server.receive_timeout_s,
    )


def new_queue(
    settings: Settings, stores: Stores, provider: str, now_us: Callable[[], int]
) -> ProviderQueue:
    """The queue of a provider that can be called; `now_us` is the batches' time."""
    return ProviderQueue(
        provider,
        waiting_max=settings.limits.waiting_max,
        # The same for all: a provider's own limit is of calls, and windows have one length.
        held_us=provider_limit(settings, None).held_before_dispatch_us,
        free_times=stores.slots.free_times,
        now_us=now_us,
    )


def lanes_of(
    settings: Settings,
    governance: WriterGovernance,
    routes: Routes,
    queues: Mapping[str, ProviderQueue],
    files: FileKeeper,
    now_us: Callable[[], int],
) -> LaneSet:
    """The seven lanes, and the one that resumes."""
    encoding = EncodingLane(
        routes.router,
        default_cap=settings.pipeline.default_output_cap,
        least_cap=settings.pipeline.least_output_cap,
    )
    return LaneSet(
        intent=IntentLane(),
        context=ContextLane(),
        encoding=encoding,
        governance=GovernanceLane(governance, queues, files),
        checkpoint=CheckpointLane(),
        execution=ExecutionLane(
            governance,
            # Asked at each call: a reload puts others in their place.
            lambda: routes.registry.providers,
            queues,
            settings.limits.dispatch_within_ms * 1_000,
            random.Random(),
            now_us,
            # Likewise.
            lambda: governance.rules.tools.schemas,
        ),
        audit=AuditLane(governance),
        resume=ResumeLane(encoding, governance, queues, files),
    )


def pipeline_mounts(
    settings: Settings, pipeline: PipelineService, stores: Stores, routes: Routes
) -> list[Mount]:
    """`PipelineService` and `RouterService`."""
    attachments = Attachments(per_identity_max=settings.pipeline.watchers_max)
    servicer = PipelineServicer(
        pipeline,
        stores.governed,
        attachments,
        coalesce_s=settings.pipeline.delta_coalesce_ms / 1_000,
    )
    router = RouterServicer(pipeline, lambda: routes.records, lambda: routes.registry.providers)
    return [
        Mount(
            pipeline_service_pb2.DESCRIPTOR.services_by_name["PipelineService"],
            pipeline_service_pb2_grpc.add_PipelineServiceServicer_to_server,
            servicer,
        ),
        Mount(
            router_service_pb2.DESCRIPTOR.services_by_name["RouterService"],
            router_service_pb2_grpc.add_RouterServiceServicer_to_server,
            router,
        ),
    ]


def governance_mounts(
    settings: Settings,
    storage: Storage,
    stores: Stores,
    governance: WriterGovernance,
    pipeline: PipelineService,
    boundary: BoundaryService,
    new_work: NewWorkLimit,
) -> list[Mount]:
    """Checkpoints, budgets, identity and audit."""
    checkpoints = checkpoints_of(settings, storage, stores, governance, pipeline, boundary)
    budgets = BudgetService(
        writer=storage.writer,
        reader=SqlBudgets(storage.reader),
        boundary=boundary,
        now_us=storage.writer.now_us,
    )
    spender = WriterSpending(storage.writer, stores.spendings, lambda: governance.rules)
    # In the same windows as queries: to reserve money is new work too.
    spending = SpendingService(spender, stores.spendings, boundary, new_work)
    ledger = SqlLedger(storage.reader, ledger_number=settings.ledger.number)
    audit = AuditService(reader=ledger, boundary=boundary)
    violations = ViolationService(SqlViolations(storage.reader))
    return [
        Mount(
            checkpoint_service_pb2.DESCRIPTOR.services_by_name["CheckpointService"],
            checkpoint_service_pb2_grpc.add_CheckpointServiceServicer_to_server,
            CheckpointServicer(checkpoints),
        ),
        Mount(
            budget_service_pb2.DESCRIPTOR.services_by_name["BudgetService"],
            budget_service_pb2_grpc.add_BudgetServiceServicer_to_server,
            BudgetServicer(budgets, spending),
        ),
        Mount(
            identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"],
            identity_service_pb2_grpc.add_IdentityServiceServicer_to_server,
            IdentityServicer(violations),
        ),
        Mount(
            audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
            audit_service_pb2_grpc.add_AuditServiceServicer_to_server,
            AuditServicer(audit),
        ),
    ]


def checkpoints_of(
    settings: Settings,
    storage: Storage,
    stores: Stores,
    governance: WriterGovernance,
    pipeline: PipelineService,
    boundary: BoundaryService,
) -> CheckpointService:
    """What people see and decide, with what it sets going."""
    cap = settings.pipeline.default_output_cap
    return CheckpointService(
        stores.checkpoints,
        governance,
        WhatWaits(pipeline, stores.queries, governance),
        BoundContents(stores.queries, stores.tool_calls, stores.files, default_cap=cap),
        boundary,
        inbox=storage.inbox,
        now_us=storage.writer.now_us,
    )


def tools_mount(
    settings: Settings,
    storage: Storage,
    stores: Stores,
    governance: WriterGovernance,
    boundary: BoundaryService,
    keys: ReleaseKeys | None,
) -> Mount:
    """`ToolCallService`."""
    service = ToolCallService(
        stores.tool_calls,
        WriterGate(storage.writer, stores.queries, lambda: governance.rules),
        boundary,
        keys,
        settings.tools.release_issuer,
    )
    return Mount(
        tool_call_service_pb2.DESCRIPTOR.services_by_name["ToolCallService"],
        tool_call_service_pb2_grpc.add_ToolCallServiceServicer_to_server,
        ToolCallServicer(service, storage.writer.now_us),
    )


def limits_mount(
    live: Live,
    limiter: NewWork,
    stores: Stores,
    queues: Mapping[str, ProviderQueue],
    now_us: Callable[[], int],
) -> Mount:
    """`RateLimitService`; `now_us` is the batches' time."""
    service = LimitService(
        limiter=limiter,
        providers=lambda: limits_of(live.settings),
        slots=stores.slots,
        waiting=_Waiting(queues),
        now_us=now_us,
    )
    return Mount(
        rate_limit_service_pb2.DESCRIPTOR.services_by_name["RateLimitService"],
        rate_limit_service_pb2_grpc.add_RateLimitServiceServicer_to_server,
        RateLimitServicer(service),
    )


class _Waiting:
    """The limits' `Waiting`, on the pipeline's queues."""

    def __init__(self, queues: Mapping[str, ProviderQueue]) -> None:
        self._queues = queues

    def waiting(self, provider: str) -> int:
        """How many calls wait for one of the provider's slots."""
        return len(self._queues[provider])
