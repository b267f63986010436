"""A query's events as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chenu_server.cli.output import usd, visible, when, who

if TYPE_CHECKING:
    from collections.abc import Callable

    from chenu.api.pipeline.v1 import event_pb2, tool_call_pb2


def line(event: event_pb2.Event) -> str:
    """The event with its place and its name."""
    from chenu.api.pipeline.v1 import event_pb2
    from chenu.names import name_of

    place = str(event.sequence) if event.sequence else "-"
    return f"{place:>4}  {name_of(event_pb2.EventType, event.type):<20}  {summary(event)}".rstrip()


def summary(event: event_pb2.Event) -> str:
    """What happened, on one line; empty for an event that says no more than its name."""
    body = event.WhichOneof("body")
    describe = _DESCRIBE.get(body or "")
    return visible(describe(getattr(event, body))) if body and describe else ""


def proposed(call: tool_call_pb2.ProposedCall) -> str:
    """A proposed call as it was decided, and what to do next; on one line."""
    from chenu.api.pipeline.v1 import conversation_pb2, tool_call_pb2
    from chenu.names import name_of

    effect = name_of(conversation_pb2.ToolEffect, call.effect)
    state = name_of(tool_call_pb2.ToolCallState, call.state)
    told = f"{call.tool} ({effect}) {state}, call {call.call_id}: {_next(call, state)}"
    return visible(told)


def _next(call: tool_call_pb2.ProposedCall, state: str) -> str:
    if state == "refused":
        return call.reason
    take = f"`chenu tool-calls take {call.call_id}`"
    if state != "held":
        return take
    approve = f"`chenu checkpoints approve {call.checkpoint_id}`"
    return f"{approve} before {when(call.expire_time)}, then {take}"


def _lane(value: int) -> str:
    from chenu.api.pipeline.v1 import message_pb2
    from chenu.names import name_of

    return name_of(message_pb2.Lane, value)


def _report(body: event_pb2.LaneComplete) -> str:
    from chenu.api.pipeline.v1 import message_pb2
    from chenu.names import name_of

    status = name_of(message_pb2.LaneStatus, body.report.status)
    took_ms = body.report.duration.ToMicroseconds() / 1_000
    return f"{_lane(body.report.lane)} {status} in {took_ms:.1f} ms: {body.report.summary}"


def _part(body: event_pb2.PartComplete) -> str:
    from chenu.api.pipeline.v1 import conversation_pb2
    from chenu.names import name_of

    kind = name_of(conversation_pb2.PartKind, body.kind)
    return f"attempt {body.attempt}, part {body.part}: {kind}, {body.length} bytes"


def _call_error(body: event_pb2.LlmCallError) -> str:
    return f"attempt {body.attempt}, {body.provider}: {body.kind}: {body.detail}"


def _created(body: event_pb2.CheckpointCreated) -> str:
    return f"{body.checkpoint_id}: {body.question_en}"


def _resolved(body: event_pb2.CheckpointResolved) -> str:
    by = who(body.resolved_by) or "nobody"
    return f"{body.checkpoint_id} by {by}" + (f": {body.reason}" if body.reason else "")


def _complete(body: event_pb2.PipelineComplete) -> str:
    return f"{body.query.tokens_used} tokens, {usd(body.query.cost_nanousd)}"


def _error(body: event_pb2.PipelineError) -> str:
    return f"{body.query.outcome.reason}: {body.query.outcome.message}"


_DESCRIBE: dict[str, Callable[..., str]] = {
    "lane_start": lambda body: _lane(body.lane),
    "lane_complete": _report,
    "lane_error": lambda body: f"{_lane(body.lane)}: {body.reason}",
    "llm_call_start": lambda body: f"attempt {body.attempt}: {body.provider} {body.model}",
    "llm_call_delta": lambda body: repr(body.text),
    "part_complete": _part,
    "llm_call_complete": lambda body: f"attempt {body.attempt}: {usd(body.cost_nanousd)}",
    "llm_call_error": _call_error,
    "checkpoint_created": _created,
    "checkpoint_resolved": _resolved,
    "pipeline_blocked": lambda body: f"waits at checkpoint {body.checkpoint_id}",
    "budget_notice": lambda body: f"{body.threshold_percent} % of a budget",
    "rate_limit_notice": lambda body: f"place {body.place} in the queue for {body.provider}",
    "tool_call": proposed,
    "pipeline_complete": _complete,
    "pipeline_error": _error,
}
