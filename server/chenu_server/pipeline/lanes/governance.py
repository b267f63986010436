"""Lane D: one question to governance, asked again while a slot is waited for."""

from __future__ import annotations

from collections.abc import Mapping

from chenu_server.errors import CheckpointLimit, RequestIdConflict
from chenu_server.pipeline.lanes.steps import Attach, Deny, Proceed, Step
from chenu_server.pipeline.model import Lane
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    Attached,
    Blocked,
    Closed,
    Conflict,
    Full,
    Governance,
    Known,
    Wait,
)
from chenu_server.pipeline.records import QueryContent
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.pipeline.stored import plan_json, request_json
from chenu_server.pipeline.waiting import ProviderQueue, Waiter

Decided = Admitted | Blocked | Closed | Known | Attached | Full | Conflict


class GovernanceLane:
    """Claims the id and gets the decision, durably, or a refusal that binds nothing."""

    def __init__(self, governance: Governance, queues: Mapping[str, ProviderQueue]) -> None:
        self._governance = governance
        self._queues = queues

    async def run(self, query: QueryState, run: Run) -> Step:
        """
        Fill `query.admitted`, or say why not.

        Raises:
            RequestIdConflict: The id was used for something else.
            CheckpointLimit: As much waits for a person as may; the id stays free.
            QueueFull, DeadlineUnreachable: No slot in time; the id stays free.
            GovernanceUnavailable: The decision cannot be recorded.
        """
        query.lanes.start(Lane.GOVERNANCE)
        admission = admission_of(query)
        chain = admission.encoded.route.chain
        queue = self._queues.get(chain[0].provider) if chain else None
        answer = await self._decided(admission, queue, query, run)
        match answer:
            case Admitted():
                query.admitted = answer
                return Proceed()
            case Blocked():
                query.blocked = answer
                return Proceed()
            case Closed():
                return Deny(answer.query)
            case Known():
                return Attach(answer.query)
            case Attached():
                return Attach(answer.query, is_new=True)
            case Full():
                raise CheckpointLimit(answer.limit)
            case Conflict():
                raise RequestIdConflict(query.request.request_id)

    async def _decided(
        self, admission: Admission, queue: ProviderQueue | None, query: QueryState, run: Run
    ) -> Decided:
        async def submit(take_slot: bool) -> Decided | Wait:
            return await self._governance.admit(admission, take_slot=take_slot)

        if queue is None:
            answer = await submit(True)
            assert not isinstance(answer, Wait), "without a chain there is no slot to wait for"
            return answer
        waiter: Waiter[Decided] = Waiter(
            identity_id=query.caller.identity_id,
            deadline=run.deadline,
            stop=run.stop,
            submit=submit,
        )
        return await queue.run(waiter, run.told_to_wait(queue.provider))


def admission_of(query: QueryState) -> Admission:
    """What governance is asked after lanes A to C."""
    assert query.analysis and query.snapshot and query.encoded  # lanes A, B and C ran
    request, caller = query.request, query.caller
    content = QueryContent(
        identity_id=caller.identity_id,
        request_id=request.request_id,
        request=request_json(request),
        plan=plan_json(caller.roles, query.analysis, query.snapshot, query.encoded),
    )
    return Admission(
        caller=caller,
        request=request,
        content_digest=query.content_digest,
        content=content,
        analysis=query.analysis,
        snapshot=query.snapshot,
        encoded=query.encoded,
        deadline_ms=query.deadline_ms,
        drafts=tuple(query.lanes.drafts),
        lanes=tuple(query.lanes.reports),
        lane_started_ns=query.lanes.started_ns,
    )
