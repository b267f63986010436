"""Lane D: one question to governance, asked again while a slot is waited for."""

from __future__ import annotations

from collections.abc import Mapping

from chenu_server.errors import CheckpointLimit, GovernanceUnavailable, RequestIdConflict
from chenu_server.pipeline.lanes.steps import Attach, Deny, Proceed, Step
from chenu_server.pipeline.model import Candidate
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    Attached,
    Blocked,
    Closed,
    Conflict,
    Files,
    FilesGone,
    Full,
    Governance,
    Known,
    Wait,
)
from chenu_server.pipeline.records import QueryContent
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.pipeline.stored import plan_json
from chenu_server.pipeline.waiting import ProviderQueue, Waiter, first_with_room
from chenu_server.values import replace
from chenu_server.vocabulary import Lane

Decided = Admitted | Blocked | Closed | Known | Attached | Full | FilesGone | Conflict


class GovernanceLane:
    """Claims the id and gets the decision, durably, or a refusal that binds nothing."""

    def __init__(
        self, governance: Governance, queues: Mapping[str, ProviderQueue], files: Files
    ) -> None:
        self._governance = governance
        self._queues = queues
        self._files = files

    async def run(self, query: QueryState, run: Run) -> Step:
        """
        Fill `query.admitted`, or say why not.

        Raises:
            RequestIdConflict: The id was used for something else.
            CheckpointLimit: As much waits for a person as may; the id stays free.
            QueueFull, DeadlineUnreachable: No slot in time; the id stays free.
            GovernanceUnavailable: The decision cannot be recorded.
        """
        query.lanes.start(Lane.D_GOVERNANCE)
        admission = admission_of(query)
        if files := query.request.conversation.files:
            # Held until the command has recorded that the query uses them: a sweep in between would
            # find nobody who needs them.
            async with self._files.held(query.caller.identity_id, files):
                answer = await self._decided(admission, query, run)
        else:
            answer = await self._decided(admission, query, run)
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
                # Nothing of it was written: the same id may ask again once a person has decided
                # some.
                raise CheckpointLimit(answer.limit)
            case FilesGone():
                # This process was taken for dead, and what it held was swept: the caller's next try
                # stores the files anew, under the same id.
                raise GovernanceUnavailable
            case Conflict():
                raise RequestIdConflict(query.request.request_id)

    async def _decided(self, admission: Admission, query: QueryState, run: Run) -> Decided:
        chain = admission.encoded.route.chain
        if not chain:
            # Nothing can run, but that it was refused is a decision too, and bound to the id like
            # any other.
            answer = await self._governance.admit(admission, take_slot=True)
            assert not isinstance(answer, Wait), "without a chain there is no slot to wait for"
            return answer

        async def admitted_along(left: tuple[Candidate, ...]) -> Decided:
            return await self._queued(_along(admission, left), query, run)

        return await first_with_room(chain, admitted_along)

    async def _queued(self, admission: Admission, query: QueryState, run: Run) -> Decided:
        async def submit(take_slot: bool) -> Decided | Wait:
            return await self._governance.admit(admission, take_slot=take_slot)

        waiter: Waiter[Decided] = Waiter(
            identity_id=query.caller.identity_id,
            deadline=run.deadline,
            stop=run.stop,
            submit=submit,
        )
        provider = admission.encoded.route.chain[0].provider
        return await self._queues[provider].run(waiter, run.told_to_wait(provider))


def _along(admission: Admission, chain: tuple[Candidate, ...]) -> Admission:
    """The same question for what is left of its chain."""
    encoded = admission.encoded
    # At the first try, which is nearly always the only one: nothing is copied.
    if chain == encoded.route.chain:
        return admission
    return replace(admission, encoded=replace(encoded, route=replace(encoded.route, chain=chain)))


def admission_of(query: QueryState) -> Admission:
    """What governance is asked after lanes A to C."""
    assert query.analysis and query.snapshot and query.encoded  # lanes A, B and C ran
    request, caller = query.request, query.caller
    content = QueryContent(
        identity_id=caller.identity_id,
        request_id=request.request_id,
        request=query.read.to_json(),
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
        lanes=tuple(query.lanes.reports),
        lane_started_ns=query.lanes.started_ns,
    )
