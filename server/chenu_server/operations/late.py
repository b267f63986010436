"""Commands that committed after their caller was told that they could not be recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine

import structlog

from chenu_server.command import Writer
from chenu_server.errors import ChenuError, Internal, QueryCancelled
from chenu_server.operations.run import Settle
from chenu_server.pipeline.decide import outcome_of
from chenu_server.pipeline.model import TokenUsage
from chenu_server.pipeline.ports import Admitted, AttemptEnd, Settlement
from chenu_server.vocabulary import QueryStatus

_log = structlog.get_logger(__name__)


class LateCommits:
    """Ends an admission that nobody runs: its id is bound, its money goes back."""

    def __init__(self) -> None:
        self._writer: Writer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, writer: Writer) -> None:
        """Settle through this writer."""
        self._writer = writer

    def on_late(self, name: str, outcome: object) -> None:
        """Called by the writer, in the loop."""
        _log.warning("committed_late", command=name)
        # Whatever else was committed stands by itself: a wait ends by its person or its time, what
        # has ended is over.
        if isinstance(outcome, Admitted):
            self._spawn(self._void(outcome))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        # The loop itself holds tasks weakly.
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _void(self, admitted: Admitted) -> None:
        assert self._writer is not None, "attached before the writer starts"
        settlement = settlement_of(admitted)
        # Until it is recorded the money is held and the query runs for nobody.
        while True:
            try:
                await self._writer.submit(Settle(settlement))
            except Internal as error:
                # A bug in the command, which the same settlement would meet again for ever: its end
                # is left to whoever takes over from this process.
                _log.error("late_settle_failed", error=str(error))
                return
            except ChenuError as error:
                _log.warning("late_settle_failed", error=str(error))
                await asyncio.sleep(1)
            else:
                return


def settlement_of(admitted: Admitted) -> Settlement:
    """The end of an attempt that was admitted and never went out.

    Cancelled, and not unavailable: a caller that asks again under the id learns that it is over.
    """
    now_ns = time.monotonic_ns()
    return Settlement(
        query=admitted.query,
        status=QueryStatus.CANCELLED,
        outcome=outcome_of(QueryCancelled(admitted.query.request_id)),
        ended=AttemptEnd(
            attempt=admitted.attempt,
            usage=TokenUsage(),
            # Exactly nothing: its run was told that it may not begin, so no byte has left.
            charge_nanousd=0,
            estimated=False,
            failure="not_dispatched",
            duration_us=0,
        ),
        output=(),
        execution_us=0,
        lane_started_ns=now_ns,
    )
