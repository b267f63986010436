"""The pipeline: finds or starts a query's run, walks the lanes, decides what follows each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress

import structlog

from chenu_server.caller import Caller
from chenu_server.command import Key
from chenu_server.engine import CanonicalRequest
from chenu_server.errors import (
    ChenuError,
    Internal,
    RequestIdConflict,
    ServerOverloaded,
)
from chenu_server.pipeline.cancels import Cancels
from chenu_server.pipeline.elsewhere import Elsewhere
from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.lanes.audit import AuditLane
from chenu_server.pipeline.lanes.checkpoint import CheckpointLane
from chenu_server.pipeline.lanes.context import ContextLane
from chenu_server.pipeline.lanes.encoding import EncodingLane
from chenu_server.pipeline.lanes.execution import (
    OVERLOAD_RETRY_US,
    ExecutionLane,
    unserved_error,
)
from chenu_server.pipeline.lanes.governance import GovernanceLane, admission_of
from chenu_server.pipeline.lanes.intent import IntentLane
from chenu_server.pipeline.lanes.resume import ResumeLane
from chenu_server.pipeline.lanes.steps import Attach, Proceed, Step
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.model import QueryRequest, Route
from chenu_server.pipeline.ports import (
    Boundary,
    Governance,
    HeldCalls,
    NewWorkLimit,
    QueryFilter,
    QueryStore,
    Stops,
    Validation,
)
from chenu_server.pipeline.records import Asked, Operation
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.state import QueryState
from chenu_server.pipeline.stop import Stopped, StopReason
from chenu_server.values import dataclass
from chenu_server.vocabulary import QueryStatus

_log = structlog.get_logger(__name__)

Keep = Callable[[], Callable[[], None]]
"""Takes over that a large request counts as held; what it returns ends that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineLimits:
    """What bounds the pipeline."""

    deadline_s: float
    abandon_after_s: float
    running_max: int
    tail_every_s: float = 2.0
    stop_within_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSet:
    """The seven lanes, and the one that takes D's place when a query is resumed."""

    intent: IntentLane
    context: ContextLane
    encoding: EncodingLane
    governance: GovernanceLane
    checkpoint: CheckpointLane
    execution: ExecutionLane
    audit: AuditLane
    resume: ResumeLane


class PipelineService:
    """Runs queries. Everything that ends one goes through a command."""

    def __init__(
        self,
        lanes: LaneSet,
        *,
        governance: Governance,
        store: QueryStore,
        hub: LogHub,
        boundary: Boundary,
        new_work: NewWorkLimit,
        limits: PipelineLimits,
        calls: HeldCalls,
        stops: Stops | None = None,
    ) -> None:
        self._lanes = lanes
        self._governance = governance
        self._store = store
        self._hub = hub
        self._boundary = boundary
        self._new_work = new_work
        self._limits = limits
        self._runs: dict[Key, QueryRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self.elsewhere = Elsewhere(hub, self._runs, self._load)
        self._cancels = Cancels(
            self._runs,
            governance,
            store,
            open_log=self._open_log,
            calls=calls,
            stops=stops,
            within_s=limits.stop_within_s,
        )

    # --- starting -----------------------------------------------------------------------------

    def start(
        self,
        caller: Caller,
        request: QueryRequest,
        deadline_s: float | None,
        *,
        keep: Keep | None = None,
    ) -> QueryRun:
        """
        The run of this request: the one under way, or a new one, which keeps the request.

        Raises:
            RateLimited, IdentityBlocked: Too much new work.
            RequestIdConflict: The id is under way, or read, as something else.
            ServerOverloaded: As many queries run as may.
        """
        key = (caller.identity_id, request.request_id)
        # Ahead of the look at what runs: who is blocked is refused, repeats or not.
        arrival = self._new_work.arrive(caller.identity_id)
        read = CanonicalRequest(request)
        asked = Asked(caller.principal, read.content_digest())
        run = self._runs.get(key)
        log = run.log if run is not None else self._hub.find(key)
        # Found out here where a log is at hand; else lane D finds it by the row.
        other = log is not None and log.asked != asked
        # Nothing begins by it: who asks again for an answer must not be blocked for that.
        if other or run is not None:
            self._new_work.give_back(caller.identity_id, arrival)
        if other:
            raise RequestIdConflict(request.request_id)
        if run is not None:
            return run
        # Who lets an approval start it has said as well that nobody need be there.
        detached = request.detached or request.resume_on_approval
        run = self._open_run(key, asked, deadline_s, detached=detached)
        if keep is not None:
            # Only behind what may refuse it: until there is a run, the end of the call gives the
            # bytes back.
            run.holds(keep())
        query = QueryState(
            caller=caller,
            request=request,
            read=read,
            content_digest=asked.content_digest,
            deadline_ms=int((deadline_s or self._limits.deadline_s) * 1_000),
            arrival=arrival,
        )
        self._spawn(key, run, self._walk(query, run))
        return run

    async def resume(
        self, caller: Caller, request_id: str, deadline_s: float | None
    ) -> QueryRun | QueryLog:
        """
        Run an approved query, or attach to it wherever it is.

        Raises:
            IdentityBoundaryViolation: It is not in the caller's identity.
            ServerOverloaded: As many queries run as may.
        """
        query = await self.get(caller, request_id)
        if query.status is not QueryStatus.APPROVED:
            return self._runs.get(query.key) or await self._open_log(query)
        return self.resume_approved(query, deadline_s)

    def resume_approved(self, query: Operation, deadline_s: float | None) -> QueryRun:
        """Run an approved query; the approval is used in the command that lets it run."""
        known = self._runs.get(query.key)
        if known is not None:
            return known
        # Who resumes by itself has no caller with a deadline: the one that it was asked with holds.
        deadline_s = deadline_s or query.deadline_ms / 1e3
        # Until its stored request is read, nobody knows whether it goes on without anybody.
        run = self._open_run(query.key, query.asked, deadline_s, detached=True)
        run.log.set_query(query)  # a reader here may hold it as it was before the approval
        self._spawn(query.key, run, self._walk_resumed(query, run))
        return run

    def _open_run(
        self, key: Key, asked: Asked, deadline_s: float | None, *, detached: bool
    ) -> QueryRun:
        if self._draining or len(self._runs) >= self._limits.running_max:
            raise ServerOverloaded(OVERLOAD_RETRY_US, "queries")
        log = self._hub.find(key)
        # One that leads to another query's log has its readers there; whose name the id is, lane D
        # says anew.
        if log is None or log.current is not log:
            log = self._hub.create(key, asked)
        log.reopen()
        return QueryRun(
            log,
            deadline_s=deadline_s or self._limits.deadline_s,
            abandon_after_s=self._limits.abandon_after_s,
            detached=detached,
        )

    def _spawn(self, key: Key, run: QueryRun, walk: Coroutine[None, None, None]) -> None:
        self._runs[key] = run
        task = asyncio.create_task(self._guarded(key, run, walk))
        # The loop itself holds tasks weakly: kept by nobody else, a run could be collected on its
        # way.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, key: Key, run: QueryRun, walk: Coroutine[None, None, None]) -> None:
        """Whatever happens, the run leaves the books and its readers get an answer."""
        try:
            await walk
        except ChenuError as refusal:
            self._refuse(run.log, refusal)
        except Stopped as stopped:
            self._refuse(run.log, unserved_error(stopped.reason, str(key[1])))
        except Exception:  # noqa: BLE001 - a bug must not leave readers waiting
            _log.exception("run_failed", request_id=key[1])
            self._refuse(run.log, Internal())
        finally:
            run.finish()
            self._forget(run)

    def _forget(self, run: QueryRun) -> None:
        """Take a run off the books, unless another has its place already."""
        if self._runs.get(run.log.key) is run:
            del self._runs[run.log.key]
            run.log.settle()

    def _refuse(self, log: QueryLog, error: ChenuError) -> None:
        if log.current.query is None:
            log.refuse(error)
            self._hub.drop(log)
        else:
            # For a watcher nothing has ended: the query stands as it stood, and may go on. Behind a
            # bug nobody may be left to say so.
            log.fail_readers(error, watchers=isinstance(error, Internal))

    # --- walking ------------------------------------------------------------------------------

    async def _walk(self, query: QueryState, run: QueryRun) -> None:
        lanes = self._lanes
        # Meanwhile lanes A to C do what they do without anybody's leave.
        counting = self._new_work.counting(query.caller.identity_id, query.arrival)
        for lane in (lanes.intent, lanes.context, lanes.encoding):
            await lane.run(query, run)
        # Before anything is decided: a call that is too many must leave no trace but in its window.
        query.arrival = await counting
        for deciding in (lanes.governance, lanes.checkpoint):
            step = await deciding.run(query, run)
            if not isinstance(step, Proceed):
                await self._leave(step, query, run)
                return
        await self._execute(query, run)

    async def _leave(self, step: Step, query: QueryState, run: QueryRun) -> None:
        """The query rests: blocked, denied, or known from before."""
        # What blocks or denies it stands in the log already: the commit has put it there.
        if not isinstance(step, Attach):
            return
        # An id that was known is no new work; another id that asked for what waits is.
        if not step.is_new:
            self._new_work.give_back(query.caller.identity_id, query.arrival)
        if step.query.key != run.log.key:
            await self._lead_to(step.query, run)
            return
        if step.query.status is QueryStatus.APPROVED:
            await self._walk_resumed(step.query, run)
            return
        # The log was made for this ask: what was committed before it has not come through it.
        await self._load(run.log)
        if step.query.status is QueryStatus.RUNNING:
            await self._tail(run.log, run)

    async def _lead_to(self, known: Operation, run: QueryRun) -> None:
        """The id is another name of this query: whoever is attached here goes on there."""
        self._forget(run)  # it runs nothing, and takes no place from the query that it names
        log = self._hub.find(known.key) or self._hub.create(known.key, known.asked)
        if known.key not in self._runs:
            await self._load(log)  # anew: another process may have taken the query further
        query = log.query or known
        if log.is_rested:
            run.log.lead_to(log)
        elif known.key in self._runs:
            run.lead_to(self._runs[known.key])
        elif query.status is QueryStatus.APPROVED and run.stop.reason is StopReason.CANCELLED:
            # Nothing runs that could hear it: who cancels ends the query itself, and who asked
            # learns what came of that when it asks again.
            run.log.fail_readers(ServerOverloaded(OVERLOAD_RETRY_US, "queries"))
            run.log.lead_to(log)
        else:
            run.lead_to(self._taken_up(query, log, run))

    def _taken_up(self, query: Operation, log: QueryLog, run: QueryRun) -> QueryRun:
        """The run of a query that is approved, or runs elsewhere, in the time of who asked again.

        It stands under the query's own key: repeats share it, and it counts as any other.

        Raises:
            Stopped: Nobody wants it any more; a cancel is for the query to hear.
        """
        if run.stop.reason is not StopReason.CANCELLED:
            run.stop.check()
        left_s = run.deadline - time.monotonic()
        if query.status is QueryStatus.APPROVED:
            return self.resume_approved(query, left_s)
        first = self._open_run(query.key, query.asked, left_s, detached=False)
        self._spawn(query.key, first, self._tail(log, first))
        return first

    async def _walk_resumed(self, query: Operation, run: QueryRun) -> None:
        """F and G on the stored results of B and C."""
        await self._load(run.log)  # also a loaded one: the approval may be another process's
        content = await self._store.content(query.identity_id, query.request_id)
        assert content is not None, "an admitted query has its content"
        async with self._lanes.resume.prepared(query, content) as state:
            request = state.request
            run.has_read(detached=request.detached or request.resume_on_approval)
            step = await self._lanes.resume.run(state, run)
            if isinstance(step, Proceed):
                await self._execute(state, run)
        if isinstance(step, Attach):  # another process has used the approval
            await self._load(run.log)
            await self._tail(run.log, run)

    async def _execute(self, query: QueryState, run: QueryRun) -> None:
        await self._lanes.audit.run(query, run, await self._lanes.execution.run(query, run))
        if not run.log.is_ended:  # another process took it over, and ended it
            await self._load(run.log)

    async def _load(self, log: QueryLog) -> None:
        """Fill a log with what is stored."""
        identity_id, request_id = map(str, log.key)
        stored = await self._store.whole(identity_id, request_id)
        if stored.query is not None:  # before its events: a final one takes the outcome from it
            log.set_query(stored.query)
        log.load(stored.segments, stored.chunks)

    async def _tail(self, log: QueryLog, run: QueryRun) -> None:
        """Follow a query that another process runs, until it rests or nobody here waits for it.

        What is committed of it is heard (`elsewhere`); it is looked at only in case that was not.
        """
        run.follows = True
        while not log.is_rested:
            try:
                with run.stop.interrupts(), suppress(TimeoutError):
                    await asyncio.wait_for(log.until_rested(), self._limits.tail_every_s)
            except Stopped as stopped:
                if stopped.reason is not StopReason.CANCELLED:
                    raise
                run.stop.withdraw()  # who waits for the answer must not be told that it ended
                await self._cancels.have_stopped(log)
            await self._load(log)

    # --- reading ------------------------------------------------------------------------------

    async def _open_log(self, query: Operation) -> QueryLog:
        """The log of a stored query, live if it still runs."""
        log = self._hub.find(query.key) or self._hub.create(query.key, query.asked)
        # Loaded, it may yet be behind: of what another process commits, this one is told nothing.
        if not log.loaded or log.query is None or log.query.event_count < query.event_count:
            await self._load(log)
        return log

    async def watch(self, caller: Caller, request_id: str) -> QueryRun | QueryLog:
        """
        Attach to a query wherever it is.

        Raises:
            IdentityBoundaryViolation: It is not in the caller's identity.
        """
        key = (caller.identity_id, request_id)
        run = self._runs.get(key)
        if run is not None:
            return run
        query = await self.get(caller, request_id)
        # Under the first of its ids, where the one that was asked for is another name.
        return self._runs.get(query.key) or await self._open_log(query)

    async def get(self, caller: Caller, request_id: str) -> Operation:
        """
        One query of the caller's identity, by any of its ids.

        Raises:
            IdentityBoundaryViolation: There is none, here or anywhere.
        """
        query = await self._store.get(caller.identity_id, request_id)
        if query is None:
            await self._boundary.refuse(caller, kind="query", id=request_id)
        assert query is not None
        return query

    async def page(self, caller: Caller, wanted: QueryFilter) -> Sequence[Operation]:
        """Queries of the caller's identity, newest first."""
        return await self._store.page(caller.identity_id, wanted)

    # --- ending -------------------------------------------------------------------------------

    async def cancel(self, caller: Caller, request_id: str, reason: str) -> Operation:
        """
        Cancel a query, wherever it is; a final one is returned as it is.

        Raises:
            IdentityBoundaryViolation: It is not in the caller's identity.
            QueryCancelled, QueryState: As `Cancels.cancel`.
        """
        return await self._cancels.cancel(
            caller, request_id, reason, lambda: self.get(caller, request_id)
        )

    async def drain(self, grace_s: float) -> None:
        """Start nothing new, let what runs end, stop what does not end in time."""
        self._draining = True
        await self._wait_for_runs(grace_s)
        for run in list(self._runs.values()):
            run.stop.set(StopReason.SHUTDOWN)
        # What was stopped has still to be settled, and the writer closes after this.
        await self._wait_for_runs(grace_s)

    async def runs_so_far_end(self) -> None:
        """Wait until every run that has begun by now has ended; later ones are not waited for."""
        await self._wait_for_runs(None)

    async def _wait_for_runs(self, timeout_s: float | None) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)

    @property
    def running(self) -> int:
        """How many queries run."""
        return len(self._runs)

    # --- asking only --------------------------------------------------------------------------

    async def validate(
        self, caller: Caller, request: QueryRequest
    ) -> tuple[QueryState, Validation]:
        """Lanes A to E without effect, as far as they came: one entry so marked."""
        arrival = self._new_work.arrive(caller.identity_id)
        arrival = await self._new_work.counting(caller.identity_id, arrival)
        read = CanonicalRequest(request)
        asked = Asked(caller.principal, read.content_digest())
        query = QueryState(
            caller=caller,
            request=request,
            read=read,
            content_digest=asked.content_digest,
            deadline_ms=0,
            arrival=arrival,
        )
        run = QueryRun(
            QueryLog((caller.identity_id, request.request_id), asked),
            deadline_s=self._limits.deadline_s,
            abandon_after_s=self._limits.abandon_after_s,
            # Nobody is attached to it, so nobody's leaving may end it.
            detached=True,
        )
        try:
            for lane in (self._lanes.intent, self._lanes.context, self._lanes.encoding):
                await lane.run(query, run)
        finally:
            run.finish()
        return query, await self._governance.validate(admission_of(query))

    def route(self, request: QueryRequest) -> Route:
        """Which models would answer, and what that costs at most; calls nothing."""
        return self._lanes.encoding.explain(request)
