"""The composition root: the only module that knows every concrete class."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
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
)

from chenu_server import failpoints
from chenu_server.caller import PrincipalType
from chenu_server.config import Settings
from chenu_server.engine import CallBuckets, time_ns
from chenu_server.governance.audit.service import AuditService
from chenu_server.governance.audit.servicer import AuditServicer
from chenu_server.governance.audit.store import SqlLedger
from chenu_server.governance.budgets import tables as budget_tables
from chenu_server.governance.budgets.service import BudgetService
from chenu_server.governance.budgets.servicer import BudgetServicer
from chenu_server.governance.budgets.store import SqlBudgets
from chenu_server.governance.checkpoints import tables as checkpoint_tables
from chenu_server.governance.checkpoints.model import CheckpointType, Expiries
from chenu_server.governance.checkpoints.service import CheckpointService
from chenu_server.governance.checkpoints.servicer import CheckpointServicer
from chenu_server.governance.checkpoints.store import SqlCheckpoints
from chenu_server.governance.identity import tables as identity_tables
from chenu_server.governance.identity.model import ClaimNames, Issuer
from chenu_server.governance.identity.service import BoundaryService, TokenService
from chenu_server.governance.identity.servicer import IdentityServicer
from chenu_server.governance.identity.store import SqlViolations
from chenu_server.governance.identity.tokens import read_key
from chenu_server.governance.limits import tables as limit_tables
from chenu_server.governance.limits.model import IdentityLimit, ProviderLimit
from chenu_server.governance.limits.service import IdentityLimiter, LimitService
from chenu_server.governance.limits.servicer import RateLimitServicer
from chenu_server.governance.limits.store import SqlSlots
from chenu_server.governance.policy.load import load_policies
from chenu_server.infra import telemetry
from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import is_sqlite
from chenu_server.infra.db.intake import WriterLimits
from chenu_server.infra.db.owners import Owner, acquire_owner
from chenu_server.infra.db.postgres import PostgresStore
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.sqlite import SqliteStore
from chenu_server.infra.db.writer import SqlWriter
from chenu_server.infra.rpc.interceptors.access_log import AccessLog
from chenu_server.infra.rpc.interceptors.authentication import Authentication
from chenu_server.infra.rpc.interceptors.chain import Layer
from chenu_server.infra.rpc.interceptors.error_mapping import ErrorMapping
from chenu_server.infra.rpc.interceptors.identity import Identity
from chenu_server.infra.rpc.interceptors.payload_validation import PayloadValidation
from chenu_server.infra.rpc.interceptors.rate_limit import RateLimit
from chenu_server.infra.rpc.interceptors.request_context import RequestContext
from chenu_server.infra.rpc.interceptors.tracing import Tracing
from chenu_server.infra.rpc.server import Mount, RpcServer
from chenu_server.pipeline import tables as pipeline_tables
from chenu_server.pipeline.attachments import Attachments
from chenu_server.pipeline.lanes.audit import AuditLane
from chenu_server.pipeline.lanes.checkpoint import CheckpointLane
from chenu_server.pipeline.lanes.context import ContextLane
from chenu_server.pipeline.lanes.encoding import EncodingLane
from chenu_server.pipeline.lanes.execution import ExecutionLane
from chenu_server.pipeline.lanes.governance import GovernanceLane
from chenu_server.pipeline.lanes.intent import IntentLane
from chenu_server.pipeline.lanes.resume import ResumeLane
from chenu_server.pipeline.log import LogHub
from chenu_server.pipeline.router_servicer import RouterServicer
from chenu_server.pipeline.routing import CatalogueRouter
from chenu_server.pipeline.service import LaneSet, PipelineLimits, PipelineService
from chenu_server.pipeline.servicer import PipelineServicer
from chenu_server.pipeline.store import SqlQueries
from chenu_server.pipeline.waiting import ProviderQueue
from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.prices import resolve_prices
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from chenu_server.units.governance import WriterGovernance
from chenu_server.units.late import LateCommits
from chenu_server.units.reads import GovernedQueries, WaitingInPipeline
from chenu_server.units.rules import Rules
from chenu_server.units.sweep import Sweeper

_log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 1.0
CHAIN_MAX = 3
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A server that is ready: what a caller of `application` may use."""

    port: int
    pipeline: PipelineService
    sweeper: Sweeper


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storage:
    """The database, and who this process is to it."""

    writer: SqlWriter
    reader: Reader
    owner: Owner
    hub: LogHub


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stores:
    """What is read outside any unit."""

    queries: SqlQueries
    checkpoints: SqlCheckpoints
    slots: SqlSlots
    governed: GovernedQueries


@dataclass(frozen=True, slots=True, kw_only=True)
class _Routes:
    """Who can be called: the records as they are priced today, and the providers."""

    loaded: Catalogue
    registry: ProviderRegistry
    router: CatalogueRouter
    records: dict[str, ProviderRecord]


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with application(settings):
        await stopping.wait()
        _log.info("draining", grace_s=settings.server.drain_grace_s)


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Application]:
    """
    A server that has recovered and listens; it drains when the block ends.

    Raises:
        SchemaMismatch: The database is not at this server's revision.
        StoreInUse: Another process serves this SQLite file.
        CatalogueError, KeyFileError, ValueError: The configuration names what is not there.
        GovernanceUnavailable: The database does not answer.
        OSError: The address cannot be listened on.
    """
    telemetry.configure(
        level=settings.log.level, json=settings.log.json_lines, secrets=settings.secrets()
    )
    failpoints.arm(settings.failpoints)
    _log_limits(settings)
    async with AsyncExitStack() as stack:
        routes = await _open_routes(settings, stack)
        storage = await _open_storage(settings, stack)
        yield await _start(settings, stack, storage, routes)
        _log.info("stopping")


async def _start(
    settings: Settings, stack: AsyncExitStack, storage: _Storage, routes: _Routes
) -> Application:
    stores = _stores(settings, storage)
    governance = WriterGovernance(storage.writer, _rules(settings, storage.owner.owner_id))
    limiter = IdentityLimiter(_identity_limit(settings))
    await limiter.restore(stores.queries)
    boundary = BoundaryService(
        storage.writer, ledger_number=settings.ledger.number, arrivals=limiter
    )
    queues = _queues(settings, routes, stores)
    pipeline = PipelineService(
        _lanes(settings, governance, routes, queues),
        governance=governance,
        store=stores.governed,
        hub=storage.hub,
        boundary=boundary,
        new_work=limiter,
        limits=PipelineLimits(
            deadline_s=settings.pipeline.deadline_s,
            abandon_after_s=settings.pipeline.abandon_after_ms / 1_000,
            running_max=settings.pipeline.running_max,
        ),
    )
    sweeper = _sweeper(storage, stores)
    await sweeper.recover()
    await sweeper.expire()
    mounts = [
        *_pipeline_mounts(settings, pipeline, stores, routes),
        *_governance_mounts(settings, storage, stores, governance, pipeline, boundary),
        _limits_mount(settings, limiter, stores, routes, queues),
    ]
    server = RpcServer(
        settings.server.listen,
        mounts,
        _layers(settings, boundary),
        max_connection_age_s=settings.server.max_connection_age_s,
    )
    await server.start()
    stack.push_async_callback(_drain, server, pipeline, settings.server.drain_grace_s)
    _spawn(stack, sweeper.run(SWEEP_EVERY_S))
    _spawn(stack, _price_daily(settings, routes))
    await _resume_approved(stores, pipeline)
    return Application(port=server.port, pipeline=pipeline, sweeper=sweeper)


# --- what it stands on ------------------------------------------------------------------------


async def _open_storage(settings: Settings, stack: AsyncExitStack) -> _Storage:
    url, loop = settings.database.url, asyncio.get_running_loop()
    await loop.run_in_executor(None, migrate.check, url)
    owner = await loop.run_in_executor(None, acquire_owner, url)
    stack.callback(owner.close)
    hub, late = LogHub(), LateCommits()
    number = settings.ledger.number
    kind = SqliteStore if is_sqlite(url) else PostgresStore
    origin = settings.ledger.origin
    writer = SqlWriter(
        kind(url, ledger_number=number),
        [
            *pipeline_tables.MAPS,
            *budget_tables.MAPS,
            *limit_tables.MAPS,
            *checkpoint_tables.MAPS,
            *identity_tables.MAPS,
        ],
        limits=WriterLimits(
            queue_max=settings.writer.queue_max,
            batch_max=settings.writer.batch_max,
            note_delay_ms=settings.writer.note_delay_ms,
        ),
        ledger_number=number,
        on_commit=hub.on_commit,
        on_late=late.on_late,
        **({"new_origin": lambda: origin} if origin else {}),
    )
    late.attach(writer)
    await writer.start()
    stack.push_async_callback(writer.close)
    reader = Reader(
        url,
        threads=settings.database.reader_threads,
        waiting_max=settings.database.reader_waiting_max,
    )
    stack.push_async_callback(reader.close)
    return _Storage(writer=writer, reader=reader, owner=owner, hub=hub)


def _stores(settings: Settings, storage: _Storage) -> _Stores:
    queries = SqlQueries(storage.reader)
    checkpoints = SqlCheckpoints(storage.reader)
    slots = SqlSlots(storage.reader, ledger_number=settings.ledger.number)
    governed = GovernedQueries(queries, checkpoints, slots)
    return _Stores(queries=queries, checkpoints=checkpoints, slots=slots, governed=governed)


async def _open_routes(settings: Settings, stack: AsyncExitStack) -> _Routes:
    chosen = settings.providers
    loaded = load_catalogue(chosen.catalog_dir)
    priced = _priced(settings, loaded)
    registry = ProviderRegistry(
        loaded, {name: _provider_settings(settings, name) for name in chosen.enabled}
    )
    stack.push_async_callback(registry.close)
    await registry.prepare()
    router = CatalogueRouter(priced.providers, registry.providers, chain_max=CHAIN_MAX)
    return _Routes(loaded=loaded, registry=registry, router=router, records=dict(priced.providers))


def _provider_settings(settings: Settings, name: str) -> ProviderSettings:
    chosen = settings.providers.settings.get(name)
    if chosen is None:
        return ProviderSettings()
    key = chosen.api_key.get_secret_value() if chosen.api_key else None
    return ProviderSettings(api_key=key, base_url=chosen.base_url)


def _priced(settings: Settings, loaded: Catalogue) -> Catalogue:
    if not settings.providers.genai_prices:
        return loaded
    return resolve_prices(loaded, datetime.now(UTC).date())


async def _price_daily(settings: Settings, routes: _Routes) -> None:
    """Dated prices are resolved again at every UTC midnight."""
    while True:
        now = datetime.now(UTC)
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
        await asyncio.sleep((midnight - now).total_seconds() + 0.01)
        priced = _priced(settings, routes.loaded)
        routes.router.replace(priced.providers)
        routes.records.update(priced.providers)
        _log.info("prices_resolved", day=str(datetime.now(UTC).date()))


# --- what it decides by -----------------------------------------------------------------------


def _rules(settings: Settings, owner_id: str) -> Rules:
    limits = {
        name: _provider_limit(settings, chosen.limit)
        for name, chosen in settings.providers.settings.items()
    }
    expiries = Expiries(
        settings.checkpoints.default_expiry_s * _SECOND_US,
        {
            CheckpointType(kind): expiry_s * _SECOND_US
            for kind, expiry_s in settings.checkpoints.expiry_s.items()
        },
    )
    return Rules(
        policies=load_policies(settings.policies.operator_dir),
        expiries=expiries,
        default_limit=_provider_limit(settings, None),
        limits=limits,
        ledger_number=settings.ledger.number,
        owner_id=owner_id,
        lease_us=settings.owners.lease_s * _SECOND_US,
        least_cap=settings.pipeline.least_output_cap,
        budget_required=settings.budgets.required,
    )


def _provider_limit(settings: Settings, requests: int | None) -> ProviderLimit:
    limits = settings.limits
    return ProviderLimit(
        requests=requests or limits.provider_limit,
        window_us=limits.provider_window_s * _SECOND_US,
        guard_us=limits.guard_ms * 1_000,
        dispatch_within_us=limits.dispatch_within_ms * 1_000,
    )


def _identity_limit(settings: Settings) -> IdentityLimit:
    limits = settings.limits
    return IdentityLimit(
        requests=limits.identity_limit,
        window_us=limits.identity_window_s * _SECOND_US,
        burst=limits.identity_burst,
        burst_window_us=limits.identity_burst_window_ms * 1_000,
        block_us=limits.identity_block_s * _SECOND_US,
        keys_max=limits.keys_max,
    )


def _log_limits(settings: Settings) -> None:
    _log.info("limits", **settings.limits.model_dump())


def _issuers(settings: Settings) -> list[Issuer]:
    return [
        Issuer(
            name=each.name,
            audience=each.audience,
            key=read_key(each.key_file),
            principal_types=frozenset(PrincipalType(name) for name in each.principal_types),
            claims=ClaimNames(**each.claims.model_dump()),
            leeway_s=each.leeway_s,
        )
        for each in settings.identity.issuers
    ]


# --- what it serves ---------------------------------------------------------------------------


def _layers(settings: Settings, boundary: BoundaryService) -> Sequence[Layer]:
    limits = settings.limits
    buckets = CallBuckets(
        rate_per_s=limits.calls_per_s, burst=limits.calls_burst, keys_max=limits.keys_max
    )
    return [
        ErrorMapping(),
        RequestContext(),
        Tracing(),
        Authentication(TokenService(_issuers(settings))),
        Identity(boundary, buckets),
        RateLimit(buckets),
        PayloadValidation(),
        AccessLog(),
    ]


def _queues(
    settings: Settings, routes: _Routes, stores: _Stores
) -> Mapping[str, ProviderQueue]:
    held_us = _provider_limit(settings, None).held_before_dispatch_us
    return {
        name: ProviderQueue(
            name,
            waiting_max=settings.limits.waiting_max,
            held_us=held_us,
            free_times=stores.slots.free_times,
            now_us=_now_us,
        )
        for name in routes.registry.providers
    }


def _lanes(
    settings: Settings,
    governance: WriterGovernance,
    routes: _Routes,
    queues: Mapping[str, ProviderQueue],
) -> LaneSet:
    encoding = EncodingLane(
        routes.router,
        default_cap=settings.pipeline.default_output_cap,
        least_cap=settings.pipeline.least_output_cap,
    )
    return LaneSet(
        intent=IntentLane(),
        context=ContextLane(),
        encoding=encoding,
        governance=GovernanceLane(governance, queues),
        checkpoint=CheckpointLane(),
        execution=ExecutionLane(
            governance,
            routes.registry.providers,
            queues,
            settings.limits.dispatch_within_ms * 1_000,
        ),
        audit=AuditLane(governance),
        resume=ResumeLane(encoding, governance, queues),
    )


def _pipeline_mounts(
    settings: Settings, pipeline: PipelineService, stores: _Stores, routes: _Routes
) -> list[Mount]:
    attachments = Attachments(
        per_identity_max=settings.pipeline.watchers_max,
        write_timeout_s=settings.pipeline.write_timeout_s,
    )
    servicer = PipelineServicer(
        pipeline,
        stores.governed,
        attachments,
        coalesce_s=settings.pipeline.delta_coalesce_ms / 1_000,
    )
    router = RouterServicer(pipeline, lambda: routes.records, routes.registry.providers)
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


def _governance_mounts(
    settings: Settings,
    storage: _Storage,
    stores: _Stores,
    governance: WriterGovernance,
    pipeline: PipelineService,
    boundary: BoundaryService,
) -> list[Mount]:
    waiting = WaitingInPipeline(pipeline, stores.queries)
    checkpoints = CheckpointService(stores.checkpoints, governance, waiting, boundary)
    budgets = BudgetService(
        writer=storage.writer,
        reader=SqlBudgets(storage.reader),
        boundary=boundary,
        now_us=_now_us,
    )
    ledger = SqlLedger(storage.reader, ledger_number=settings.ledger.number)
    audit = AuditService(reader=ledger, boundary=boundary)
    violations = SqlViolations(storage.reader)
    return [
        Mount(
            checkpoint_service_pb2.DESCRIPTOR.services_by_name["CheckpointService"],
            checkpoint_service_pb2_grpc.add_CheckpointServiceServicer_to_server,
            CheckpointServicer(checkpoints),
        ),
        Mount(
            budget_service_pb2.DESCRIPTOR.services_by_name["BudgetService"],
            budget_service_pb2_grpc.add_BudgetServiceServicer_to_server,
            BudgetServicer(budgets),
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


def _limits_mount(
    settings: Settings,
    limiter: IdentityLimiter,
    stores: _Stores,
    routes: _Routes,
    queues: Mapping[str, ProviderQueue],
) -> Mount:
    providers = {
        name: _provider_limit(settings, _limit_setting(settings, name))
        for name in routes.registry.providers
    }
    service = LimitService(
        limiter=limiter, providers=providers, slots=stores.slots, waiting=_Waiting(queues)
    )
    return Mount(
        rate_limit_service_pb2.DESCRIPTOR.services_by_name["RateLimitService"],
        rate_limit_service_pb2_grpc.add_RateLimitServiceServicer_to_server,
        RateLimitServicer(service),
    )


def _limit_setting(settings: Settings, name: str) -> int | None:
    chosen = settings.providers.settings.get(name)
    return chosen.limit if chosen else None


class _Waiting:
    """The limits' `Waiting`, on the pipeline's queues."""

    def __init__(self, queues: Mapping[str, ProviderQueue]) -> None:
        self._queues = queues

    def waiting(self, provider: str) -> int:
        """How many calls wait for one of the provider's slots."""
        return len(self._queues[provider])


# --- what runs beside -------------------------------------------------------------------------


def _sweeper(storage: _Storage, stores: _Stores) -> Sweeper:
    loop = asyncio.get_running_loop()

    async def dead() -> Sequence[str]:
        return await loop.run_in_executor(None, storage.owner.dead)

    async def forget(owner_id: str) -> None:
        await loop.run_in_executor(None, storage.owner.forget, owner_id)

    return Sweeper(
        storage.writer,
        stores.checkpoints,
        stores.queries,
        dead_owners=dead,
        forget_owner=forget,
        now_us=_now_us,
    )


async def _resume_approved(stores: _Stores, pipeline: PipelineService) -> None:
    """Approved queries that said `resume_on_approval` go on after a restart."""
    for query in await stores.queries.to_resume():
        pipeline.resume_approved(query, None)


async def _drain(server: RpcServer, pipeline: PipelineService, grace_s: float) -> None:
    """Readiness goes, then new work, then what runs gets its time; nothing is left half done."""
    await server.health.serving(False)
    await asyncio.gather(server.drain(grace_s), pipeline.drain(grace_s))


def _spawn(stack: AsyncExitStack, work: Coroutine[None, None, None]) -> None:
    task = asyncio.create_task(work)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


def _now_us() -> int:
    return time_ns() // 1_000
