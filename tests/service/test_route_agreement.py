"""One question has one route, whether it is explained, validated, or asked."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from google.protobuf.message import Message

from chenu.api.pipeline.v1 import conversation_pb2 as cb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu.api.pipeline.v1 import routing_pb2
from tests.harness import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What of a query is not about what is asked of a model: who may, where, when and under which name.
ELSEWHERE = {
    "request_id",
    "intents",
    "sphere",
    "target",
    "detached",
    "resume_on_approval",
    "validate_only",
    "thread_id",
    "run_id",
    "labels",
}


def said(role: int, *texts: str) -> dict[str, Any]:
    """A message of texts."""
    return {"role": role, "parts": [{"text": text} for text in texts]}


USER, ASSISTANT, SYSTEM = (
    cb.MESSAGE_ROLE_USER,
    cb.MESSAGE_ROLE_ASSISTANT,
    cb.MESSAGE_ROLE_SYSTEM,
)
LOOK = {
    "name": "look",
    "effect": cb.TOOL_EFFECT_READ,
    "parameters": '{"type":"object","properties":{"at":{"type":"string"}}}',
}
ASKED: list[dict[str, Any]] = [
    {"text": "Which day is it?"},
    {"text": "é" * 50_000},
    {"messages": [said(SYSTEM, "Be brief."), said(USER, "One", "Two")]},
    {"messages": [said(USER, "1"), said(ASSISTANT, "2" * 9_000), said(USER, "3")]},
    {"text": "Look.", "tools": [LOOK], "tool_use": {"choice": cb.TOOL_CHOICE_REQUIRED}},
    {"text": "As JSON.", "response_format": {"kind": cb.RESPONSE_KIND_JSON}},
    {"text": "Sum it.", "context_items": [{"kind": "doc", "id": "1", "content": "data " * 400}]},
]
WISHED: list[dict[str, Any]] = [
    {},
    {"routing": {"strategy": routing_pb2.STRATEGY_COST, "forbidden_providers": ["groq"]}},
    {"routing": {"task_type": routing_pb2.TASK_TYPE_CODE}, "agent_role": "analyst"},
    {"agent_role": " Nova"},
    {"sampling": {"seed": 7, "temperature": 0.5}, "mode": cb.QUERY_MODE_GENERATION},
    {"max_output_tokens": 4_000, "max_cost_nanousd": 20_000_000},
    {"max_cost_nanousd": 400_000},
    {"routing": {"required_capabilities": ["telepathy"]}},
    {"thinking": {"effort": cb.THINKING_EFFORT_LOW}, "routing": {"regions": ["us"]}},
]
EVERY = [{**asked, **wished} for asked, wished in itertools.product(ASKED, WISHED)]


async def test_a_query_takes_the_route_that_is_explained(shared: Stage) -> None:
    """Chain and bound are the same to who asks why, who asks whether, and who asks."""
    client, chains = shared.client(), 0
    shared.upstream.behave(answer='{"day": 1}')  # JSON was asked for, too
    for fields in EVERY:
        explained = (await client.call(client.router.Route, rb.RouteRequest(**fields))).decision
        query = pb.QueryRequest(**fields, validate_only=True)
        validated = (await client.call(client.pipeline.Query, query)).validation.route
        assert explained == validated, fields

        query = pb.QueryRequest(**fields)
        if not explained.chain:
            failure = await client.fail(client.pipeline.Query, query)
            assert "NO_ROUTE" == failure.reason, fields
            continue
        taken = (await client.call(client.pipeline.Query, query)).query
        chains += 1
        assert list(explained.chain) == list(taken.route.chain), fields
        assert explained.snapshot == taken.route_snapshot, fields
        assert explained.provider == taken.route.provider, fields

    assert len(EVERY) // 2 < chains < len(EVERY)


async def test_what_a_query_refuses_no_route_explains(shared: Stage) -> None:
    """A field is checked alike: an explained route of what cannot be asked would mislead."""
    client = shared.client()
    refused: list[dict[str, Any]] = [
        {},
        {"text": "Hi", "messages": [said(USER, "Hi")]},
        {"messages": [said(ASSISTANT, "Hi")]},
        {"text": "Hi", "tool_use": {"choice": cb.TOOL_CHOICE_NONE}},
        {"text": "Hi", "agent_role": "nova", "mode": cb.QUERY_MODE_GENERATION},
        {"text": "Hi", "sampling": {"temperature": float("nan")}},
        {"text": "Hi", "agent_role": "n\u200bova"},
        {"text": "Hi", "department": "d" * 65},
    ]
    for fields in refused:
        explained = await client.fail(client.router.Route, rb.RouteRequest(**fields))
        asked = await client.fail(client.pipeline.Query, pb.QueryRequest(**fields))

        assert ("INVALID_FIELD", explained.metadata["field"]) == (
            asked.reason,
            asked.metadata["field"],
        )


async def test_every_field_of_a_query_is_in_a_route_or_elsewhere() -> None:
    """A field that is added to one of them alone would let them disagree."""

    def shape(message: type[Message]) -> dict[str, Any]:
        return {
            field.name: (field.type, field.is_repeated, getattr(field.message_type, "name", ""))
            for field in message.DESCRIPTOR.fields
        }

    route, query = shape(rb.RouteRequest), shape(pb.QueryRequest)

    assert route == {name: kind for name, kind in query.items() if name not in ELSEWHERE}
    assert set(query) >= ELSEWHERE
