"""A server from start to drain."""

from __future__ import annotations

import asyncio
import gc
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from chenu_server import failpoints
from chenu_server.bootstrap.background import spawn_repeated
from chenu_server.bootstrap.decisions import Live, identity_limit, log_limits, rules_of
from chenu_server.bootstrap.inputs import Inputs, open_inputs
from chenu_server.bootstrap.others import hear_others
from chenu_server.bootstrap.reload import Reload, reloaded_when
from chenu_server.bootstrap.routes import Routes, price_again, until_midnight_s
from chenu_server.bootstrap.services import (
    governance_mounts,
    intake_limits,
    lanes_of,
    layers_of,
    limits_mount,
    new_queue,
    pipeline_mounts,
    tools_mount,
)
from chenu_server.bootstrap.storage import Storage, Stores, open_storage, stores_of
from chenu_server.config import Settings
from chenu_server.engine import analyze
from chenu_server.governance.identity.service import BoundaryService
from chenu_server.governance.limits.service import IdentityLimiter, SharedLimiter, windows_of
from chenu_server.infra import telemetry
from chenu_server.infra.db.windows import SharedWindows
from chenu_server.infra.rpc.intake import Intake
from chenu_server.infra.rpc.interceptors.chain import Layer
from chenu_server.infra.rpc.server import Mount, RpcServer
from chenu_server.operations.governance import WriterGovernance
from chenu_server.operations.media import FileKeeper
from chenu_server.operations.resume import resume_approved
from chenu_server.operations.sweep import Sweeper
from chenu_server.operations.tool_calls import WithdrawnCalls
from chenu_server.pipeline.media_store import FileSweep
from chenu_server.pipeline.ports import NewWorkLimit
from chenu_server.pipeline.service import LaneSet, PipelineLimits, PipelineService
from chenu_server.values import dataclass

_log = structlog.get_logger(__name__)

STOPPING = (signal.SIGTERM, signal.SIGINT)
EXPIRE_EVERY_S = 1.0
RECOVER_EVERY_S = 5.0
RESUME_EVERY_S = 5.0
SWEEP_FILES_EVERY_S = 5.0
SWITCH_INTERVAL_S = 0.001
YOUNG_OBJECTS_MAX = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A server that is ready: what a caller of `application` may use."""

    port: int
    pipeline: PipelineService
    sweeper: Sweeper
    files: FileSweep
    reload: Reload


async def serve(settings: Settings, load: Callable[[], Settings]) -> None:
    """Serve until a signal of `STOPPING`, then drain; SIGHUP reads again what `load` gives."""
    # Before anything is begun: a signal that comes meanwhile would end the process where it stands.
    stopping, reloading = told_by(*STOPPING), told_by(signal.SIGHUP)
    async with application(settings) as running, reloaded_when(reloading, running.reload, load):
        _leave_what_stays()
        await stopping.wait()
        _log.info("draining", grace_s=settings.server.drain_grace_s)


def _leave_what_stays() -> None:
    """Look for cycles less often, and never in what was made at start, which stays.

    What a call makes is freed by its last reference, large requests above all: tests hold that
    without the collector. At the default of 700 young objects it walked those of all calls under
    way several times in each of them.
    """
    gc.collect()
    gc.freeze()
    _, *older = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *older)


def told_by(*numbers: signal.Signals) -> asyncio.Event:
    """Is set by each of these signals, from now on. Inside the event loop."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup` asks that it be left alone
            loop.add_signal_handler(number, told.set)
    return told


@asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[Application]:
    """
    A server that has recovered and listens; it drains when the block ends.

    Raises:
        SchemaMismatch: The database is not at this server's revision.
        StoreInUse: Another process serves this SQLite file.
        UnfitPooler: A pooler that breaks sessions stands before the database.
        CatalogueError, KeyFileError, ValueError: The configuration names what is not there.
        DatabaseUnavailable, GovernanceUnavailable: The database does not answer.
        OSError: The address cannot be listened on.
    """
    # Before anything can fail: what is logged of that may quote a secret.
    telemetry.configure(
        level=settings.log.level, as_json=settings.log.json_lines, secrets=settings.secrets()
    )
    log_limits(settings)
    async with AsyncExitStack() as stack:
        failpoints.arm(settings.failpoints)
        # They are the process's: the next server in it, in a test, would run into them.
        stack.callback(failpoints.disarm)
        _prepare_interpreter()
        inputs = await open_inputs(settings, stack)
        storage = await open_storage(settings, stack)
        yield await _start(settings, stack, storage, inputs)
        # Told before the stack unwinds, which may take the whole grace.
        _log.info("stopping")


def _prepare_interpreter() -> None:
    """Make threads take turns often, and build what the engine builds on first use.

    A busy event loop holds the interpreter for a whole switch interval against the writer's
    thread; at the default of 5 ms that is longer than a commit.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    analyze([""])


def _pipeline_of(
    settings: Settings,
    storage: Storage,
    stores: Stores,
    lanes: LaneSet,
    governance: WriterGovernance,
    boundary: BoundaryService,
    new_work: NewWorkLimit,
) -> PipelineService:
    return PipelineService(
        lanes,
        governance=governance,
        store=stores.governed,
        hub=storage.hub,
        boundary=boundary,
        new_work=new_work,
        limits=_pipeline_limits(settings),
        calls=WithdrawnCalls(storage.writer, stores.tool_calls),
        stops=storage.fleet,
    )


async def _start(
    settings: Settings, stack: AsyncExitStack, storage: Storage, inputs: Inputs
) -> Application:
    live, routes = Live(settings), inputs.routes
    stores, intake = stores_of(live, storage), Intake(intake_limits(settings))
    rules = rules_of(settings, inputs.policies, storage.owner.owner_id)
    governance = WriterGovernance(storage.writer, rules)
    number, now_us = settings.ledger.number, storage.writer.now_us
    limiter = await new_work_of(settings, storage, stores, stack)
    boundary = BoundaryService(storage.writer, ledger_number=number, arrivals=limiter)
    queues = {name: new_queue(settings, stores, name, now_us) for name in routes.registry.providers}
    files, file_sweep = files_of(settings, storage, stores, intake)
    lanes = lanes_of(settings, governance, routes, queues, files, now_us)
    pipeline = _pipeline_of(settings, storage, stores, lanes, governance, boundary, limiter)
    sweeper = await _swept(storage, stores)
    mounts = [
        *pipeline_mounts(settings, pipeline, stores, routes),
        *governance_mounts(settings, storage, stores, governance, pipeline, boundary, limiter),
        tools_mount(settings, storage, stores, governance, boundary, inputs.release_keys),
        limits_mount(live, limiter, stores, queues, now_us),
    ]
    layers = layers_of(settings, inputs.issuers, boundary, now_us)
    server = _server_of(settings, mounts, layers, storage, intake)
    await hear_others(stack, storage, pipeline.elsewhere, number)
    await server.start()
    storage.served.set()
    # The stack unwinds backwards: first what is repeated ends, then calls and runs drain, and only
    # then the writer closes, which they need to the end.
    stack.push_async_callback(_drain, server, pipeline, storage, settings.server.drain_grace_s)
    _repeat(stack, sweeper, file_sweep, routes, stores, pipeline, settings.owners.renew_s)
    reload = Reload(
        live=live,
        routes=routes,
        queues=queues,
        new_queue=lambda name: new_queue(live.settings, stores, name, now_us),
        governance=governance,
        runs_so_far_end=pipeline.runs_so_far_end,
        owner_id=storage.owner.owner_id,
    )
    stack.push_async_callback(reload.close)
    return Application(
        port=server.port, pipeline=pipeline, sweeper=sweeper, files=file_sweep, reload=reload
    )


async def new_work_of(
    settings: Settings, storage: Storage, stores: Stores, stack: AsyncExitStack
) -> IdentityLimiter | SharedLimiter:
    """What counts new work: this process alone, or with all that may serve its database."""
    limit = identity_limit(settings)
    if storage.fleet is None:
        alone = IdentityLimiter(limit)
        # Or a restart would give everybody empty windows.
        await alone.restore(stores.queries, storage.writer.now_us())
        return alone
    windows = SharedWindows(
        settings.database.url,
        windows=lambda: windows_of(limit),
        longest_us=max(limit.window_us, limit.burst_window_us),
        now_us=storage.writer.now_us,
    )
    # Where the writer has gone to another server, this one's rows count no more.
    storage.renewals.append(windows.renew)
    stack.push_async_callback(windows.close)
    return SharedLimiter(limit, windows)


async def _swept(storage: Storage, stores: Stores) -> Sweeper:
    """The sweeper, which has ended what can be ended before anybody asks."""
    sweeper = sweeper_of(storage, stores)
    # On SQLite whatever the last process left ends here, and nobody ever finds it running.
    await sweeper.recover()
    await sweeper.expire()
    return sweeper


def _server_of(
    settings: Settings,
    mounts: Sequence[Mount],
    layers: Sequence[Layer],
    storage: Storage,
    intake: Intake,
) -> RpcServer:
    return RpcServer(
        settings.server.listen,
        mounts,
        layers,
        write_timeout_s=settings.pipeline.write_timeout_s,
        unread_max=settings.pipeline.unread_max,
        intake=intake,
        max_connection_age_s=settings.server.max_connection_age_s,
        ready=lambda: storage.ready,
    )


def _pipeline_limits(settings: Settings) -> PipelineLimits:
    return PipelineLimits(
        deadline_s=settings.pipeline.deadline_s,
        abandon_after_s=settings.pipeline.abandon_after_ms / 1_000,
        running_max=settings.pipeline.running_max,
    )


def files_of(
    settings: Settings, storage: Storage, stores: Stores, intake: Intake
) -> tuple[FileKeeper, FileSweep]:
    """What keeps the files of queries, and what deletes those that no query came to use."""
    owner_id = storage.owner.owner_id
    # The room of all requests: the files of one that is resumed count among those that are held.
    files = FileKeeper(storage.writer, stores.files, intake, owner_id=owner_id)
    return files, FileSweep(settings.database.url, storage.reader, owner_id, files.is_held)


def sweeper_of(storage: Storage, stores: Stores) -> Sweeper:
    """The sweeper, with dead owners looked up off the loop."""
    loop = asyncio.get_running_loop()

    async def dead() -> Sequence[str]:
        return await loop.run_in_executor(None, storage.owner.dead)

    async def fence(owner_id: str) -> Sequence[tuple[str, str]] | None:
        return await loop.run_in_executor(None, storage.owner.fence, owner_id)

    async def forget(owner_id: str) -> None:
        await loop.run_in_executor(None, storage.owner.forget, owner_id)

    return Sweeper(
        storage.writer,
        stores.checkpoints,
        stores.spendings,
        dead_owners=dead,
        fence_owner=fence,
        forget_owner=forget,
        now_us=storage.writer.now_us,
    )


def _repeat(
    stack: AsyncExitStack,
    sweeper: Sweeper,
    file_sweep: FileSweep,
    routes: Routes,
    stores: Stores,
    pipeline: PipelineService,
    renew_s: int,
) -> None:
    async def price() -> None:
        await price_again(routes)

    async def resume() -> None:
        await resume_approved(stores.queries, pipeline)

    spawn_repeated(stack, "expire", sweeper.expire, lambda: EXPIRE_EVERY_S)
    spawn_repeated(stack, "lapse", sweeper.lapse, lambda: EXPIRE_EVERY_S)
    spawn_repeated(stack, "files", file_sweep.sweep, lambda: SWEEP_FILES_EVERY_S)
    # A lease that is over is seen as soon as one of these finds it as the last one did.
    recover_s = min(RECOVER_EVERY_S, renew_s)
    spawn_repeated(stack, "recover", sweeper.recover, lambda: recover_s)
    spawn_repeated(stack, "price", price, until_midnight_s)
    waits = itertools.chain([0.0], itertools.repeat(RESUME_EVERY_S))  # a restart waits for nothing
    spawn_repeated(stack, "resume", resume, lambda: next(waits))


async def _drain(
    server: RpcServer, pipeline: PipelineService, storage: Storage, grace_s: float
) -> None:
    """Readiness goes, then new work, then what runs gets its time; nothing is left half done."""
    await server.refuse()
    # They would stay for the whole grace, and can go on at another server at once.
    storage.inbox.close()
    # At the same time: calls in hand wait for their runs, and both have the whole grace.
    await asyncio.gather(server.drain(grace_s), pipeline.drain(grace_s))
