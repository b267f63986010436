"""Limits of fields: at its limit a field is taken, beyond it the refusal names it."""

from __future__ import annotations

from typing import Any

import pytest

from chenu.api.governance.v1 import action_pb2
from chenu.api.pipeline.v1 import conversation_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

# By the contract's comments: the most characters of a text, the most values of a list.
TEXTS = {
    "text": 50_000,
    "agent_role": 64,
    "target.operation": 128,
    "target.kind": 64,
    "target.id": 256,
    "context_items.kind": 64,
    "context_items.id": 256,
    "routing.preferred_provider": 64,
    "routing.preferred_model": 128,
}
LISTS = {
    "context_items": 64,
    "routing.required_capabilities": 16,
    "routing.allowed_providers": 32,
    "routing.forbidden_providers": 32,
    "routing.regions": 16,
}

# One says nothing of what a call does, the other what no version knows.
NO_EFFECTS = [
    conversation_pb2.Tool(name="rm", effect=effect)  # type: ignore[arg-type] # as it comes
    for effect in (conversation_pb2.TOOL_EFFECT_UNSPECIFIED, 99)
]
NO_NUMBERS = [
    conversation_pb2.Sampling(temperature=float(number)) for number in ("nan", "inf", "-inf")
]


def with_text(field: str, text: str) -> pb.QueryRequest:
    """A validation with one text of this."""
    request = pb.QueryRequest(text="Hello", validate_only=True)
    outer, _, inner = field.partition(".")
    if not inner:
        setattr(request, field, text)
    elif outer == "context_items":
        values: dict[str, Any] = {"kind": "note", inner: text}
        request.context_items.append(pb.ContextItem(**values))
    else:
        setattr(getattr(request, outer), inner, text)
    return request


def with_list(field: str, count: int) -> pb.QueryRequest:
    """A validation with one list of so many values."""
    if field == "context_items":
        items = [pb.ContextItem(kind="note", id=str(number)) for number in range(count)]
        return pb.QueryRequest(text="Hello", validate_only=True, context_items=items)
    values: dict[str, Any] = {field.partition(".")[2]: [f"n{number}" for number in range(count)]}
    routing = routing_pb2.RoutingRequest(**values)
    return pb.QueryRequest(text="Hello", validate_only=True, routing=routing)


async def refused_field(stage: Stage, request: pb.QueryRequest) -> str:
    """Which field a request is refused for; empty if it is taken, or refused for another reason."""
    client = stage.client()
    failure = await client.outcome(client.pipeline.Query, request)
    return failure.metadata["field"] if failure and failure.reason == "INVALID_FIELD" else ""


@pytest.mark.parametrize(("field", "most"), TEXTS.items())
@pytest.mark.parametrize("sign", ["x", "é", "🎈"])
async def test_a_text_is_taken_up_to_its_limit_in_characters(
    shared: Stage, field: str, most: int, sign: str
) -> None:
    """Characters and not bytes, so that every language has the same room."""
    taken = await refused_field(shared, with_text(field, sign * most))
    refused = await refused_field(shared, with_text(field, sign * (most + 1)))

    assert ("", field) == (taken, refused)


@pytest.mark.parametrize(("field", "most"), LISTS.items())
async def test_a_list_is_taken_up_to_its_limit(shared: Stage, field: str, most: int) -> None:
    """What is bounded is named when it is too long."""
    taken = await refused_field(shared, with_list(field, most))
    refused = await refused_field(shared, with_list(field, most + 1))

    assert ("", field) == (taken, refused)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("request_id", {"request_id": "not-a-uuid"}),
        ("text", {"text": ""}),
        ("text", {"messages": [conversation_pb2.ChatMessage()]}),  # both at once
        *(("tools.effect", {"tools": [tool]}) for tool in NO_EFFECTS),
        *(("sampling.temperature", {"sampling": sampling}) for sampling in NO_NUMBERS),
        ("max_output_tokens", {"max_output_tokens": -1}),
        ("max_cost_nanousd", {"max_cost_nanousd": -1}),
        ("context_items.kind", {"context_items": [pb.ContextItem(content="no kind")]}),
        ("intents", {"intents": [action_pb2.INTENT_UNSPECIFIED]}),
        ("intents", {"intents": [action_pb2.INTENT_QUERY] * 9}),
    ],
)
async def test_a_value_that_is_not_taken_names_its_field(
    shared: Stage, field: str, values: dict[str, Any]
) -> None:
    """A caller corrects what is named."""
    request = pb.QueryRequest(**{"text": "Hello", **values})

    assert field == await refused_field(shared, request)
