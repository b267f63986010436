"""Lane G: the end of the query, recorded. Nothing cancels it."""

from __future__ import annotations

import asyncio
import time

import structlog

from chenu_server import failpoints
from chenu_server.errors import ChenuError, GovernanceUnavailable
from chenu_server.pipeline.lanes.steps import Fail, Proceed
from chenu_server.pipeline.model import Outcome, QueryStatus
from chenu_server.pipeline.ports import Governance, Settlement
from chenu_server.pipeline.records import Query
from chenu_server.pipeline.state import QueryState, Run

_log = structlog.get_logger(__name__)

_RETRY_FIRST_S = 0.05
_RETRY_MAX_S = 2.0


class AuditLane:
    """Settles until it is recorded; readers are told at once when it cannot be."""

    def __init__(self, governance: Governance) -> None:
        self._governance = governance

    async def run(self, query: QueryState, run: Run, step: Proceed | Fail) -> Query:
        """The query as it ended, once that is durable."""
        settlement = _settlement(query, step)
        failpoints.hit("settle.before_submit")
        delay_s = _RETRY_FIRST_S
        while True:
            try:
                return await self._governance.settle(settlement)
            except ChenuError as error:
                _log.warning("settle_failed", request_id=query.request.request_id, error=str(error))
                run.log.fail_readers(GovernanceUnavailable())
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _RETRY_MAX_S)


def _settlement(query: QueryState, step: Proceed | Fail) -> Settlement:
    assert query.admitted is not None, "only an admitted query is settled"
    now_ns = time.monotonic_ns()
    end = step if isinstance(step, Fail) else Fail(QueryStatus.COMPLETED, Outcome())
    return Settlement(
        query=query.admitted.query,
        status=end.status,
        outcome=end.outcome,
        ended=query.ended,
        output="".join(query.output),
        execution_us=(now_ns - query.execution_started_ns) // 1_000,
        lane_started_ns=now_ns,
    )
