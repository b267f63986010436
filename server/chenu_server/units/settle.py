"""Lane G in one unit of work: the money, the output, the end of the query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.budgets.model import Reservation, ReservationState
from chenu_server.pipeline import decide, drafts, output
from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import LaneReport
from chenu_server.pipeline.ports import AttemptEnd, Settlement
from chenu_server.pipeline.records import Attempt, AttemptState, Query
from chenu_server.unit import ById, EntryDraft, Key, Moment, Need, Rows
from chenu_server.units.attempts import end_attempt, end_event
from chenu_server.units.rules import payload
from chenu_server.values import replace
from chenu_server.vocabulary import Lane, LaneStatus, QueryStatus


class Settle:
    """Posts or voids, stores the output, writes the final event and the final entry."""

    name = "settle"

    def __init__(self, settlement: Settlement) -> None:
        self._asked = settlement
        self._stored = output.stored(settlement.output)

    def needs(self, now: Moment) -> Iterable[Need]:
        """The query as it stands, and its reservation."""
        yield ById(Query, self._asked.query.key)
        yield ById(Reservation, self._asked.query.key)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """The reservation's budgets, and an attempt that may have been left open."""
        key = self._asked.query.key
        held, stored = rows.get(Reservation, key), rows.get(Query, key)
        if held:
            yield from budgets.needs_for_legs(held)
        if stored and (left := self._may_be_open(stored)):
            yield ById(Attempt, left)

    def decide(self, rows: Rows, now: Moment) -> Query:
        """The query as it ended; if a sweep ended it before, only its money is posted late."""
        stored = rows.get(Query, self._asked.query.key)
        assert stored is not None, "only an admitted query is settled"
        left_open = self._close_left_open(rows, stored, now)
        if stored.status.is_final:
            return self._post_late(rows, stored, now)
        ended = self._ended(stored)
        self._post(rows, ended, now)
        execution, audit = self._execution(stored), self._audit(now)
        query = self._with_attempt(rows, stored, ended, now, (execution, audit))
        events = [
            *self._parts_complete(ended),
            *([end_event(ended, will_retry=False)] if ended else []),
            *left_open,
            drafts.lane_end(execution),
            drafts.lane_start(Lane.G_AUDIT),
            drafts.lane_end(audit),
        ]
        for chunk in decide.chunks_of(query, query.attempts, self._asked.output):
            rows.put(chunk)  # before the events: what is committed reaches the log in this order
        query = decide.close(rows, query, self._asked.status, self._asked.outcome, events, now)
        rows.record(self._entry(query, ended))
        return query

    def _ended(self, stored: Query) -> AttemptEnd | None:
        """The last attempt's end, unless a retry that committed late has recorded it already."""
        ended = self._asked.ended
        return ended if ended and ended.attempt.attempt == stored.attempts else None

    def _may_be_open(self, stored: Query) -> Key | None:
        """The attempt of a retry whose commit came too late for its caller; None ordinarily.

        Its admission was refused to the run, so nothing of it went out. Two settle then, the run
        and whoever ends the late attempt, and the first ends the query. Before that, an attempt
        behind the run's own is the late one. After it, each closes only the attempt that it came
        for: the query's row no longer says which of them somebody ran.
        """
        ended = self._asked.ended
        if ended is None or stored.status.is_final:
            return ended.attempt.key if ended else None
        last = ended.attempt.attempt == stored.attempts
        return None if last else (*stored.key, stored.attempts)

    def _close_left_open(self, rows: Rows, stored: Query, now: Moment) -> list[EventDraft]:
        """Its row ends here; so does its call in the log, if that is still open."""
        key = self._may_be_open(stored)
        left = rows.get(Attempt, key) if key else None
        if left is None or left.state is not AttemptState.EXECUTING:
            return []
        failed, why = AttemptState.FAILED, "not_dispatched"
        rows.put(replace(left, state=failed, failure=why, ended_us=now.now_us))
        return [
            drafts.call_error(
                attempt=left.attempt,
                provider=left.provider,
                kind=why,
                detail="it was recorded too late to be run",
                will_retry=False,
                duration_us=0,
            )
        ]

    def _post(self, rows: Rows, ended: AttemptEnd | None, now: Moment) -> None:
        held = rows.get(Reservation, self._asked.query.key)
        if held is None:
            return
        nothing_used = ended is None or ended.charge_nanousd == 0
        if nothing_used and held.posted_nanousd == 0 and self._failed:
            if held.state is ReservationState.HELD:
                budgets.void(rows, held, now.now_us)
            return
        charge = ended.charge_nanousd if ended else 0
        estimated = ended.estimated if ended else False
        budgets.post(rows, held, charge, estimated=estimated, now_us=now.now_us)

    @property
    def _failed(self) -> bool:
        return self._asked.status is not QueryStatus.COMPLETED

    def _post_late(self, rows: Rows, stored: Query, now: Moment) -> Query:
        """A sweep took this query over and charged its bound; what was billed beyond is posted.

        The attempt remembers it: an answer that was lost brings the same settlement again.
        """
        held, ended = rows.get(Reservation, stored.key), self._asked.ended
        attempt = rows.get(Attempt, ended.attempt.key) if ended else None
        if held is None or ended is None or attempt is None:
            return stored
        beyond = ended.charge_nanousd - attempt.cost_nanousd
        if held.state is not ReservationState.EXPIRED or beyond <= 0:
            return stored
        estimated = ended.estimated
        budgets.late_post(rows, held, beyond, estimated=estimated, now_us=now.now_us)
        rows.put(replace(attempt, cost_nanousd=ended.charge_nanousd))
        billed = replace(stored, cost_nanousd=stored.cost_nanousd + beyond)
        rows.put(billed)
        return billed

    def _with_attempt(
        self,
        rows: Rows,
        query: Query,
        ended: AttemptEnd | None,
        now: Moment,
        reports: Sequence[LaneReport],
    ) -> Query:
        changes: dict[str, Any] = {
            "lanes": decide.lanes_with(query.lanes, *reports),
            "output_length": sum(part.length for part in self._stored),
            "output_parts": self._stored,
        }
        if ended is None:
            return replace(query, **changes)
        return end_attempt(rows, query, ended, now, **changes)

    def _parts_complete(self, ended: AttemptEnd | None) -> Iterable[EventDraft]:
        """A succeeded attempt's parts, in the order in which readers are given them."""
        if ended is None or ended.failure:
            return
        parts = enumerate(zip(self._asked.output, self._stored, strict=True))
        for number, (part, stored) in sorted(parts, key=lambda each: output.is_call(each[1][0])):
            yield drafts.part_complete(
                attempt=ended.attempt.attempt,
                part=number,
                heading=output.heading_of(part),
                length=stored.length,
            )

    def _execution(self, query: Query) -> LaneReport:
        return LaneReport(
            lane=Lane.F_EXECUTION,
            status=LaneStatus.FAILED if self._failed else LaneStatus.COMPLETED,
            duration_us=self._asked.execution_us,
            summary=f"{query.provider}/{query.model}",
        )

    def _audit(self, now: Moment) -> LaneReport:
        duration_us = max((now.mono_ns - self._asked.lane_started_ns) // 1_000, 0)
        return LaneReport(lane=Lane.G_AUDIT, status=LaneStatus.COMPLETED, duration_us=duration_us)

    def _entry(self, query: Query, ended: AttemptEnd | None) -> EntryDraft:
        details = payload(
            action_digest=query.action_digest.hex(),
            attempts=query.attempts,
            cost_nanousd=query.cost_nanousd,
            estimated=query.estimated,
            model=query.model,
            output_sha256=output.digest_of(self._asked.output),
            provider=query.provider,
            status=query.status.value,
            usage=drafts.usage_body(query.usage),
            **(ended.attempt.names if ended else {}),
        )
        return decide.entry(query, "settle", "execute", decide.reason_name(query.outcome), details)
