"""The bytes of queries and answers, read with the code that protobuf generates of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st

from chenu.api.annotations.v1 import access_pb2
from chenu.api.governance.v1 import action_pb2
from chenu.api.pipeline.v1 import conversation_pb2, event_pb2, message_pb2, tool_call_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.engine import unfenced
from chenu_server.errors import ProviderRejected
from chenu_server.pipeline import encode
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.decide import outcome_of
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import LaneReport, Outcome, TokenUsage
from chenu_server.pipeline.output import DecidedCall, StoredPart
from chenu_server.pipeline.records import Operation
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
from tests.contract.tables import samples

LARGEST: Final = 2**63 - 1
TOKENS: Final = tuple(field.name for field in fields(TokenUsage))
HELD: Final = DecidedCall(
    call_id="c",
    effect=ToolEffect.PAYMENT,
    state=ToolCallState.HELD,
    checkpoint_id="k",
    expires_us=1_000_001,
    reason="r",
)
FULL: Final = replace(
    samples.QUERY,
    status=QueryStatus.COMPLETED,
    outcome=Outcome(),
    output_length=2,
    output_format="json",
    output_parts=(StoredPart(PartKind.TEXT, "", 1), StoredPart(PartKind.TOOL_CALL, "pay", 1, HELD)),
    route_snapshot=bytes(range(24)),
)
REJECTED: Final = ProviderRejected("openai", "http_400")
FAILED: Final = replace(FULL, status=QueryStatus.FAILED, outcome=outcome_of(REJECTED))
numbers = st.integers(0, LARGEST)
texts = st.text(max_size=200)
intents = st.lists(st.sampled_from(Intent), unique=True).map(tuple)
reports = st.builds(
    LaneReport,
    lane=st.just(Lane.A_INTENT),
    status=st.sampled_from(LaneStatus),
    duration_us=numbers,
    summary=texts,
)
lanes = st.lists(reports, max_size=len(Lane)).map(
    lambda some: tuple(replace(report, lane=lane) for report, lane in zip(some, Lane, strict=False))
)
usages = st.builds(TokenUsage, **{name: st.integers(0, 2**60) for name in TOKENS})
decided = st.builds(
    DecidedCall,
    call_id=texts,
    effect=st.sampled_from(ToolEffect),
    state=st.sampled_from(ToolCallState),
    checkpoint_id=texts,
    expires_us=numbers,
    reason=texts,
)
stored = st.builds(StoredPart, st.sampled_from(PartKind), texts, numbers, st.none() | decided)
said = st.builds(
    Part,
    kind=st.sampled_from([PartKind.TEXT, PartKind.TOOL_CALL, PartKind.REASONING]),
    text=texts,
    name=texts,
    call_id=texts,
    signature=texts,
    redacted=texts,
)
operations = st.builds(
    replace,
    st.just(replace(samples.QUERY, outcome=Outcome())),
    request_id=texts,
    identity_id=texts,
    principal_type=st.sampled_from(PrincipalType),
    principal_id=texts,
    status=st.sampled_from(QueryStatus),
    lanes=lanes,
    intents=intents,
    detected_intents=intents,
    sphere=st.sampled_from(Sphere),
    mode=st.sampled_from(Mode),
    action_digest=st.binary(max_size=32),
    context_hash=st.binary(max_size=32),
    thread_id=texts,
    run_id=texts,
    labels=st.dictionaries(texts, texts, max_size=5).map(lambda some: tuple(some.items())),
    route_snapshot=st.sampled_from([b"", bytes(range(24))]),
    checkpoint_id=texts,
    provider=texts,
    model=texts,
    chain=st.lists(st.one_of(texts, st.just("a/b/c")), max_size=5).map(tuple),
    stop_reason=st.sampled_from(["stop", "length", "refusal", "pause", "tool_calls", "", "new"]),
    output_cap=st.integers(0, 2**31 - 1),
    usage=usages,
    cost_nanousd=numbers,
    estimated=st.booleans(),
    event_count=numbers,
    output_length=st.integers(0, 4_194_304),
    output_parts=st.lists(stored, max_size=5).map(tuple),
    output_format=st.sampled_from(["text", "json"]),
    created_us=numbers,
    updated_us=numbers,
    ended_us=numbers,
)


def number_of(enum: Any, word: str) -> Any:
    """The number of a word: the contract spells `query` as `INTENT_QUERY`."""
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.DESCRIPTOR.name).upper()
    return enum.Value(word.upper() if word.startswith("lane_") else f"{prefix}_{word.upper()}")


def time_of(time_us: int) -> dict[str, int]:
    """Seconds and nanoseconds."""
    return {"seconds": time_us // 10**6, "nanos": time_us % 10**6 * 1_000}


def lane_of(query: Operation, lane: Lane) -> dict[str, Any]:
    """The report of a lane, or what it will be."""
    status, duration_us, summary = LaneStatus.PENDING, 0, ""
    if query.status is QueryStatus.RUNNING and lane is Lane.F_EXECUTION:
        status = LaneStatus.RUNNING
    for each in query.lanes:
        if each.lane is lane:
            status, duration_us, summary = each.status, each.duration_us, each.summary
    return {
        "lane": number_of(message_pb2.Lane, lane),
        "status": number_of(message_pb2.LaneStatus, status),
        "duration": time_of(duration_us),
        "summary": summary,
    }


def part_fields(part: Part) -> dict[str, Any]:
    """A part as it can be given back."""
    if part.kind is PartKind.TEXT:
        return {"text": part.text}
    if part.kind is PartKind.TOOL_CALL:
        call = {"call_id": part.call_id, "name": part.name, "arguments_json": part.text}
        return {"tool_call": call}
    thought = {"text": part.text, "signature": part.signature, "redacted": part.redacted}
    return {"reasoning": thought}


def snapshot_of(packed: bytes) -> dict[str, bytes] | None:
    """The names of catalogue, prices and signals."""
    if not packed:
        return None
    return {"catalogue": packed[:8], "prices": packed[8:16], "signals": packed[16:]}


def asked_fields(query: Operation) -> dict[str, Any]:
    """What a query says that was only asked about."""
    return {
        "request_id": query.request_id,
        "identity_id": query.identity_id,
        "principal": {
            "type": number_of(access_pb2.PrincipalType, query.principal_type),
            "id": query.principal_id,
        },
        "state": number_of(message_pb2.QueryState, query.status),
        "lanes": [lane_of(query, lane) for lane in Lane],
        "intents": [number_of(action_pb2.Intent, each) for each in query.intents],
        "detected_intents": [number_of(action_pb2.Intent, it) for it in query.detected_intents],
        "sphere": number_of(action_pb2.Sphere, query.sphere),
        "mode": number_of(conversation_pb2.QueryMode, query.mode),
        "action_digest": query.action_digest,
        "context_hash": query.context_hash,
        "thread_id": query.thread_id,
        "run_id": query.run_id,
        "labels": dict(query.labels),
        "route_snapshot": snapshot_of(query.route_snapshot),
    }


def recorded_fields(query: Operation) -> dict[str, Any]:
    """What its row adds."""
    chain = [each.partition("/") for each in query.chain]
    return {
        "checkpoint_id": query.checkpoint_id,
        "route": {
            "provider": query.provider,
            "model": query.model,
            "chain": [{"provider": provider, "model": model} for provider, _, model in chain],
        },
        "tokens_used": sum(getattr(query.usage, name) for name in TOKENS),
        "cost_nanousd": query.cost_nanousd,
        "cost_basis": "COST_BASIS_ESTIMATED" if query.estimated else "COST_BASIS_EXACT",
        "create_time": time_of(query.created_us) if query.created_us else None,
        "update_time": time_of(query.updated_us) if query.updated_us else None,
        "end_time": time_of(query.ended_us) if query.ended_us else None,
        "output_length": query.output_length,
        "output_parts": [
            {
                "part": number,
                "kind": number_of(conversation_pb2.PartKind, part.kind),
                "name": part.name,
                "length": part.length,
            }
            for number, part in enumerate(query.output_parts)
        ],
        "last_sequence": query.event_count,
        "applied_output_cap": query.output_cap,
    }


def query_expected(query: Operation) -> message_pb2.Query:
    """What a query must be read as."""
    return message_pb2.Query(**asked_fields(query), **recorded_fields(query))


def answer_fields(query: Operation) -> dict[str, Any]:
    """What an answer says but its parts."""
    word = {"stop": "END", "": "OTHER", "new": "OTHER"}.get(query.stop_reason)
    return {
        "provider": query.provider,
        "model": query.model,
        "stop_reason": f"STOP_REASON_{word or query.stop_reason.upper()}",
        "usage": {name: getattr(query.usage, name) for name in TOKENS},
        "cost_nanousd": query.cost_nanousd,
        "applied_output_cap": query.output_cap,
        "tool_calls": [
            {
                "call_id": part.call.call_id,
                "part": number,
                "tool": part.name,
                "effect": number_of(conversation_pb2.ToolEffect, part.call.effect),
                "state": number_of(tool_call_pb2.ToolCallState, part.call.state),
                "checkpoint_id": part.call.checkpoint_id,
                "expire_time": time_of(part.call.expires_us) if part.call.expires_us else None,
                "reason": part.call.reason,
            }
            for number, part in enumerate(query.output_parts)
            if part.call
        ],
    }


def whole_answer(query: Operation, parts: Sequence[Part]) -> message_pb2.Answer:
    """What an answer says where it fits."""
    kinds = [part.kind for part in parts]
    text = "".join(part.text for part in parts if part.kind is PartKind.TEXT)
    is_value = query.stop_reason != "refusal" and PartKind.TOOL_CALL not in kinds
    said_fields: dict[str, Any] = {
        "text": text,
        "parts": [] if kinds == [PartKind.TEXT] else [part_fields(part) for part in parts],
        "json": unfenced(text) if query.output_format == "json" and is_value else "",
    }
    return message_pb2.Answer(**answer_fields(query), **said_fields)


@given(operations)
def test_every_query_is_read_as_what_its_row_says(query: Operation) -> None:
    """A field under another's number, or of another type, would be told as what it is not."""
    assert query_expected(query) == encode.query_of(query)


@given(operations, st.lists(said, max_size=4))
def test_every_answer_is_read_as_what_was_said(query: Operation, parts: list[Part]) -> None:
    """One text, several, calls and thoughts, or nothing: all of it, and once."""
    response = pb.QueryResponse.FromString(encode.answered(query, parts))

    assert whole_answer(query, parts) == response.answer
    assert query_expected(query) == response.query


@given(operations)
def test_the_last_event_has_the_answer_without_what_its_deltas_said(query: Operation) -> None:
    """A reader of the stream has them all, however long: nothing is left out."""
    query = replace(query, output_length=2**40)
    event = Event(sequence=9, kind=EventKind.PIPELINE_COMPLETE, time_us=1, body={})

    shown = event_pb2.Event(**encode.event_fields(event, query.request_id, query))

    assert query_expected(query) == shown.pipeline_complete.query
    assert message_pb2.Answer(**answer_fields(query)) == shown.pipeline_complete.answer


def test_no_field_of_the_contract_is_forgotten() -> None:
    """What is added to `Query` or `Answer` must be told of, and read under its own number."""
    parts = (Part(kind=PartKind.TEXT, text="a"), Part(kind=PartKind.REASONING, text="b"))
    response = pb.QueryResponse.FromString(encode.answered(FULL, parts))
    response.query.outcome.CopyFrom(encode.query_of(FAILED).outcome)
    left_out = {*found_empty(response.query), *found_empty(response.answer)}

    assert {"output_omitted"} == left_out
    assert [] == [type(each).__name__ for each in messages_in(response) if unknown(each)]


def test_a_query_that_did_not_complete_says_why_as_the_error_does() -> None:
    """A caller reads one reason and the same metadata, on the status and in the query."""
    shown = encode.query_of(FAILED)

    assert ("PROVIDER_REJECTED", str(REJECTED), REJECTED.metadata()) == (
        shown.outcome.reason,
        shown.outcome.message,
        dict(shown.outcome.metadata),
    )
    shown.ClearField("outcome")
    assert query_expected(FAILED) == shown


@pytest.mark.parametrize("field", ["status", "sphere", "mode", "principal_type"])
def test_a_word_of_no_list_is_never_shown(field: str) -> None:
    """Unspecified is never sent: a damaged row is a mistake, and not a state without a name."""
    damaged: dict[str, Any] = {field: "delte"}

    with pytest.raises(ValueError, match="delte"):
        encode.query_of(replace(FULL, **damaged))


def found_empty(message: Message) -> Iterator[str]:
    """The fields that a message does not have."""
    have = {field.name for field, _ in message.ListFields()}
    return (field.name for field in message.DESCRIPTOR.fields if field.name not in have)


def messages_in(message: Message) -> Iterator[Message]:
    """A message and all messages in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                yield from messages_in(each)


def unknown(message: Message) -> bool:
    """Whether it has a field that the contract does not have."""
    return len(UnknownFieldSet(message)) > 0
