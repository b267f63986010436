"""What stands in for lanes A to E when an approved query goes on: F and G follow."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from chenu_server.engine import CanonicalRequest
from chenu_server.pipeline.decide import requester_of
from chenu_server.pipeline.lanes.encoding import EncodingLane
from chenu_server.pipeline.lanes.steps import Attach, Deny, Proceed
from chenu_server.pipeline.model import Candidate, QueryRequest
from chenu_server.pipeline.ports import (
    Admitted,
    Closed,
    Files,
    Governance,
    NotResumable,
    Resumption,
    Wait,
)
from chenu_server.pipeline.records import Operation, QueryContent
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.pipeline.stored import plan_from, request_from
from chenu_server.pipeline.waiting import ProviderQueue, Waiter, first_with_room
from chenu_server.values import replace

Resumed = Admitted | Closed | NotResumable


class ResumeLane:
    """Routes and prices again within the approval, and uses it."""

    def __init__(
        self,
        encoding: EncodingLane,
        governance: Governance,
        queues: Mapping[str, ProviderQueue],
        files: Files,
    ) -> None:
        self._encoding = encoding
        self._governance = governance
        self._queues = queues
        self._files = files

    @asynccontextmanager
    async def prepared(self, query: Operation, content: QueryContent) -> AsyncIterator[QueryState]:
        """
        The stored results of lanes A and B, and lane C within the approved cost.

        Raises:
            GovernanceUnavailable: An image or a document of it cannot be read.
            ServerOverloaded: There is no room for these.
        """
        stored = request_from(content.request)
        async with self._files.filled(query.identity_id, stored) as request:
            yield self._state(query, content, request)

    def _state(self, query: Operation, content: QueryContent, request: QueryRequest) -> QueryState:
        plan = plan_from(content.plan)
        caller = requester_of(query, plan.roles)
        read = CanonicalRequest(request)
        state = QueryState(
            caller=caller,
            request=request,
            read=read,
            content_digest=query.content_digest,
            deadline_ms=query.deadline_ms,
            record=query,
        )
        state.analysis, state.snapshot = plan.analysis, plan.snapshot
        state.encoded = self._encoding.encode(
            caller,
            request,
            read,
            analysis=plan.analysis,
            snapshot=plan.snapshot,
            # Not today's price but the one that was approved: it is part of the digest, and under
            # another the approval would end unused.
            approved_max_nanousd=plan.max_cost_nanousd,
        )
        return state

    async def run(self, query: QueryState, run: Run) -> Proceed | Deny | Attach:
        """
        Fill `query.admitted`, or say that the approval can no longer be used.

        Raises:
            QueueFull, DeadlineUnreachable: No slot in time; the approval is not used.
        """
        assert query.analysis and query.snapshot and query.encoded and query.record
        resumption = Resumption(
            caller=query.caller,
            query=query.record,
            request=query.request,
            analysis=query.analysis,
            snapshot=query.snapshot,
            encoded=query.encoded,
            # What is left of it: to read what was stored has used some up.
            deadline_ms=int((run.deadline - time.monotonic()) * 1_000),
        )
        answer = await self._consumed(resumption, query, run)
        if isinstance(answer, Admitted):
            query.admitted = answer
            return Proceed()
        if isinstance(answer, Closed):
            return Deny(answer.query)
        return Attach(answer.query)

    async def _consumed(self, resumption: Resumption, query: QueryState, run: Run) -> Resumed:
        encoded = resumption.encoded
        if not encoded.route.chain:
            # Asked although nothing can run: the command ends the query, which would else hold its
            # money until the approval lapses.
            answer = await self._governance.consume(resumption, take_slot=True)
            assert not isinstance(answer, Wait), "without a chain there is no slot to wait for"
            return answer

        async def consumed_along(left: tuple[Candidate, ...]) -> Resumed:
            route = replace(encoded.route, chain=left)
            narrowed = replace(resumption, encoded=replace(encoded, route=route))
            return await self._queued(narrowed, query, run)

        return await first_with_room(encoded.route.chain, consumed_along)

    async def _queued(self, resumption: Resumption, query: QueryState, run: Run) -> Resumed:
        async def submit(take_slot: bool) -> Resumed | Wait:
            return await self._governance.consume(resumption, take_slot=take_slot)

        waiter: Waiter[Resumed] = Waiter(
            identity_id=query.caller.identity_id,
            deadline=run.deadline,
            stop=run.stop,
            submit=submit,
        )
        provider = resumption.encoded.route.chain[0].provider
        return await self._queues[provider].run(waiter, run.told_to_wait(provider))
