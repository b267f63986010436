"""Event bodies, each built in one place. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import Analysis, LaneReport, Outcome, QueryRequest, TokenUsage
from chenu_server.pipeline.output import Heading
from chenu_server.vocabulary import EventKind, Lane, LaneStatus

NAMELESS: Final[Mapping[str, str]] = {}
"""An attempt whose provider has named nothing."""


def pipeline_start(request: QueryRequest, analysis: Analysis) -> EventDraft:
    """The query was accepted; `intents` are those that decide."""
    body = {
        "sphere": request.sphere.value,
        "mode": request.mode.value,
        "intents": [intent.value for intent in analysis.intents],
        "detected": [intent.value for intent in analysis.detected],
        "agent_role": request.agent_role,
    }
    return EventDraft(EventKind.PIPELINE_START, body)


def lane_start(lane: Lane) -> EventDraft:
    """A lane begins."""
    return EventDraft(EventKind.LANE_START, {"lane": str(lane)})


def lane_end(report: LaneReport) -> EventDraft:
    """A lane has ended: an error if it failed, else complete (also blocked and skipped)."""
    failed = report.status is LaneStatus.FAILED
    body = {
        "lane": str(report.lane),
        "status": str(report.status),
        "duration_us": report.duration_us,
        "summary": report.summary,
    }
    return EventDraft(EventKind.LANE_ERROR if failed else EventKind.LANE_COMPLETE, body)


def call_start(attempt: int, provider: str, model: str, output_cap: int) -> EventDraft:
    """An attempt was admitted and goes out next."""
    body = {"attempt": attempt, "provider": provider, "model": model, "output_cap": output_cap}
    return EventDraft(EventKind.LLM_CALL_START, body)


def part_complete(*, attempt: int, part: int, heading: Heading, length: int) -> EventDraft:
    """A part of an answer is whole."""
    body = {
        "attempt": attempt,
        "part": part,
        "kind": heading.kind.value,
        "name": heading.name,
        "call_id": heading.call_id,
        "length": length,
    }
    return EventDraft(EventKind.PART_COMPLETE, body)


def call_complete(
    *,
    attempt: int,
    usage: TokenUsage,
    cost_nanousd: int,
    stop_reason: str,
    duration_us: int,
    names: Mapping[str, str],
) -> EventDraft:
    """The provider's own terminator came; this is what it counted, and how it names things."""
    body = {
        **names,
        "attempt": attempt,
        "usage": usage_body(usage),
        "cost_nanousd": cost_nanousd,
        "stop_reason": stop_reason,
        "duration_us": duration_us,
    }
    return EventDraft(EventKind.LLM_CALL_COMPLETE, body)


def call_error(
    *,
    attempt: int,
    provider: str,
    kind: str,
    detail: str,
    will_retry: bool,
    duration_us: int,
    names: Mapping[str, str] = NAMELESS,
) -> EventDraft:
    """An attempt did not finish; `will_retry` says whether the next candidate is tried."""
    body = {
        **names,
        "attempt": attempt,
        "provider": provider,
        "kind": kind,
        "detail": detail,
        "will_retry": will_retry,
        "duration_us": duration_us,
    }
    return EventDraft(EventKind.LLM_CALL_ERROR, body)


def checkpoint_created(body: dict[str, Any]) -> EventDraft:
    """A person is asked; the body is `governance.checkpoints.decide.created_body`."""
    return EventDraft(EventKind.CHECKPOINT_CREATED, body)


def checkpoint_resolved(kind: EventKind, checkpoint_id: str, by: str, reason: str) -> EventDraft:
    """A checkpoint was approved, rejected or has expired."""
    return EventDraft(kind, {"checkpoint_id": checkpoint_id, "by": by, "reason": reason})


def pipeline_blocked(checkpoint_id: str) -> EventDraft:
    """The query waits for a person: the 423."""
    return EventDraft(
        EventKind.PIPELINE_BLOCKED, {"checkpoint_id": checkpoint_id, "http_status": 423}
    )


def budget_exceeded(scope: str) -> EventDraft:
    """A budget could not cover the query. No amount is told."""
    return EventDraft(EventKind.BUDGET_EXCEEDED, {"scope": scope})


def pipeline_end(outcome: Outcome, output_length: int) -> EventDraft:
    """The one final event; the query's row beside it holds the outcome."""
    kind = EventKind.PIPELINE_ERROR if outcome.reason else EventKind.PIPELINE_COMPLETE
    return EventDraft(kind, {"output_length": output_length})


def usage_body(usage: TokenUsage) -> dict[str, int]:
    """Token counts as a body; an hour's writes stand in it only where there are any."""
    body = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    if usage.cache_write_hour_tokens:
        body["cache_write_hour_tokens"] = usage.cache_write_hour_tokens
    return body
