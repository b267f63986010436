"""What lanes A to C tell in the log, each body built in one place. Standard library only.

What a query tells once it is decided on is told by the kernel (`core_rs/operation/src/event.rs`).
"""

from __future__ import annotations

from chenu_server.pipeline.events import EventDraft
from chenu_server.pipeline.model import Analysis, LaneReport, QueryRequest
from chenu_server.vocabulary import EventKind, Lane, LaneStatus


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
