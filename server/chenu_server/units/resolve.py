"""What a person's decision, or the lack of one, does to a query that waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from chenu_server.caller import SYSTEM_IDENTITY, Principal
from chenu_server.errors import (
    CheckpointExpired,
    CheckpointRejected,
    ChenuError,
    QueryCancelled,
)
from chenu_server.governance.budgets import decide as budgets
from chenu_server.governance.budgets.model import Reservation, ReservationState
from chenu_server.governance.checkpoints import decide as checkpoints
from chenu_server.governance.checkpoints.model import (
    Checkpoint,
    Lapsed,
    Resolution,
    ResolveAnswer,
    Resolved,
)
from chenu_server.pipeline import decide, drafts
from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import LaneReport
from chenu_server.pipeline.records import Query
from chenu_server.unit import ById, EntryDraft, Key, Moment, Need, Rows
from chenu_server.units.rules import payload
from chenu_server.values import replace
from chenu_server.vocabulary import CheckpointState, EventKind, Lane, LaneStatus, QueryStatus

_SYSTEM: Final = f"service:{SYSTEM_IDENTITY}"
_WAITS: Final = (QueryStatus.BLOCKED, QueryStatus.APPROVED)


class WaitingUnit:
    """What every unit about a query that waits for a person reads."""

    def __init__(self, identity_id: str, request_id: str, checkpoint_id: str) -> None:
        self._key: Key = (identity_id, request_id)
        self._checkpoint_key: Key = (identity_id, checkpoint_id)

    def needs(self, now: Moment) -> Iterable[Need]:
        """The checkpoint, its query and the money held for it."""
        yield ById(Checkpoint, self._checkpoint_key)
        yield ById(Query, self._key)
        yield ById(Reservation, self._key)

    def needs_next(self, rows: Rows, now: Moment) -> Iterable[Need]:
        """The budgets that the money is held in."""
        held = rows.get(Reservation, self._key)
        return budgets.needs_for_legs(held) if held else ()

    def loaded(self, rows: Rows) -> tuple[Checkpoint, Query, Reservation]:
        """The three rows, which are written together and never removed."""
        checkpoint = rows.get(Checkpoint, self._checkpoint_key)
        query, held = rows.get(Query, self._key), rows.get(Reservation, self._key)
        assert checkpoint is not None and query is not None and held is not None
        return checkpoint, query, held


class Resolve(WaitingUnit):
    """A person approves or rejects, once."""

    name = "resolve"

    def __init__(
        self, identity_id: str, request_id: str, checkpoint_id: str, asked: Resolution
    ) -> None:
        super().__init__(identity_id, request_id, checkpoint_id)
        self._asked = asked

    def decide(self, rows: Rows, now: Moment) -> ResolveAnswer:
        """How the resolution went; only `Resolved` and `Lapsed` write."""
        checkpoint, query, held = self.loaded(rows)
        answer = checkpoints.resolve(checkpoint, self._asked, now)
        if isinstance(answer, Lapsed):
            expire_query(rows, query, checkpoint, held, now)
        elif isinstance(answer, Resolved):
            if answer.checkpoint.state is CheckpointState.APPROVED:
                _approve(rows, query, answer.checkpoint, held, now)
            else:
                _reject(rows, query, answer.checkpoint, held, now)
        return answer


class Expire(WaitingUnit):
    """Nobody decided in time, or the approval was not used in time."""

    name = "expire"

    def decide(self, rows: Rows, now: Moment) -> bool:
        """Whether it expired now."""
        checkpoint, query, held = self.loaded(rows)
        if query.status not in _WAITS or not checkpoints.has_lapsed(checkpoint, now):
            return False
        expire_query(rows, query, checkpoint, held, now)
        return True


class Cancel(WaitingUnit):
    """The query is withdrawn before it runs; its checkpoint and its money go with it."""

    name = "cancel"

    def __init__(
        self, identity_id: str, request_id: str, checkpoint_id: str, by: Principal, reason: str
    ) -> None:
        super().__init__(identity_id, request_id, checkpoint_id)
        self._by = by
        self._reason = reason

    def decide(self, rows: Rows, now: Moment) -> Query:
        """The query as it is now; a query that does not wait is left as it is."""
        checkpoint, query, held = self.loaded(rows)
        if query.status not in _WAITS:
            return query
        rows.put(checkpoints.cancel(checkpoint, self._by, self._reason, now))
        budgets.void(rows, held, now.now_us)
        error = QueryCancelled(query.request_id)
        return close_waiting(rows, query, QueryStatus.CANCELLED, error, [], self._entry(query), now)

    def _entry(self, query: Query) -> EntryDraft:
        details = payload(checkpoint_id=query.checkpoint_id, reason=self._reason)
        return decide.entry(query, "settle", "update", "QUERY_CANCELLED", details, by=str(self._by))


def _approve(
    rows: Rows, query: Query, checkpoint: Checkpoint, held: Reservation, now: Moment
) -> None:
    rows.put(checkpoint)
    rows.put(replace(held, expires_us=checkpoint.use_before_us))
    event = _resolved_event(EventKind.CHECKPOINT_APPROVED, checkpoint)
    query = decide.append(rows, query, [event], now, status=QueryStatus.APPROVED)
    rows.put(query)
    rows.record(_entry(query, checkpoint, "approve"))


def _reject(
    rows: Rows, query: Query, checkpoint: Checkpoint, held: Reservation, now: Moment
) -> None:
    rows.put(checkpoint)
    budgets.void(rows, held, now.now_us)
    event = _resolved_event(EventKind.CHECKPOINT_REJECTED, checkpoint)
    error = CheckpointRejected(checkpoint.checkpoint_id)
    entry = _entry(query, checkpoint, "reject")
    close_waiting(rows, query, QueryStatus.REJECTED, error, [event], entry, now)


def expire_query(
    rows: Rows, query: Query, checkpoint: Checkpoint, held: Reservation, now: Moment
) -> Query:
    """Expired means denied: the checkpoint, the query and the held money end together."""
    checkpoint = checkpoints.expire(checkpoint, now)
    rows.put(checkpoint)
    if held.state is ReservationState.HELD:
        budgets.expire(rows, held, now.now_us)
    event = _resolved_event(EventKind.CHECKPOINT_EXPIRED, checkpoint)
    error = CheckpointExpired(checkpoint.checkpoint_id)
    details = payload(checkpoint_id=checkpoint.checkpoint_id)
    entry = decide.entry(query, "expire", "update", "CHECKPOINT_EXPIRED", details, by=_SYSTEM)
    return close_waiting(rows, query, QueryStatus.EXPIRED, error, [event], entry, now)


def close_waiting(
    rows: Rows,
    query: Query,
    status: QueryStatus,
    error: ChenuError,
    events: Sequence[EventDraft],
    entry: EntryDraft,
    now: Moment,
) -> Query:
    """End a query that never ran, with its entry."""
    ended = LaneReport(lane=Lane.E_CHECKPOINT, status=LaneStatus.FAILED, duration_us=0)
    query = replace(query, lanes=decide.lanes_with(query.lanes, ended))
    new = [*events, drafts.lane_end(ended)]
    query = decide.close(rows, query, status, decide.outcome_of(error), new, now)
    rows.record(entry)
    return query


def _resolved_event(kind: EventKind, checkpoint: Checkpoint) -> EventDraft:
    by = checkpoint.resolved_by
    return drafts.checkpoint_resolved(kind, checkpoint.checkpoint_id, by, checkpoint.reason)


def _entry(query: Query, checkpoint: Checkpoint, decision: str) -> EntryDraft:
    details = payload(
        action_digest=checkpoint.action_digest.hex(),
        checkpoint_id=checkpoint.checkpoint_id,
        decision_id=checkpoint.decision_id,
        reason=checkpoint.reason,
        types=[kind.value for kind in checkpoint.types],
        use_before_us=checkpoint.use_before_us,
    )
    return decide.entry(query, decision, decision, "", details, by=checkpoint.resolved_by)
