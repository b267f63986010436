"""Model to wire, for queries, events and routes.

What goes into another message, and often, is given as its fields by name: see `infra.rpc.times`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chenu.api.governance.v1 import budget_service_pb2, checkpoint_pb2
from chenu.api.pipeline.v1 import conversation_pb2, event_pb2, message_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.engine import unfenced
from chenu_server.infra.rpc.principals import principal_of, spelt_principal
from chenu_server.infra.rpc.times import duration_of, timestamp_of
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.decide import error_of, reason_name
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import (
    LANES,
    Basis,
    LaneReport,
    ModelOverride,
    Outcome,
    Route,
    TokenUsage,
)
from chenu_server.pipeline.output import StoredPart, is_call, is_one_text, text_of
from chenu_server.pipeline.ports import Validation
from chenu_server.pipeline.records import Operation
from chenu_server.pipeline.state import QueryState
from chenu_server.vocabulary import (
    EventKind,
    Intent,
    Lane,
    LaneStatus,
    Mode,
    PartKind,
    QueryStatus,
    Sphere,
)
from chenu_server.word import Word

Body = Mapping[str, Any]
Fields = dict[str, Any]

# What gRPC's clients take as one message unless they are told otherwise.
MESSAGE_BYTES_MAX: Final = 4_194_304
# More than all of a response but its text: a shorter text fits without weighing the message, for
# which protobuf writes it out.
_REST_BYTES_MAX: Final = 262_144


def _numbers(words: type[Word]) -> dict[str, Any]:
    """A list's numbers on the wire by its words."""
    return {each.value: each.number for each in words}


_KINDS: Final = {kind: kind.number for kind in EventKind}
_LANES: Final = _numbers(Lane)
_LANE_STATUSES: Final = _numbers(LaneStatus)
_STATES: Final = _numbers(QueryStatus)
_INTENTS: Final = _numbers(Intent)
_MODES: Final = _numbers(Mode)
_SPHERES: Final = _numbers(Sphere)
_STOPS: Final = {
    "stop": message_pb2.STOP_REASON_END,
    "length": message_pb2.STOP_REASON_LENGTH,
    "refusal": message_pb2.STOP_REASON_REFUSAL,
    "pause": message_pb2.STOP_REASON_PAUSE,
    "tool_calls": message_pb2.STOP_REASON_TOOL_CALLS,
}
_PREFERENCES: Final = {
    name.removeprefix("PREFERENCE_").lower(): number
    for name, number in routing_pb2.Preference.items()
}
_PART_KINDS: Final = _numbers(PartKind)


def query_of(query: Operation) -> message_pb2.Query:
    """A query as the wire shows it."""
    return message_pb2.Query(**query_fields(query))


def query_fields(query: Operation) -> Any:
    """The fields of a query as the wire shows it. No remaining budget amount is in it."""
    return {
        "request_id": query.request_id,
        "identity_id": query.identity_id,
        "principal": principal_of(query.principal),
        "state": _STATES[query.status],
        "lanes": _lanes_of(query.lanes, query.status),
        "intents": [_INTENTS[name] for name in query.intents],
        "sphere": _SPHERES[query.sphere],
        "checkpoint_id": query.checkpoint_id,
        "route": _route_of(query),
        "tokens_used": query.usage.total,
        "cost_nanousd": query.cost_nanousd,
        "cost_basis": message_pb2.COST_BASIS_ESTIMATED
        if query.estimated
        else message_pb2.COST_BASIS_EXACT,
        "create_time": timestamp_of(query.created_us),
        "update_time": timestamp_of(query.updated_us),
        "end_time": timestamp_of(query.ended_us),
        "outcome": outcome_of(query.outcome) if query.outcome.reason else None,
        "action_digest": query.action_digest,
        "context_hash": query.context_hash,
        "output_length": query.output_length,
        "output_parts": _output_parts_of(query.output_parts),
        "last_sequence": query.event_count,
        "applied_output_cap": query.output_cap,
        "mode": _MODES[query.mode],
        "detected_intents": [_INTENTS[name] for name in query.detected_intents],
        "thread_id": query.thread_id,
        "run_id": query.run_id,
        "labels": dict(query.labels),
        "route_snapshot": snapshot_of(query.route_snapshot),
    }


def validated_of(query: QueryState, validation: Validation) -> message_pb2.Query:
    """What a query would be that was only asked about; it has no times, for it is nowhere."""
    caller, request, analysis = query.caller, query.request, query.analysis
    assert analysis and query.snapshot and query.encoded  # lanes A, B and C ran
    status = QueryStatus.BLOCKED if validation.checkpoint_types else QueryStatus.PENDING
    if validation.denial.reason:
        status = QueryStatus.FAILED
    return message_pb2.Query(
        request_id=request.request_id,
        identity_id=caller.identity_id,
        principal=principal_of(caller.principal),
        state=_STATES[status],
        lanes=_lanes_of(validation.lanes, status),
        intents=[_INTENTS[intent] for intent in analysis.intents],
        sphere=_SPHERES[request.sphere],
        action_digest=query.encoded.action_digest,
        context_hash=query.snapshot.content_hash,
        mode=_MODES[request.mode],
        detected_intents=[_INTENTS[intent] for intent in analysis.detected],
        thread_id=request.thread_id,
        run_id=request.run_id,
        labels=dict(request.labels),
        route_snapshot=snapshot_of(query.encoded.route.snapshot),
    )


def _output_parts_of(parts: Sequence[StoredPart]) -> list[Any]:
    return [
        {"part": number, "kind": _PART_KINDS[each.kind], "name": each.name, "length": each.length}
        for number, each in enumerate(parts)
    ]


def answer_of(query: Operation) -> message_pb2.Answer:
    """What came back but its parts, which the deltas carry."""
    return message_pb2.Answer(
        provider=query.provider,
        model=query.model,
        stop_reason=stop_reason_of(query.stop_reason),
        usage=usage_of(query.usage),
        cost_nanousd=query.cost_nanousd,
        applied_output_cap=query.output_cap,
    )


def may_fit(query: Operation) -> bool:
    """Whether a message may have room for the answer's parts; of longer ones none is needed."""
    return query.output_length <= MESSAGE_BYTES_MAX


def add_answer(
    response: pb.QueryResponse | pb.GetQueryResponse, query: Operation, parts: Sequence[Part]
) -> None:
    """Put the answer in a response; what does not fit is left out as a whole, never cut."""
    answer = response.answer
    answer.CopyFrom(answer_of(query))
    if may_fit(query):
        _add_output(answer, query, parts)  # here, and not in the copied one: it is copied once
        is_light = query.output_length <= MESSAGE_BYTES_MAX - _REST_BYTES_MAX
        if is_light and not answer.parts and not answer.json:
            return
        if response.ByteSize() <= MESSAGE_BYTES_MAX:
            return
    for field in ("text", "parts", "json"):
        answer.ClearField(field)
    answer.output_omitted = True


def _add_output(answer: message_pb2.Answer, query: Operation, parts: Sequence[Part]) -> None:
    answer.text = text = text_of(parts)
    if not is_one_text(parts):
        answer.parts.extend(part_of(part) for part in parts)
    if query.output_format == "json" and _has_value(query, parts):
        answer.json = unfenced(text)


def _has_value(query: Operation, parts: Sequence[Part]) -> bool:
    """Whether the text was held to what was asked for: a refusal is not, nor one with calls."""
    return query.stop_reason != "refusal" and not any(is_call(part) for part in parts)


def part_of(part: Part) -> conversation_pb2.Part:
    """A part as it can be given back."""
    if part.kind is PartKind.TEXT:
        return conversation_pb2.Part(text=part.text)
    if part.kind is PartKind.TOOL_CALL:
        call = conversation_pb2.ToolCall(
            call_id=part.call_id, name=part.name, arguments_json=part.text
        )
        return conversation_pb2.Part(tool_call=call)
    thought = conversation_pb2.Reasoning(
        text=part.text, signature=part.signature, redacted=part.redacted
    )
    return conversation_pb2.Part(reasoning=thought)


def all_lanes(reports: Sequence[LaneReport], status: QueryStatus) -> Sequence[LaneReport]:
    """The reports of all seven lanes: those to come are pending, or running."""
    if len(reports) == len(LANES):
        return reports
    done = {report.lane: report for report in reports}
    running = LaneStatus.RUNNING if status is QueryStatus.RUNNING else LaneStatus.PENDING
    to_come = {Lane.F_EXECUTION: running}
    return [
        done.get(lane)
        or LaneReport(lane=lane, status=to_come.get(lane, LaneStatus.PENDING), duration_us=0)
        for lane in LANES
    ]


def _lanes_of(reports: Sequence[LaneReport], status: QueryStatus) -> list[Any]:
    return [
        _lane_of(each.lane, each.status, each.duration_us, each.summary)
        for each in all_lanes(reports, status)
    ]


def _lane_of(lane: str, status: str, duration_us: int, summary: str) -> Any:
    return {
        "lane": _LANES[lane],
        "status": _LANE_STATUSES[status],
        "duration": duration_of(duration_us),
        "summary": summary,
    }


def usage_of(usage: TokenUsage) -> message_pb2.Usage:
    """Token counts."""
    return message_pb2.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_hour_tokens=usage.cache_write_hour_tokens,
    )


def outcome_of(outcome: Outcome) -> message_pb2.Outcome:
    """How a query ended, by the wire's reason."""
    metadata = error_of(outcome).metadata() if outcome.reason else {}
    return message_pb2.Outcome(
        reason=reason_name(outcome), message=outcome.message, metadata=metadata
    )


def stop_reason_of(text: str) -> message_pb2.StopReason.ValueType:
    """A provider's word for why it stopped."""
    return _STOPS.get(text, message_pb2.STOP_REASON_OTHER)


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
        cost_bound_nanousd=max((each.bound_nanousd for each in chain), default=0),
        basis=None if route.basis is None else _basis_of(route.basis),
        snapshot=snapshot_of(route.snapshot),
    )


def snapshot_of(packed: bytes) -> routing_pb2.RoutingSnapshot | None:
    """The names of catalogue, prices and signals; nothing of a query from before they were kept."""
    if not packed:
        return None
    return routing_pb2.RoutingSnapshot(
        catalogue=packed[:8], prices=packed[8:16], signals=packed[16:]
    )


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


_Made = tuple[str, Fields]


def _start(body: Body, query: Operation | None) -> _Made:
    return "pipeline_start", {
        "intents": [_INTENTS[name] for name in body["intents"]],
        "sphere": _SPHERES[body["sphere"]],
        "mode": _MODES[body.get("mode", Mode.COMMAND)],
        "detected_intents": [_INTENTS[name] for name in body.get("detected", ())],
    }


def _lane_start(body: Body, query: Operation | None) -> _Made:
    return "lane_start", {"lane": _LANES[body["lane"]]}


def _lane_complete(body: Body, query: Operation | None) -> _Made:
    report = _lane_of(body["lane"], body["status"], body["duration_us"], body["summary"])
    return "lane_complete", {"report": report}


def _lane_error(body: Body, query: Operation | None) -> _Made:
    return "lane_error", {"lane": _LANES[body["lane"]], "reason": body["summary"]}


def _call_start(body: Body, query: Operation | None) -> _Made:
    return "llm_call_start", {**body}


def _call_delta(body: Body, query: Operation | None) -> _Made:
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
        "stop_reason": stop_reason_of(body["stop_reason"]),
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
    return "pipeline_complete", {"query": query_fields(query), "answer": answer_of(query)}


def _error(body: Body, query: Operation | None) -> _Made:
    assert query is not None, "a final event is shown with its query"
    return "pipeline_error", {"query": query_fields(query)}


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
    EventKind.PIPELINE_COMPLETE: _complete,
    EventKind.PIPELINE_ERROR: _error,
}


def _route_of(query: Operation) -> Any:
    parts = (each.partition("/") for each in query.chain)
    chain = [{"provider": provider, "model": model} for provider, _, model in parts]
    return {"provider": query.provider, "model": query.model, "chain": chain}
