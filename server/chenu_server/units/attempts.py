"""Opening and closing one attempt, the same way in every unit that does it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chenu_server.governance.limits import decide as limits
from chenu_server.governance.limits.model import Slot
from chenu_server.pipeline import decide, drafts
from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import Candidate, TokenUsage
from chenu_server.pipeline.ports import Admitted, AttemptEnd, Wait
from chenu_server.pipeline.records import Attempt, AttemptState, Query
from chenu_server.unit import Moment, Rows
from chenu_server.units.rules import Rules, payload
from chenu_server.values import replace


def take_slot(rows: Rows, rules: Rules, provider: str, now: Moment) -> Slot | Wait:
    """A free slot of the provider, or when the next ones are free."""
    limit = rules.limit_of(provider)
    taken = limits.take_slot(rows, rules.ledger_number, provider, limit, now.now_us)
    if isinstance(taken, Slot):
        return taken
    return Wait(free_times_us=taken.free_times_us)


def open_attempt(
    rows: Rows,
    query: Query,
    chain: tuple[Candidate, ...],
    slot: Slot,
    events: Sequence[EventDraft],
    now: Moment,
    **changes: Any,
) -> Admitted:
    """Write the first candidate's attempt and its `execute` entry; the query is put too.

    `changes` are fields of the query that the unit changes besides.
    """
    attempt = _executing(query, chain[0], slot, now)
    output_cap = changes.get("output_cap", query.output_cap)
    call = drafts.call_start(attempt.attempt, attempt.provider, attempt.model, output_cap)
    query = decide.append(
        rows,
        query,
        [*events, call],
        now,
        attempts=attempt.attempt,
        provider=attempt.provider,
        model=attempt.model,
        **changes,
    )
    rows.put(query)
    rows.put(attempt)
    details = payload(
        action_digest=query.action_digest.hex(),
        attempt=attempt.attempt,
        bound_nanousd=attempt.bound_nanousd,
        model=attempt.model,
        provider=attempt.provider,
        slot=slot.slot,
    )
    rows.record(decide.entry(query, "execute", "execute", "", details))
    return Admitted(
        query=query,
        attempt=attempt,
        chain=chain,
        output_cap=query.output_cap,
        moment=now,
        slot_free_at_us=slot.free_at_us,
    )


def _executing(query: Query, candidate: Candidate, slot: Slot, now: Moment) -> Attempt:
    return Attempt(
        identity_id=query.identity_id,
        request_id=query.request_id,
        attempt=query.attempts + 1,
        state=AttemptState.EXECUTING,
        provider=candidate.provider,
        model=candidate.model,
        slot=slot.slot,
        bound_nanousd=candidate.bound_nanousd,
        cost_nanousd=0,
        estimated=False,
        rates_source=candidate.rates.source,
        usage=TokenUsage(),
        failure="",
        admitted_us=now.now_us,
        ended_us=0,
    )


def end_attempt(rows: Rows, query: Query, ended: AttemptEnd, now: Moment, **changes: Any) -> Query:
    """Put the attempt as it ended and add what it used, and `changes`, to the query."""
    rows.put(
        replace(
            ended.attempt,
            state=AttemptState.FAILED if ended.failure else AttemptState.SUCCEEDED,
            cost_nanousd=ended.charge_nanousd,
            estimated=ended.estimated,
            usage=ended.usage,
            failure=ended.failure,
            ended_us=now.now_us,
        )
    )
    return replace(
        query,
        usage=_sum(query.usage, ended.usage),
        cost_nanousd=query.cost_nanousd + ended.charge_nanousd,
        estimated=query.estimated or ended.estimated,
        **{"stop_reason": ended.stop_reason, **changes},
    )


def end_event(ended: AttemptEnd, *, will_retry: bool) -> EventDraft:
    """How the attempt ended, as an event."""
    if not ended.failure:
        return drafts.call_complete(
            attempt=ended.attempt.attempt,
            usage=ended.usage,
            cost_nanousd=ended.charge_nanousd,
            stop_reason=ended.stop_reason,
            duration_us=ended.duration_us,
            names=ended.attempt.names,
        )
    return drafts.call_error(
        attempt=ended.attempt.attempt,
        provider=ended.attempt.provider,
        kind=ended.failure,
        detail=ended.detail,
        will_retry=will_retry,
        duration_us=ended.duration_us,
        names=ended.attempt.names,
    )


def _sum(one: TokenUsage, other: TokenUsage) -> TokenUsage:
    return TokenUsage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_read_tokens=one.cache_read_tokens + other.cache_read_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        cache_write_hour_tokens=one.cache_write_hour_tokens + other.cache_write_hour_tokens,
    )
