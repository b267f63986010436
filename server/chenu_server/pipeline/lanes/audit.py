"""Lane G: the end of the query, recorded. Nothing cancels it."""

from __future__ import annotations

import asyncio
import time

import structlog

from chenu_server import failpoints
from chenu_server.errors import ChenuError, GovernanceUnavailable, Internal
from chenu_server.pipeline.decide import outcome_of
from chenu_server.pipeline.lanes.steps import Fail, Proceed
from chenu_server.pipeline.model import Outcome, TokenUsage
from chenu_server.pipeline.ports import Governance, Proposing, Settlement
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.state import QueryState, Run
from chenu_server.values import replace
from chenu_server.vocabulary import QueryStatus

_log = structlog.get_logger(__name__)

# The end of a short answer is there at once. To record it takes the interpreter from those who
# hand over its beginning, which they have first: it waits for them, and not long for slow ones.
_SHOWN_WITHIN_S = 0.01
_RETRY_FIRST_S = 0.05
_RETRY_MAX_S = 2.0


class AuditLane:
    """Settles until it is recorded; readers are told at once when it cannot be."""

    def __init__(self, governance: Governance) -> None:
        self._governance = governance

    async def run(self, query: QueryState, run: Run, step: Proceed | Fail) -> Operation:
        """
        The query as it ended, once that is durable.

        Raises:
            Internal: Its end cannot be written, not even without the answer; it stays as it
                is until a restart takes it over.
        """
        # Read before readers are waited for: that time is none that the model took.
        ended_ns = time.monotonic_ns()
        await run.log.shown(_SHOWN_WITHIN_S)
        settlement = _settlement(query, step, ended_ns)
        failpoints.hit("settle.before_submit")
        try:
            return await self._recorded(settlement, run)
        except Internal:
            # Something in the answer cannot be written. Without it the end can, and the money is
            # held no longer; else it would be until a restart.
            return await self._recorded(_without_answer(settlement), run)

    async def _recorded(self, settlement: Settlement, run: Run) -> Operation:
        """Try until the database takes it."""
        request_id, delay_s = settlement.query.request_id, _RETRY_FIRST_S
        while True:
            try:
                return await self._governance.settle(settlement)
            except Internal:
                raise  # a bug in the command, which the same settlement would meet again
            except ChenuError as error:
                _log.warning("settle_failed", request_id=request_id, error=str(error))
                # No answer is given that is not recorded. Who asks again under the id is attached
                # to this run, and gets it once it is.
                run.log.fail_readers(GovernanceUnavailable())
                # Nothing interrupts it: whatever stops the query, its end has still to be recorded.
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _RETRY_MAX_S)


def _settlement(query: QueryState, step: Proceed | Fail, ended_ns: int) -> Settlement:
    assert query.admitted is not None, "only an admitted query is settled"
    end = step if isinstance(step, Fail) else Fail(QueryStatus.COMPLETED, Outcome())
    return Settlement(
        query=query.admitted.query,
        status=end.status,
        outcome=end.outcome,
        ended=query.ended,
        output=query.output.parts(),
        execution_us=(ended_ns - query.execution_started_ns) // 1_000,
        lane_started_ns=time.monotonic_ns(),
        proposing=_proposing(query),
    )


def _proposing(query: QueryState) -> Proposing | None:
    """What the calls of the answer are judged by; nothing where it could have none."""
    if not query.request.conversation.tools:
        return None
    assert query.admitted and query.analysis and query.snapshot
    first = query.admitted.chain[0]
    return Proposing(
        caller=query.caller,
        request=query.request,
        analysis=query.analysis,
        snapshot=query.snapshot,
        # Who forbids a provider forbids its instances, whatever their names.
        providers=tuple(filter(None, (first.provider, first.instance_of))),
        schemas=query.schemas,
    )


def _without_answer(settlement: Settlement) -> Settlement:
    """The end of a query whose answer cannot be written: failed, and charged at the bound."""
    ended = settlement.ended
    if ended is not None and not ended.failure:
        # It succeeded and was billed. What its tokens were goes with the answer, so the bound
        # stands for them, unless they are known to have cost more.
        charge = max(ended.charge_nanousd, ended.attempt.bound_nanousd)
        ended = replace(
            ended,
            charge_nanousd=charge,
            estimated=True,
            failure="internal",
            detail="the answer could not be recorded",
            usage=TokenUsage(),
            stop_reason="",
        )
    return replace(
        settlement,
        status=QueryStatus.FAILED,
        outcome=outcome_of(Internal()),
        ended=ended,
        output=(),
    )
