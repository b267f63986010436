"""Cancelling a query wherever it is: waiting or running here, running elsewhere, or at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from chenu_server.caller import Caller
from chenu_server.command import Key
from chenu_server.errors import ChenuError
from chenu_server.errors import QueryState as QueryStateError
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.ports import Governance, HeldCalls, QueryStore, Stops
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.stop import StopReason
from chenu_server.vocabulary import QueryStatus


class Cancels:
    """Ends queries for who asks for it.

    Args:
        runs: What runs here, by key; a run that only follows is in it as well.
        open_log: The log of a stored query.
        calls: Ends the calls that a settled answer proposed.
        stops: Reaches the other processes; None where there can be none.
        within_s: How long another process is given to hear it.
    """

    def __init__(
        self,
        runs: Mapping[Key, QueryRun],
        governance: Governance,
        store: QueryStore,
        *,
        open_log: Callable[[Operation], Awaitable[QueryLog]],
        calls: HeldCalls,
        stops: Stops | None,
        within_s: float,
    ) -> None:
        self._runs = runs
        self._governance = governance
        self._store = store
        self._open_log = open_log
        self._calls = calls
        self._stops = stops
        self._within_s = within_s

    async def cancel(
        self, caller: Caller, request_id: str, reason: str, get: Callable[[], Awaitable[Operation]]
    ) -> Operation:
        """
        Cancel a query, wherever it is; a final one is returned as it is, and its calls that are
        held are withdrawn. `get` reads it.

        Raises:
            QueryCancelled: It waited for its first slot; nothing of it was ever stored.
            QueryState: It was settled under way, or the process that runs it does not hear.
            ChenuError: As `get`.
        """
        run, query = self._runs.get((caller.identity_id, request_id)), None
        if run is None:
            query = await get()
            run = self._runs.get(query.key)  # under the first of its ids
        if run is not None and run.follows and self._stops is not None:
            # It waits for another process's query as its callers do, and is not what is to end.
            query = run.log.current.query
        elif run is not None:
            query = await self._stopped_here(run)
        query = await self._stopped_anywhere(query or await get())
        # While it waits for a person, or for its approval to be used, no run answers for it: the
        # command ends it, and leaves what runs as it is.
        if query.checkpoint_id and not query.status.is_final:
            query = await self._governance.cancel(query, caller.principal, reason)
            # Its approval may have been used meanwhile, at another process.
            query = await self._stopped_anywhere(query)
        if not query.status.is_final:
            raise QueryStateError(request_id, query.status.value)
        if any(part.call and part.call.checkpoint_id for part in query.output_parts):
            await self._calls.cancel(query, caller.principal, reason)
        return query

    async def have_stopped(self, log: QueryLog) -> None:
        """Have the process stop it that runs it; who wants that is told if nobody can be asked."""
        query = log.query
        if self._stops is None or query is None or not query.owner_id:
            log.fail_stops(QueryStateError(str(log.key[1]), QueryStatus.RUNNING.value))
            return
        try:
            await self._stops.stop(query.owner_id, query.key)
        except ChenuError as error:
            # Only to who wants it to end: the others wait for its answer, which may yet come.
            log.fail_stops(error)

    def _runs_elsewhere(self, query: Operation) -> bool:
        is_running = query.status is QueryStatus.RUNNING
        return is_running and self._stops is not None and self._stops.is_other(query.owner_id)

    async def _stopped_here(self, run: QueryRun) -> Operation:
        """The query as its run leaves it: ended, blocked, or approved and waiting for a slot."""
        run.stop.set(StopReason.CANCELLED)
        try:
            return await run.log.rest(stops=True)
        except ChenuError:
            query = run.log.current.query
            if query is None:
                # It only waited here for its turn: asked at another process too, it may run there.
                query = await self._store.get(*map(str, run.log.key))
            running = query is not None and query.status is QueryStatus.RUNNING
            # Never stored, or its end cannot be recorded now: then the refusal is the answer.
            if query is None or (running and not self._runs_elsewhere(query)):
                raise
            return query

    async def _stopped_anywhere(self, query: Operation) -> Operation:
        """The query as the process leaves it that runs it, or as it is if that does not hear."""
        if not self._runs_elsewhere(query):
            return query
        # Held before anybody is asked: what is heard of the end reaches only logs that somebody
        # holds.
        log = await self._open_log(query)
        assert self._stops is not None, "it runs elsewhere"
        await self._stops.stop(query.owner_id, query.key)
        with suppress(TimeoutError):
            return await asyncio.wait_for(log.rest(stops=True), self._within_s)
        return log.query or query
