"""Conversations through the whole gateway: what a backend says is what a provider is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import routing_pb2
from tests.harness import Stage, only

CHAT = ("groq", "openai/gpt-oss-120b")
MESSAGES = ("anthropic", "claude-sonnet-5-5")
SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
WEATHER = cp.Tool(
    name="get_weather", effect=cp.TOOL_EFFECT_READ, description="Tells it.", parameters=SCHEMA
)


def said(role: str, *parts: cp.Part) -> cp.ChatMessage:
    """One turn."""
    return cp.ChatMessage(role=cp.MessageRole.Value(f"MESSAGE_ROLE_{role}"), parts=parts)


def call(call_id: str, arguments: str) -> cp.Part:
    """A call of the tool."""
    return cp.Part(
        tool_call=cp.ToolCall(call_id=call_id, name="get_weather", arguments_json=arguments)
    )


def result(call_id: str, text: str, **more: Any) -> cp.Part:
    """What came of a call."""
    return cp.Part(tool_result=cp.ToolResult(call_id=call_id, text=text, **more))


TALK = [
    said("SYSTEM", cp.Part(text="Be brief.")),
    said("USER", cp.Part(text="Weather in Paris and Lyon?")),
    said("ASSISTANT", call("c1", '{"city": "Paris"}'), call("c2", '{"city":"Lyon"}')),
    said("TOOL", result("c1", "rain"), result("c2", "none", outcome=cp.TOOL_OUTCOME_ERROR)),
    said("USER", cp.Part(text="And tomorrow? é🎈")),
]


async def sent(stage: Stage, model: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """The body that the provider got."""
    client = stage.client()
    await client.query("", messages=TALK, tools=[WEATHER], routing=only(*model), **fields)
    body: dict[str, Any] = json.loads(stage.upstream.bodies[-1])
    return body


async def test_a_conversation_reaches_a_chat_provider_whole(stage: Stage) -> None:
    """Roles, calls, results and tools, each where that wire has them."""
    body = await sent(
        stage,
        CHAT,
        sampling=cp.Sampling(temperature=0.5, seed=-3, stop=["END"], presence_penalty=1),
        tool_use=cp.ToolUse(parallel=cp.PARALLEL_CALLS_FORBIDDEN),
    )

    system, *turns = body["messages"]
    assert ("system", True) == (system["role"], system["content"].endswith("Be brief."))
    assert [
        {"role": "user", "content": "Weather in Paris and Lyon?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": call_id,
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": arguments},
                }
                for call_id, arguments in (("c1", '{"city": "Paris"}'), ("c2", '{"city":"Lyon"}'))
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: none"},
        {"role": "user", "content": "And tomorrow? é🎈"},
    ] == turns
    assert (0.5, -3, ["END"], 1.0, False) == (
        body["temperature"],
        body["seed"],
        body["stop"],
        body["presence_penalty"],
        body["parallel_tool_calls"],
    )
    assert json.loads(SCHEMA) == body["tools"][0]["function"]["parameters"]


async def test_a_conversation_reaches_a_messages_provider_whole(stage: Stage) -> None:
    """The same conversation in that wire's shape."""
    body = await sent(
        stage,
        MESSAGES,
        tool_use=cp.ToolUse(choice=cp.TOOL_CHOICE_NONE),
        sampling=cp.Sampling(stop=["END"]),
    )

    assert "Be brief." in json.dumps(body["system"])
    first, calls, last = body["messages"]
    assert {"role": "user", "content": "Weather in Paris and Lyon?"} == first
    assert [{"city": "Paris"}, {"city": "Lyon"}] == [each["input"] for each in calls["content"]]
    assert ["tool_result", "tool_result", "text"] == [each["type"] for each in last["content"]]
    assert ("c2", True) == (last["content"][1]["tool_use_id"], last["content"][1]["is_error"])
    assert ({"type": "none"}, ["END"]) == (body["tool_choice"], body["stop_sequences"])


async def test_thoughts_go_back_with_their_proof(stage: Stage) -> None:
    """Without it a provider refuses the turn, or its model thinks anew."""
    client = stage.client()
    thought = cp.Part(reasoning=cp.Reasoning(text="hm", signature="sig"))
    hidden = cp.Part(reasoning=cp.Reasoning(redacted="blob"))
    talk = [
        said("USER", cp.Part(text="Hi", cache_hint=cp.CACHE_HINT_EPHEMERAL)),
        said("ASSISTANT", thought, hidden, cp.Part(text="Hello")),
        said("USER", cp.Part(text="Go on")),
    ]

    await client.query("", messages=talk, routing=only(*MESSAGES))

    opening, answer, _ = json.loads(stage.upstream.bodies[-1])["messages"]
    assert {"type": "ephemeral"} == opening["content"][0]["cache_control"]
    assert [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "blob"},
        {"type": "text", "text": "Hello"},
    ] == answer["content"]


LACKING = {
    "seed": (MESSAGES, {"sampling": cp.Sampling(seed=1)}),
    "frequency_penalty": (MESSAGES, {"sampling": cp.Sampling(frequency_penalty=1)}),
    "temperature,temperature_above_1": (MESSAGES, {"sampling": cp.Sampling(temperature=1.5)}),
    "reasoning_budget": (
        CHAT,
        {"thinking": cp.Thinking(budget_tokens=1_024), "max_output_tokens": 2_048},
    ),
    "json_schema": (
        ("ollama", "qwen3:8b"),
        {"response_format": cp.ResponseFormat(kind=cp.RESPONSE_KIND_JSON_SCHEMA, schema=SCHEMA)},
    ),
}


@pytest.mark.parametrize(("missing", "model", "fields"), [(k, *v) for k, v in LACKING.items()])
async def test_what_a_model_cannot_do_is_no_route_and_is_named(
    stage: Stage, missing: str, model: tuple[str, str], fields: dict[str, Any]
) -> None:
    """Dropped in silence it would be an answer to another question."""
    client = stage.client()
    request = pb.QueryRequest(text="Hi", routing=only(*model), **fields)

    failure = await client.fail(client.pipeline.Query, request)

    assert ("NO_ROUTE", missing) == (failure.reason, failure.metadata["missing"])
    assert 0 == stage.upstream.arrivals_total


async def test_a_query_goes_where_its_options_can(stage: Stage) -> None:
    """A preference is an order of trying; what is asked for is a condition."""
    client = stage.client()
    routing = routing_pb2.RoutingRequest(preferred_provider="anthropic")

    plain = await client.query("Hi", routing=routing)
    seeded = await client.query("Hi", routing=routing, sampling=cp.Sampling(seed=1))

    assert "anthropic" == plain.answer.provider != seeded.answer.provider


async def test_names_and_labels_are_kept(stage: Stage) -> None:
    """Budgets and costs will report by them."""
    client = stage.client()
    names = {"thread_id": "t\u0000é", "run_id": "r", "labels": {"b": "2", "a": "1"}}
    asked = (await client.query("Hi", **names)).query
    stored = await client.call(
        client.pipeline.GetQuery, pb.GetQueryRequest(request_id=asked.request_id)
    )

    for query in (asked, stored.query):
        assert names == {
            "thread_id": query.thread_id,
            "run_id": query.run_id,
            "labels": dict(query.labels),
        }


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("labels", {"labels": {str(number): "" for number in range(9)}}),
        ("labels", {"labels": {"": "a"}}),
        ("labels", {"labels": {"a": "b" * 129}}),
        ("thread_id", {"thread_id": "t" * 257}),
        ("run_id", {"run_id": "r" * 257}),
    ],
)
async def test_names_and_labels_have_limits(
    stage: Stage, field: str, fields: dict[str, Any]
) -> None:
    """They stand in rows that every command of a query writes."""
    client = stage.client()

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hi", **fields))

    assert ("INVALID_FIELD", field) == (failure.reason, failure.metadata["field"])


async def test_the_bound_covers_every_part(stage: Stage) -> None:
    """Tools, schemas and old turns are read by the model, and billed."""
    client = stage.client()

    async def bound(**fields: Any) -> int:
        request = pb.QueryRequest(routing=only(*CHAT), validate_only=True, **fields)
        answer = await client.call(client.pipeline.Query, request)
        return int(answer.validation.cost_bound_nanousd)

    opening = said("USER", cp.Part(text="Hi"))
    long = [opening, said("ASSISTANT", cp.Part(text="a" * 10_000)), opening]
    large = cp.Tool(name="t", effect=cp.TOOL_EFFECT_READ, description="d" * 4_000)
    short = await bound(text="Hi")

    per_token = 150  # nano-USD, of an input token
    assert await bound(messages=long) >= short + 10_000 * per_token
    assert await bound(text="Hi", tools=[large]) >= short + 4_000 * per_token


@pytest.mark.parametrize("model", [("mistral", "mistral-medium-3-5"), MESSAGES])
async def test_two_turns_with_a_tool_and_json(stage: Stage, model: tuple[str, str]) -> None:
    """What a model calls can be given back as it came; its last word is held to a schema."""
    client, person = stage.client(), stage.person()
    talk = [said("USER", cp.Part(text="Rain in Paris?"))]
    wanted = cp.ResponseFormat(kind=cp.RESPONSE_KIND_JSON_SCHEMA, schema=SCHEMA)
    fields: dict[str, Any] = {"tools": [WEATHER], "routing": only(*model)}

    stage.upstream.behave(
        calls='[["get_weather", {"city": "Paris"}], ["get_weather", {"city": ""}]]'
    )
    first = (await client.query("", messages=talk, **fields)).answer
    results = [result(part.tool_call.call_id, "rain") for part in first.parts]
    talk += [said("ASSISTANT", *first.parts), said("TOOL", *results)]
    stage.upstream.behave(answer='```json\n{"city": "Paris"}\n```')
    second = (await client.query("", messages=talk, response_format=wanted, **fields)).answer

    assert ["get_weather"] * 2 == [part.tool_call.name for part in first.parts]
    assert {"city": "Paris"} == json.loads(first.parts[0].tool_call.arguments_json)
    assert '{"city": "Paris"}' == second.json
    (budget,) = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets
    assert stage.upstream.bill.total_nanousd == budget.posted_nanousd


@pytest.mark.parametrize("model", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("calls", "problem"),
    [
        ([["get_weather", {"town": "Paris"}]], "schema"),
        ([["rm", {}]], "undeclared"),
        ([["get_weather", '{"city": "Paris"']], "arguments"),
        ([["get_weather", r'{"city": "Par\ud83dis"}']], "arguments"),
        ([["get_weather", '{"city": "Paris", "city": "Lyon"}']], "duplicate_key"),
        ([["get_weather", '{"city": "Paris", "days": 9223372036854775808}']], "number"),
        ([["get_weather", {"city": "Paris"}]] * 17, "too_many"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_call_that_was_not_declared_so_reaches_nobody(
    stage: Stage, calls: list[Any], problem: str, model: tuple[str, str]
) -> None:
    """The query fails, is charged, and tells which tool; its arguments are nowhere."""
    stage.upstream.behave(calls=json.dumps(calls))
    client = stage.client()
    request = pb.QueryRequest(text="Hi", tools=[WEATHER], routing=only(*model))

    failure = await client.fail(client.pipeline.Query, request)
    (query,) = (await client.call(client.pipeline.ListQueries, pb.ListQueriesRequest())).queries

    assert ("TOOL_CALL_INVALID", problem) == (failure.reason, failure.metadata["problem"])
    assert stage.upstream.bill.total_nanousd == query.cost_nanousd > 0
    assert [] == list(query.output_parts)


@pytest.mark.parametrize("model", [CHAT, MESSAGES])
async def test_a_call_of_more_than_256_kib_reaches_nobody(
    stage: Stage, model: tuple[str, str]
) -> None:
    """It is no answer of that provider's; what it may have cost is charged."""
    stage.upstream.behave(calls=json.dumps([["get_weather", {"city": "a" * 262_144}]]))
    client = stage.client()
    request = pb.QueryRequest(text="Hi", tools=[WEATHER], routing=only(*model))

    failure = await client.fail(client.pipeline.Query, request)
    (query,) = (await client.call(client.pipeline.ListQueries, pb.ListQueriesRequest())).queries

    assert "PROVIDER_UNAVAILABLE" == failure.reason
    assert [] == list(query.output_parts)
    assert query.cost_nanousd > 0


CHOSEN: dict[str, tuple[cp.ToolUse, str]] = {
    "none": (cp.ToolUse(choice=cp.TOOL_CHOICE_NONE), '[["get_weather", {"city": "Paris"}]]'),
    "another": (
        cp.ToolUse(choice=cp.TOOL_CHOICE_NAMED, tool="now"),
        '[["get_weather", {"city": "Paris"}]]',
    ),
}


@pytest.mark.parametrize(("use", "calls"), CHOSEN.values(), ids=CHOSEN)
async def test_a_tool_that_was_not_to_be_called_is_none(
    stage: Stage, use: cp.ToolUse, calls: str
) -> None:
    """Providers do not always hold to the choice; the gateway does."""
    stage.upstream.behave(calls=calls)
    client = stage.client()
    now = cp.Tool(name="now", effect=cp.TOOL_EFFECT_READ)
    request = pb.QueryRequest(text="Hi", tools=[WEATHER, now], tool_use=use, routing=only(*CHAT))

    failure = await client.fail(client.pipeline.Query, request)

    assert ("TOOL_CALL_INVALID", "undeclared") == (failure.reason, failure.metadata["problem"])


async def test_a_tool_that_takes_nothing_is_given_nothing(stage: Stage) -> None:
    """Arguments that no schema speaks of would pass unseen."""
    stage.upstream.behave(calls='[["now", {"cmd": "rm"}]]')
    client = stage.client()
    now = cp.Tool(name="now", effect=cp.TOOL_EFFECT_READ)
    request = pb.QueryRequest(text="Hi", tools=[now], routing=only(*CHAT))

    failure = await client.fail(client.pipeline.Query, request)
    stage.upstream.behave(calls='[["now", {}]]')
    answer = (await client.query("Hi", tools=[now], routing=only(*CHAT))).answer

    assert ("TOOL_CALL_INVALID", "schema") == (failure.reason, failure.metadata["problem"])
    assert ["now"] == [part.tool_call.name for part in answer.parts]


async def test_a_thought_that_nobody_proved_goes_back_to_no_provider(stage: Stage) -> None:
    """A chat model's thoughts come without proof; a turn with them must not exclude the model."""
    client = stage.client()
    thought = cp.Part(reasoning=cp.Reasoning(text="hm"))
    talk = [
        said("USER", cp.Part(text="Hi")),
        said("ASSISTANT", thought, cp.Part(text="Hello")),
        said("USER", cp.Part(text="Go on")),
    ]

    for model in (CHAT, MESSAGES):
        await client.query("", messages=talk, routing=only(*model))

        assert b"hm" not in stage.upstream.bodies[-1]
