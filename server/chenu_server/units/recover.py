"""What a dead owner's running query becomes. It is never run again by itself."""

from __future__ import annotations

from collections.abc import Iterable

from chenu_server.errors import ExecutionInterrupted
from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.budgets.model import Reservation, ReservationState
from chenu_server.pipeline import decide, drafts
from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import LaneReport
from chenu_server.pipeline.records import ATTEMPTS_OF_QUERY, Attempt, AttemptState, Query
from chenu_server.unit import ById, Found, Key, Moment, Need, Rows
from chenu_server.units.rules import payload
from chenu_server.values import replace
from chenu_server.vocabulary import Lane, LaneStatus, QueryStatus


class Recover:
    """Ends one query of an owner that is dead: outcome unknown, its bound charged."""

    name = "recover"

    def __init__(self, identity_id: str, request_id: str, dead_owner_id: str) -> None:
        self.key: Key = (identity_id, request_id)
        self._dead_owner_id = dead_owner_id

    def needs(self, now: Moment) -> Iterable[Need]:
        """The query, its attempts and its reservation."""
        yield ById(Query, self.key)
        yield ById(Reservation, self.key)
        yield Found(ATTEMPTS_OF_QUERY, self.key)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """The reservation's budgets."""
        held = rows.get(Reservation, self.key)
        return budgets.needs_for_legs(held) if held else ()

    def decide(self, rows: Rows, now: Moment) -> bool:
        """Whether the query was still the dead owner's, and is ended now."""
        query = rows.get(Query, self.key)
        if query is None or query.status is not QueryStatus.RUNNING:
            return False
        if query.owner_id != self._dead_owner_id:
            return False
        interrupted = self._interrupted(rows, now)
        charge = sum(attempt.cost_nanousd for attempt in interrupted)
        self._charge(rows, charge, now)
        report = LaneReport(lane=Lane.F_EXECUTION, status=LaneStatus.FAILED, duration_us=0)
        query = replace(
            query,
            lanes=decide.lanes_with(query.lanes, report),
            cost_nanousd=query.cost_nanousd + charge,
            estimated=True,
        )
        error = ExecutionInterrupted(query.request_id)
        outcome = decide.outcome_of(error)
        events = [*map(_event, interrupted), drafts.lane_end(report)]
        query = decide.close(rows, query, QueryStatus.FAILED, outcome, events, now)
        details = payload(
            attempts=query.attempts,
            cost_nanousd=query.cost_nanousd,
            estimated=True,
            outcome_unknown=True,
            status=query.status.value,
        )
        rows.record(decide.entry(query, "settle", "execute", decide.reason_name(outcome), details))
        return True

    def _interrupted(self, rows: Rows, now: Moment) -> list[Attempt]:
        """The executing attempt, marked; it is charged what it may have cost."""
        ended = [
            _interrupted(attempt, now)
            for attempt in rows.find(ATTEMPTS_OF_QUERY, self.key)
            if attempt.state is AttemptState.EXECUTING
        ]
        for attempt in ended:
            rows.put(attempt)
        return ended

    def _charge(self, rows: Rows, charge: int, now: Moment) -> None:
        held = rows.get(Reservation, self.key)
        if held is None or held.state is not ReservationState.HELD:
            return
        # From what is held, and not anew: under a limit lowered meanwhile it would not fit, and
        # look like a bill beyond what was reserved.
        posted = budgets.post_part(rows, held, charge, estimated=True, now_us=now.now_us)
        budgets.expire(rows, posted, now.now_us)


def _event(attempt: Attempt) -> EventDraft:
    """The attempt's end in the log; how long it ran, its process took along."""
    return drafts.call_error(
        attempt=attempt.attempt,
        provider=attempt.provider,
        kind=attempt.failure,
        detail="the server ended before it was recorded",
        will_retry=False,
        duration_us=0,
    )


def _interrupted(attempt: Attempt, now: Moment) -> Attempt:
    return replace(
        attempt,
        state=AttemptState.INTERRUPTED,
        cost_nanousd=attempt.bound_nanousd,
        estimated=True,
        failure="interrupted",
        ended_us=now.now_us,
    )
