"""Model to wire, for queries, events and routes.

What goes into another message, and often, is given as its fields by name: see `infra.rpc.times`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chenu.api.governance.v1 import budget_service_pb2, checkpoint_pb2
from chenu.api.pipeline.v1 import event_pb2, message_pb2, routing_pb2
from chenu_server.engine import (
    answered_message,
    asked_message,
    query_message,
    snapshot_message,
    stop_reason,
)
from chenu_server.infra.rpc.principals import spelt_principal
from chenu_server.infra.rpc.times import duration_of, timestamp_of
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.decide import error_of, reason_name
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import (
    Basis,
    LaneReport,
    ModelOverride,
    Outcome,
    Route,
)
from chenu_server.pipeline.ports import Validation
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.state import QueryState
from chenu_server.values import dataclass
from chenu_server.vocabulary import (
    EventKind,
    Intent,
    Lane,
    LaneStatus,
    Mode,
    PartKind,
    PrincipalType,
    QueryStatus,
    Sphere,
    ToolCallState,
    ToolEffect,
)
from chenu_server.word import Word

Body = Mapping[str, Any]
Fields = dict[str, Any]

# What gRPC's clients take as one message unless they are told otherwise.
MESSAGE_BYTES_MAX: Final = 4_194_304


def _numbers(words: type[Word]) -> dict[str, Any]:
    """A list's numbers on the wire by its words."""
    return {each.value: each.number for each in words}


_KINDS: Final = {kind: kind.number for kind in EventKind}
_LANES: Final = _numbers(Lane)
_LANE_STATUSES: Final = _numbers(LaneStatus)
_INTENTS: Final = _numbers(Intent)
_MODES: Final = _numbers(Mode)
_SPHERES: Final = _numbers(Sphere)
_PREFERENCES: Final = {
    name.removeprefix("PREFERENCE_").lower(): number
    for name, number in routing_pb2.Preference.items()
}
_PART_KINDS: Final = _numbers(PartKind)
_EFFECTS: Final = _numbers(ToolEffect)
_CALL_STATES: Final = _numbers(ToolCallState)


def query_of(query: Operation) -> message_pb2.Query:
    """A query as the wire shows it. No remaining budget amount is in it."""
    outcome = b""
    if query.outcome.reason:
        # As bytes: what an outcome's metadata is, its error here alone can tell.
        outcome = outcome_of(query.outcome).SerializeToString()
    # By way of the bytes that `Query` sends, so that a row is put on the wire in one place.
    return message_pb2.Query.FromString(query_message(query, outcome=outcome))


def may_fit(query: Operation) -> bool:
    """Whether a message may have room for the answer's parts; of longer ones none is needed."""
    return query.output_length <= MESSAGE_BYTES_MAX


def answered(query: Operation, parts: Sequence[Part]) -> bytes:
    """A completed query and its answer, as `QueryResponse` and `GetQueryResponse` have them.

    What does not fit is left out as a whole, never cut.
    """
    return answered_message(query, parts, bytes_max=MESSAGE_BYTES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the wire shows of a query that was only asked about."""

    request_id: str
    identity_id: str
    principal_type: PrincipalType
    principal_id: str
    status: QueryStatus
    lanes: Sequence[LaneReport]
    intents: Sequence[Intent]
    detected_intents: Sequence[Intent]
    sphere: Sphere
    mode: Mode
    action_digest: bytes
    context_hash: bytes
    thread_id: str
    run_id: str
    labels: Sequence[tuple[str, str]]
    route_snapshot: bytes


def validated_of(query: QueryState, validation: Validation) -> message_pb2.Query:
    """What a query would be that was only asked about; it has no times, for it is nowhere."""
    caller, request, analysis = query.caller, query.request, query.analysis
    assert analysis and query.snapshot and query.encoded  # lanes A, B and C ran
    status = QueryStatus.BLOCKED if validation.checkpoint_types else QueryStatus.PENDING
    asked = _Asked(
        request_id=request.request_id,
        identity_id=caller.identity_id,
        principal_type=caller.principal.type,
        principal_id=caller.principal.id,
        status=QueryStatus.FAILED if validation.denial.reason else status,
        lanes=validation.lanes,
        intents=analysis.intents,
        detected_intents=analysis.detected,
        sphere=request.sphere,
        mode=request.mode,
        action_digest=query.encoded.action_digest,
        context_hash=query.snapshot.content_hash,
        thread_id=request.thread_id,
        run_id=request.run_id,
        labels=request.labels,
        route_snapshot=query.encoded.route.snapshot,
    )
    return message_pb2.Query.FromString(asked_message(asked))


def outcome_of(outcome: Outcome) -> message_pb2.Outcome:
    """How a query ended, by the wire's reason."""
    metadata = error_of(outcome).metadata() if outcome.reason else {}
    return message_pb2.Outcome(
        reason=reason_name(outcome), message=outcome.message, metadata=metadata
    )


def checkpoint_type_of(text: str) -> checkpoint_pb2.CheckpointType.ValueType:
    """A checkpoint type by its name."""
    return checkpoint_pb2.CheckpointType.Value(f"CHECKPOINT_TYPE_{text.upper()}")


def route_of(route: Route) -> routing_pb2.RoutingDecision:
    """A route and why it is so."""
    chain = route.chain
    return routing_pb2.RoutingDecision(
        provider=chain[0].provider if chain else "",
        model=chain[0].model if chain else "",
        chain=[routing_pb2.ModelRef(provider=e.provider, model=e.model) for e in chain],
        candidates=[
            routing_pb2.Candidate(
                provider=each.provider,
                model=each.model,
                score=each.score,
                quality=each.quality,
                speed=each.speed,
                cost=each.cost,
                cost_bound_nanousd=each.bound_nanousd,
                preference=_PREFERENCES[each.preference],
            )
            for each in route.candidates
        ],
        exclusions=[
            routing_pb2.Exclusion(
                provider=each.provider,
                model=each.model,
                reason=routing_pb2.ExclusionReason.Value(f"EXCLUSION_REASON_{each.reason.upper()}"),
                missing=each.missing,
            )
            for each in route.exclusions
        ],
        # Of the chain alone: nothing else is tried, and its dearest bound is what is reserved.
        cost_bound_nanousd=max((each.bound_nanousd for each in chain), default=0),
        basis=None if route.basis is None else _basis_of(route.basis),
        snapshot=_snapshot_of(route.snapshot),
    )


def _snapshot_of(packed: bytes) -> routing_pb2.RoutingSnapshot | None:
    """The names of catalogue, prices and signals; nothing of a query from before they were kept."""
    return routing_pb2.RoutingSnapshot.FromString(snapshot_message(packed)) if packed else None


def _basis_of(basis: Basis) -> routing_pb2.RoutingBasis:
    quality, speed, cost = basis.weights
    return routing_pb2.RoutingBasis(
        strategy=routing_pb2.Strategy.Value(f"STRATEGY_{basis.strategy.upper()}"),
        quality_weight=quality,
        speed_weight=speed,
        cost_weight=cost,
        role_provider=basis.role_provider,
        task_provider=basis.task_provider,
        override=None if basis.override is None else _override_of(basis.override),
    )


def _override_of(override: ModelOverride) -> routing_pb2.ModelOverride:
    return routing_pb2.ModelOverride(
        level=routing_pb2.OverrideLevel.Value(f"OVERRIDE_LEVEL_{override.level.upper()}"),
        name=override.name,
        models=[routing_pb2.ModelRef(provider=it[0], model=it[1]) for it in override.models],
    )


# --- events -----------------------------------------------------------------------------------


def event_fields(event: Event, request_id: str, query: Operation | None) -> Fields:
    """The fields of an event; a final one takes the outcome from its query's row."""
    field, body = _BODIES[event.kind](event.body, query)
    return {
        "sequence": event.sequence,
        "request_id": request_id,
        "type": _KINDS[event.kind],
        "time": timestamp_of(event.time_us),
        field: body,
    }


_Made = tuple[str, Any]


def _start(body: Body, query: Operation | None) -> _Made:
    return "pipeline_start", {
        "intents": [_INTENTS[name] for name in body["intents"]],
        "sphere": _SPHERES[body["sphere"]],
        # Events from before there were modes tell none: every query was a command.
        "mode": _MODES[body.get("mode", Mode.COMMAND)],
        "detected_intents": [_INTENTS[name] for name in body.get("detected", ())],
    }


def _lane_start(body: Body, query: Operation | None) -> _Made:
    return "lane_start", {"lane": _LANES[body["lane"]]}


def _lane_complete(body: Body, query: Operation | None) -> _Made:
    report = {
        "lane": _LANES[body["lane"]],
        "status": _LANE_STATUSES[body["status"]],
        "duration": duration_of(body["duration_us"]),
        "summary": body["summary"],
    }
    return "lane_complete", {"report": report}


def _lane_error(body: Body, query: Operation | None) -> _Made:
    return "lane_error", {"lane": _LANES[body["lane"]], "reason": body["summary"]}


def _call_start(body: Body, query: Operation | None) -> _Made:
    return "llm_call_start", {**body}


def _call_delta(body: Body, query: Operation | None) -> _Made:
    # Only the first piece of a part says what the part is.
    if body["offset"]:
        return "llm_call_delta", {**body}
    return "llm_call_delta", {**body, "kind": _PART_KINDS[body["kind"]]}


def _part_complete(body: Body, query: Operation | None) -> _Made:
    return "part_complete", {**body, "kind": _PART_KINDS[body["kind"]]}


def _call_complete(body: Body, query: Operation | None) -> _Made:
    return "llm_call_complete", {
        "attempt": body["attempt"],
        "usage": {**body["usage"]},
        "cost_nanousd": body["cost_nanousd"],
        "stop_reason": stop_reason(body["stop_reason"]),
        "duration": duration_of(body["duration_us"]),
        **_names(body),
    }


def _call_error(body: Body, query: Operation | None) -> _Made:
    retried = body["will_retry"]
    return "llm_call_error", {
        "attempt": body["attempt"],
        "provider": body["provider"],
        "kind": body["kind"],
        "detail": body["detail"],
        "next": event_pb2.AFTER_ATTEMPT_FAILOVER if retried else event_pb2.AFTER_ATTEMPT_END,
        **_names(body),
    }


def _names(body: Body) -> dict[str, str]:
    """What the provider has named; events from before it was kept have none of it."""
    told = ("provider_request_id", "answered_model")
    return {name: body[name] for name in told if name in body}


def _checkpoint_created(body: Body, query: Operation | None) -> _Made:
    return "checkpoint_created", {
        "checkpoint_id": body["checkpoint_id"],
        "types": [checkpoint_type_of(name) for name in body["types"]],
        "action": body["action"],
        # Events are stored as JSON, which has no bytes.
        "action_digest": bytes.fromhex(body["action_digest"]),
        "expire_time": timestamp_of(body["expires_us"]),
        "question_en": body["question"],
        "question_fr": body["question_fr"],
    }


def _checkpoint_resolved(body: Body, query: Operation | None) -> _Made:
    return "checkpoint_resolved", {
        "checkpoint_id": body["checkpoint_id"],
        "resolved_by": spelt_principal(body["by"]),
        "reason": body["reason"],
    }


def _tool_call(body: Body, query: Operation | None) -> _Made:
    call = {
        "call_id": body["call_id"],
        "part": body["part"],
        "tool": body["tool"],
        "effect": _EFFECTS[body["effect"]],
        "state": _CALL_STATES[body["state"]],
        "checkpoint_id": body["checkpoint_id"],
        "reason": body["reason"],
    }
    if body["expires_us"]:
        call["expire_time"] = timestamp_of(body["expires_us"])
    return "tool_call", call


def _blocked(body: Body, query: Operation | None) -> _Made:
    return "pipeline_blocked", {**body}


def _budget(body: Body, query: Operation | None) -> _Made:
    scope = budget_service_pb2.BudgetScope.Value(f"BUDGET_SCOPE_{body['scope'].upper()}")
    return "budget_notice", {"scope": scope}


def _rate(body: Body, query: Operation | None) -> _Made:
    return "rate_limit_notice", {
        "provider": body["provider"],
        "place": body["place"],
        "retry_after": duration_of(body["retry_after_us"]),
    }


def _complete(body: Body, query: Operation | None) -> _Made:
    assert query is not None, "a final event is shown with its query"
    # The deltas carry the parts.
    both = answered_message(query, None, bytes_max=MESSAGE_BYTES_MAX)
    return "pipeline_complete", event_pb2.PipelineComplete.FromString(both)


def _error(body: Body, query: Operation | None) -> _Made:
    assert query is not None, "a final event is shown with its query"
    return "pipeline_error", {"query": query_of(query)}


_BODIES: Final[dict[EventKind, Callable[[Body, Operation | None], _Made]]] = {
    EventKind.PIPELINE_START: _start,
    EventKind.LANE_START: _lane_start,
    EventKind.LANE_COMPLETE: _lane_complete,
    EventKind.LANE_ERROR: _lane_error,
    EventKind.LLM_CALL_START: _call_start,
    EventKind.LLM_CALL_DELTA: _call_delta,
    EventKind.PART_COMPLETE: _part_complete,
    EventKind.LLM_CALL_COMPLETE: _call_complete,
    EventKind.LLM_CALL_ERROR: _call_error,
    EventKind.CHECKPOINT_CREATED: _checkpoint_created,
    EventKind.CHECKPOINT_APPROVED: _checkpoint_resolved,
    EventKind.CHECKPOINT_REJECTED: _checkpoint_resolved,
    EventKind.CHECKPOINT_EXPIRED: _checkpoint_resolved,
    EventKind.PIPELINE_BLOCKED: _blocked,
    EventKind.BUDGET_WARNING: _budget,
    EventKind.BUDGET_EXCEEDED: _budget,
    EventKind.RATE_LIMIT_QUEUED: _rate,
    EventKind.RATE_LIMIT_EXCEEDED: _rate,
    EventKind.TOOL_CALL_PASSED: _tool_call,
    EventKind.TOOL_CALL_HELD: _tool_call,
    EventKind.TOOL_CALL_REFUSED: _tool_call,
    EventKind.PIPELINE_COMPLETE: _complete,
    EventKind.PIPELINE_ERROR: _error,
}
