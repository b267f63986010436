"""How a query's row and log change, inside a unit of work. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from chenu_server import errors
from chenu_server.caller import Caller, Principal
from chenu_server.pipeline import drafts
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.events import Event, EventDraft
from chenu_server.pipeline.model import LANES, LaneReport, Outcome
from chenu_server.pipeline.output import part_from
from chenu_server.pipeline.records import EventSegment, OutputChunk, Query
from chenu_server.unit import EntryDraft, Moment, Rows
from chenu_server.values import replace
from chenu_server.vocabulary import EventKind, Lane, LaneStatus, PrincipalType, QueryStatus, Role

CHUNK_CHARACTERS = 16_384

_TYPES = frozenset(PrincipalType)


def append(
    rows: Rows, query: Query, new: Iterable[EventDraft], now: Moment, **changes: Any
) -> Query:
    """Put the events behind the log's last one; the query with its new count, not yet put.

    `changes` are other fields of the query. A query is large: what a unit knows of its changes
    goes into one copy.
    """
    first, now_us = query.event_count + 1, now.now_us
    events = tuple(
        Event(sequence=sequence, kind=draft.kind, time_us=now_us, body=draft.body)
        for sequence, draft in enumerate(new, first)
    )
    segment = EventSegment(
        identity_id=query.identity_id,
        request_id=query.request_id,
        first_sequence=first,
        events=events,
    )
    rows.put(segment)
    count = query.event_count + len(events)
    return replace(query, event_count=count, updated_us=now_us, **changes)


def close(
    rows: Rows,
    query: Query,
    status: QueryStatus,
    outcome: Outcome,
    new: Sequence[EventDraft],
    now: Moment,
) -> Query:
    """End the query: its last lanes, the one final event, the row."""
    lanes, ends = _end_lanes(query.lanes, status)
    final = drafts.pipeline_end(outcome, query.output_length)
    query = append(
        rows,
        query,
        [*new, *ends, final],
        now,
        status=status,
        outcome=outcome,
        lanes=lanes,
        # Nobody's from here on: a sweep for what this process left must not find a query that has
        # ended.
        owner_id="",
        ended_us=now.now_us,
    )
    rows.put(query)
    return query


def _end_lanes(
    reports: tuple[LaneReport, ...], status: QueryStatus
) -> tuple[tuple[LaneReport, ...], list[EventDraft]]:
    """Lanes that never ran are skipped; G runs for every query that ends."""
    # A blocked lane is not done: how the wait has ended takes the place of what it said.
    done = {report.lane for report in reports if report.status is not LaneStatus.BLOCKED}
    kept = [report for report in reports if report.lane in done]
    ends: list[EventDraft] = []
    for lane in LANES:
        if lane in done:
            continue
        report = LaneReport(lane=lane, status=_last_status(lane, status), duration_us=0)
        kept.append(report)
        ends += [drafts.lane_start(lane)] if lane is Lane.G_AUDIT else []
        ends.append(drafts.lane_end(report))
    return lanes_with((), *kept), ends


def _last_status(lane: Lane, status: QueryStatus) -> LaneStatus:
    if lane is Lane.G_AUDIT:
        return LaneStatus.COMPLETED
    refused = status in (QueryStatus.REJECTED, QueryStatus.EXPIRED, QueryStatus.CANCELLED)
    return LaneStatus.FAILED if lane is Lane.E_CHECKPOINT and refused else LaneStatus.SKIPPED


def lanes_with(reports: Sequence[LaneReport], *more: LaneReport) -> tuple[LaneReport, ...]:
    """Reports in the order of the lanes; a later one takes the place of its lane's earlier one."""
    by_lane = {report.lane: report for report in (*reports, *more)}
    return tuple(by_lane[lane] for lane in LANES if lane in by_lane)


def chunks_of(query: Query, attempt: int, parts: Sequence[Part]) -> list[OutputChunk]:
    """An attempt's output as rows, each at its byte offset in its part."""
    return [row for number, part in enumerate(parts) for row in _rows(query, attempt, number, part)]


def _rows(query: Query, attempt: int, number: int, part: Part) -> Iterator[OutputChunk]:
    offset = 0
    # A part without text has a row as well: what kind of part it is stands nowhere else.
    for start in range(0, len(part.text) or 1, CHUNK_CHARACTERS):
        text, first = part.text[start : start + CHUNK_CHARACTERS], start == 0
        has_proof = first and (part.signature or part.redacted)
        yield OutputChunk(
            identity_id=query.identity_id,
            request_id=query.request_id,
            attempt=attempt,
            part=number,
            offset=offset,
            text=text,
            kind=part.kind,
            name=part.name if first else "",
            call_id=part.call_id if first else "",
            proof=(part.signature, part.redacted) if has_proof else (),
        )
        offset += len(text.encode())


def parts_of(chunks: Iterable[OutputChunk]) -> tuple[Part, ...]:
    """The output of stored rows, which are in order."""
    parts = (list(rows) for _, rows in groupby(chunks, lambda row: (row.attempt, row.part)))
    return tuple(
        part_from(rows[0].heading, rows[0].proof, (row.text for row in rows)) for rows in parts
    )


def entry(
    query: Query, decision: str, action: str, reason: str, payload: str, *, by: str = ""
) -> EntryDraft:
    """A ledger entry about a query, by its principal unless someone else decided."""
    who = Principal.spelt(by) if by else None
    return EntryDraft(
        decision=decision,
        action=action,
        identity_id=query.identity_id,
        principal_type=(who.type if who else query.principal_type).value,
        principal_id=who.id if who else query.principal_id,
        # Who decided in the place of the asker did not act for those that the asker acts for.
        acting_for=() if by else query.acting_for,
        resource_kind="query",
        resource_id=query.request_id,
        reason=reason,
        payload=payload,
    )


def requester_of(query: Query, roles: frozenset[Role]) -> Caller:
    """Who asked, with the roles held then, as policies see it when the query is resumed.

    A row from before parties had types names bare ids in `acting_for`. They are read as a token's
    are, so that no policy is passed over; an approval, bound to the bare ones, then ends unused.
    """
    return Caller(
        principal=query.principal,
        identity_id=query.identity_id,
        roles=roles,
        acting_for=tuple(map(_spelt, query.acting_for)),
    )


def _spelt(party: str) -> str:
    kind, _, name = party.partition(":")
    return party if name and kind in _TYPES else str(Principal(type=PrincipalType.USER, id=party))


# --- errors as stored outcomes ----------------------------------------------------------------


def outcome_of(error: errors.ChenuError) -> Outcome:
    """A refusal or failure as it is stored; `error_of` gives it back."""
    return Outcome(reason=error.reason, message=str(error), error=error.stored())


def error_of(outcome: Outcome) -> errors.ChenuError:
    """The very error that an outcome was made of. It has a reason."""
    assert outcome.reason is not None
    return errors.of(outcome.reason).restored(outcome.error)


def reason_name(outcome: Outcome) -> str:
    """The wire's reason of a stored outcome, empty for a completed query."""
    return outcome.reason.value if outcome.reason else ""


def queued_event(provider: str, place: int, retry_after_us: int, now_us: int) -> Event:
    """The live-only notice that a call waits for a slot."""
    body = {"provider": provider, "place": place, "retry_after_us": retry_after_us}
    return Event(sequence=0, kind=EventKind.RATE_LIMIT_QUEUED, time_us=now_us, body=body)
