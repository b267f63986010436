"""What a query's log says. Standard library only.

An event's body is a flat mapping of plain values: stored as JSON, put on the wire by
`convert.py`. Its keys are listed beside each kind, and nowhere is an event built by hand.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from chenu_server.values import dataclass


class EventKind(enum.StrEnum):
    """The wire names. `PIPELINE_COMPLETE` and `PIPELINE_ERROR` are the final ones."""

    PIPELINE_START = "pipeline.start"
    LANE_START = "lane.start"
    LANE_COMPLETE = "lane.complete"
    LANE_ERROR = "lane.error"
    LLM_CALL_START = "llm_call.start"
    LLM_CALL_DELTA = "llm_call.delta"
    PART_COMPLETE = "part.complete"
    LLM_CALL_COMPLETE = "llm_call.complete"
    LLM_CALL_ERROR = "llm_call.error"
    CHECKPOINT_CREATED = "checkpoint.created"
    CHECKPOINT_APPROVED = "checkpoint.approved"
    CHECKPOINT_REJECTED = "checkpoint.rejected"
    CHECKPOINT_EXPIRED = "checkpoint.expired"
    PIPELINE_BLOCKED = "pipeline.blocked"
    BUDGET_WARNING = "budget.warning"
    BUDGET_EXCEEDED = "budget.exceeded"
    RATE_LIMIT_QUEUED = "rate_limit.queued"
    RATE_LIMIT_EXCEEDED = "rate_limit.exceeded"
    PIPELINE_COMPLETE = "pipeline.complete"
    PIPELINE_ERROR = "pipeline.error"

    @property
    def is_final(self) -> bool:
        """Whether the log ends with it."""
        return self in (EventKind.PIPELINE_COMPLETE, EventKind.PIPELINE_ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `sequence` is 0 for what is live only: deltas and waiting."""

    sequence: int
    kind: EventKind
    time_us: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event before its unit gives it a sequence and the batch's time."""

    kind: EventKind
    body: Mapping[str, Any]
