"""What a conversation must be: a provider's refusal of it would come too late and say less."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.caller import Principal
from chenu_server.engine import CanonicalRequest
from chenu_server.errors import InvalidField
from chenu_server.pipeline.conversation import (
    ChatMessage,
    Conversation,
    Part,
    ResponseFormat,
    Sampling,
    Thinking,
    Tool,
    ToolUse,
    asked,
)
from chenu_server.pipeline.conversation_convert import conversation_from
from chenu_server.pipeline.convert import request_from
from chenu_server.pipeline.lanes.encoding import engine_prompt
from chenu_server.pipeline.prompt import said_of
from chenu_server.vocabulary import MessageRole, PartKind, PrincipalType, ToolEffect

SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}}}'
WEATHER = cp.Tool(
    name="get_weather", effect=cp.TOOL_EFFECT_READ, description="Tells it.", parameters=SCHEMA
)


def message(role: str, *parts: cp.Part) -> cp.ChatMessage:
    """One turn."""
    return cp.ChatMessage(role=cp.MessageRole.Value(f"MESSAGE_ROLE_{role}"), parts=parts)


def text(said: str, **more: Any) -> cp.Part:
    """A part of plain text."""
    return cp.Part(text=said, **more)


def call(call_id: str = "c1", name: str = "get_weather", arguments: str = "{}") -> cp.Part:
    """A part that calls a tool."""
    return cp.Part(tool_call=cp.ToolCall(call_id=call_id, name=name, arguments_json=arguments))


def result(call_id: str = "c1", said: str = "rain", **more: Any) -> cp.Part:
    """A part that says what came of a call."""
    return cp.Part(tool_result=cp.ToolResult(call_id=call_id, text=said, **more))


USER, ASSISTANT = message("USER", text("Weather?")), message("ASSISTANT", text("Where?"))
CALLED, ANSWERED = message("ASSISTANT", call()), message("TOOL", result())


def talk(*messages: cp.ChatMessage, **more: Any) -> pb.QueryRequest:
    """A request with these messages and the tool."""
    return pb.QueryRequest(messages=messages, **{"tools": [WEATHER], **more})


def thinking(**more: Any) -> pb.QueryRequest:
    """A request with a budget of thoughts."""
    budget = cp.Thinking(budget_tokens=1_024)
    return talk(USER, thinking=budget, max_output_tokens=2_048, **more)


ALL = talk(
    message("SYSTEM", text("Be brief.")),
    message("USER", text("Weather?", cache_hint=cp.CACHE_HINT_EPHEMERAL)),
    message(
        "ASSISTANT",
        cp.Part(reasoning=cp.Reasoning(text="hm", signature="s")),
        cp.Part(reasoning=cp.Reasoning(redacted="r")),
        call(arguments='{"city": "Paris"}'),
    ),
    message("TOOL", result(outcome=cp.TOOL_OUTCOME_ERROR)),
    tool_use=cp.ToolUse(
        choice=cp.TOOL_CHOICE_NAMED, tool="get_weather", parallel=cp.PARALLEL_CALLS_FORBIDDEN
    ),
    sampling=cp.Sampling(
        temperature=0, top_p=1, stop=["END"], seed=0, presence_penalty=-2, frequency_penalty=2
    ),
    response_format=cp.ResponseFormat(kind=cp.RESPONSE_KIND_JSON_SCHEMA, schema=SCHEMA),
    thinking=cp.Thinking(effort=cp.THINKING_EFFORT_LOW),
)
ALL_READ = Conversation(
    messages=(
        ChatMessage(MessageRole.SYSTEM, (Part(kind=PartKind.TEXT, text="Be brief."),)),
        ChatMessage(MessageRole.USER, (Part(kind=PartKind.TEXT, text="Weather?", cached=True),)),
        ChatMessage(
            MessageRole.ASSISTANT,
            (
                Part(kind=PartKind.REASONING, text="hm", signature="s"),
                Part(kind=PartKind.REASONING, text="", redacted="r"),
                Part(
                    kind=PartKind.TOOL_CALL,
                    text='{"city": "Paris"}',
                    call_id="c1",
                    name="get_weather",
                ),
            ),
        ),
        ChatMessage(
            MessageRole.TOOL,
            (Part(kind=PartKind.TOOL_RESULT, text="rain", call_id="c1", is_error=True),),
        ),
    ),
    tools=(
        Tool(
            name="get_weather",
            effect=ToolEffect.READ,
            description="Tells it.",
            parameters=SCHEMA,
        ),
    ),
    tool_use=ToolUse(choice="named", tool="get_weather", parallel=False),
    sampling=Sampling(
        temperature=0.0,
        top_p=1.0,
        stop=("END",),
        seed=0,
        presence_penalty=-2.0,
        frequency_penalty=2.0,
    ),
    response_format=ResponseFormat(kind="json_schema", name="answer", schema=SCHEMA),
    thinking=Thinking(effort="low"),
)


def test_all_of_a_conversation_is_read() -> None:
    """What is dropped on the way would be seen by no policy and no person."""
    assert ALL_READ == conversation_from(ALL)


@pytest.mark.parametrize("choice", [cp.TOOL_CHOICE_AUTO, cp.TOOL_CHOICE_NONE])
def test_a_budget_of_thoughts_leaves_what_goes_with_it(choice: cp.ToolChoice.ValueType) -> None:
    """Whatever the provider takes beside it is no reason to refuse."""
    sampling = cp.Sampling(temperature=1, top_p=0.95, stop=["END"])
    read = conversation_from(thinking(sampling=sampling, tool_use=cp.ToolUse(choice=choice)))

    assert Thinking(budget_tokens=1_024) == read.thinking
    assert Sampling(temperature=1.0, top_p=0.95, stop=("END",)) == read.sampling


def test_a_text_is_short_for_one_message_of_one_text() -> None:
    """The same request, however it is written: one digest, one answer."""
    long = talk(message("USER", text("Hi")), tools=())

    assert asked("Hi") == conversation_from(pb.QueryRequest(text="Hi")) == conversation_from(long)


REFUSED: dict[str, tuple[str, pb.QueryRequest]] = {
    "nothing": ("text", pb.QueryRequest()),
    "both": ("text", talk(USER, text="Hi")),
    "too many messages": ("messages", talk(*[USER] * 201)),
    "too many parts": ("messages.parts", talk(message("USER", *[text("a")] * 1_025))),
    "no role": ("messages.role", talk(cp.ChatMessage(parts=[text("a")]))),
    "no parts": ("messages.parts", talk(message("USER"))),
    "an empty part": ("messages.parts", talk(message("USER", cp.Part()))),
    "an empty text": ("messages.parts.text", talk(message("USER", text("")))),
    "a long text": ("messages.parts.text", talk(message("USER", text("a" * 50_001)))),
    "a user's call": ("messages.parts", talk(message("USER", call()))),
    "a system's result": ("messages.parts", talk(message("SYSTEM", result()), USER)),
    "a tool's text": ("messages.parts", talk(USER, CALLED, message("TOOL", text("a")))),
    "a late system message": ("messages", talk(USER, message("SYSTEM", text("a")))),
    "system messages alone": ("messages", talk(message("SYSTEM", text("a")))),
    "an assistant first": ("messages", talk(ASSISTANT, USER)),
    "an assistant last": ("messages", talk(USER, ASSISTANT)),
    "a call unanswered": ("messages", talk(USER, CALLED, USER)),
    "a call of two unanswered": (
        "messages",
        talk(USER, message("ASSISTANT", call("c1"), call("c2")), ANSWERED, USER),
    ),
    "a result of no call": (
        "messages.parts.tool_result.call_id",
        talk(USER, CALLED, message("TOOL", result("c9"))),
    ),
    "a result twice": (
        "messages.parts.tool_result.call_id",
        talk(USER, CALLED, message("TOOL", result(), result())),
    ),
    "a result again": (
        "messages.parts.tool_result.call_id",
        talk(USER, CALLED, ANSWERED, ANSWERED),
    ),
    "two calls of one id": (
        "messages.parts.tool_call.call_id",
        talk(USER, message("ASSISTANT", call(), call()), ANSWERED),
    ),
    "a call without tools": ("tools", talk(USER, CALLED, ANSWERED, tools=())),
    "a call without id": (
        "messages.parts.tool_call.call_id",
        talk(USER, message("ASSISTANT", call("")), ANSWERED),
    ),
    "arguments that are no object": (
        "messages.parts.tool_call.arguments_json",
        talk(USER, message("ASSISTANT", call(arguments="[1]")), ANSWERED),
    ),
    "arguments that are no JSON": (
        "messages.parts.tool_call.arguments_json",
        talk(USER, message("ASSISTANT", call(arguments="{")), ANSWERED),
    ),
    "a call's bad name": (
        "messages.parts.tool_call.name",
        talk(USER, message("ASSISTANT", call(name="a b")), ANSWERED),
    ),
    "an unknown outcome": (
        "messages.parts.tool_result.outcome",
        talk(USER, CALLED, message("TOOL", result(outcome=9))),
    ),
    "an empty thought": (
        "messages.parts.reasoning",
        talk(USER, message("ASSISTANT", cp.Part(reasoning=cp.Reasoning(signature="s"))), USER),
    ),
    "a redacted thought that is told": (
        "messages.parts.reasoning",
        talk(
            USER,
            message("ASSISTANT", cp.Part(reasoning=cp.Reasoning(text="hm", redacted="r"))),
            USER,
        ),
    ),
    "arguments with a number that is none": (
        "messages.parts.tool_call.arguments_json",
        talk(USER, message("ASSISTANT", call(arguments='{"a":NaN}')), ANSWERED),
    ),
    "arguments with a number beyond all": (
        "messages.parts.tool_call.arguments_json",
        talk(USER, message("ASSISTANT", call(arguments='{"a":1e999}')), ANSWERED),
    ),
    "arguments without a bottom": (
        "messages.parts.tool_call.arguments_json",
        talk(USER, message("ASSISTANT", call(arguments='{"a":' * 200 + "1" + "}" * 200)), ANSWERED),
    ),
    "five cache hints": (
        "messages.parts.cache_hint",
        talk(message("USER", *[text("a", cache_hint=cp.CACHE_HINT_EPHEMERAL)] * 5)),
    ),
    "patterns over all tools": (
        "tools.parameters",
        talk(
            USER,
            tools=[
                cp.Tool(
                    name=f"t{number}",
                    effect=cp.TOOL_EFFECT_READ,
                    parameters='{"properties":{"a":{"pattern":"a"},"b":{"pattern":"b"}}}',
                )
                for number in range(33)
            ],
        ),
    ),
    "large schemas over all tools": (
        "tools.parameters",
        talk(
            USER,
            tools=[
                cp.Tool(
                    name=f"t{number}",
                    effect=cp.TOOL_EFFECT_READ,
                    parameters='{"description":"' + "d" * 50_000 + '"}',
                )
                for number in range(3)
            ],
        ),
    ),
    "a cached call": (
        "messages.parts.cache_hint",
        talk(
            USER,
            message(
                "ASSISTANT",
                cp.Part(tool_call=call().tool_call, cache_hint=cp.CACHE_HINT_EPHEMERAL),
            ),
            ANSWERED,
        ),
    ),
    "an unknown hint": (
        "messages.parts.cache_hint",
        talk(message("USER", text("a", cache_hint=9))),
    ),
    "too many tools": ("tools", talk(USER, tools=[WEATHER] * 129)),
    "a tool twice": ("tools.name", talk(USER, tools=[WEATHER, WEATHER])),
    "a tool without effect": ("tools.effect", talk(USER, tools=[cp.Tool(name="a")])),
    "a tool's bad name": (
        "tools.name",
        talk(USER, tools=[cp.Tool(name="a b", effect=cp.TOOL_EFFECT_READ)]),
    ),
    "a tool's long description": (
        "tools.description",
        talk(
            USER,
            tools=[cp.Tool(name="a", effect=cp.TOOL_EFFECT_READ, description="d" * 4_097)],
        ),
    ),
    "parameters that are no schema": (
        "tools.parameters",
        talk(USER, tools=[cp.Tool(name="a", effect=cp.TOOL_EFFECT_READ, parameters="{")]),
    ),
    "parameters from elsewhere": (
        "tools.parameters",
        talk(
            USER,
            tools=[
                cp.Tool(
                    name="a",
                    effect=cp.TOOL_EFFECT_READ,
                    parameters='{"$ref":"http://127.0.0.1:1/schema"}',
                )
            ],
        ),
    ),
    "a choice without tools": (
        "tool_use",
        talk(USER, tools=(), tool_use=cp.ToolUse(choice=cp.TOOL_CHOICE_REQUIRED)),
    ),
    "a named tool without a name": (
        "tool_use.tool",
        talk(USER, tool_use=cp.ToolUse(choice=cp.TOOL_CHOICE_NAMED)),
    ),
    "a name without its choice": (
        "tool_use.tool",
        talk(USER, tool_use=cp.ToolUse(tool="get_weather")),
    ),
    "a tool that is none": (
        "tool_use.tool",
        talk(USER, tool_use=cp.ToolUse(choice=cp.TOOL_CHOICE_NAMED, tool="rm")),
    ),
    "an unknown choice": (
        "tool_use.choice",
        talk(USER, tool_use=cp.ToolUse(choice=9)),  # type: ignore[arg-type] # of a newer contract
    ),
    "a hot temperature": (
        "sampling.temperature",
        talk(USER, sampling=cp.Sampling(temperature=2.1)),
    ),
    "no number": ("sampling.temperature", talk(USER, sampling=cp.Sampling(temperature=math.nan))),
    "infinity": (
        "sampling.presence_penalty",
        talk(USER, sampling=cp.Sampling(presence_penalty=math.inf)),
    ),
    "top_p of nothing": ("sampling.top_p", talk(USER, sampling=cp.Sampling(top_p=0))),
    "too many stops": ("sampling.stop", talk(USER, sampling=cp.Sampling(stop=["a"] * 5))),
    "an empty stop": ("sampling.stop", talk(USER, sampling=cp.Sampling(stop=[""]))),
    "a schema without its kind": (
        "response_format.schema",
        talk(USER, response_format=cp.ResponseFormat(schema=SCHEMA)),
    ),
    "a kind without its schema": (
        "response_format.schema",
        talk(USER, response_format=cp.ResponseFormat(kind=cp.RESPONSE_KIND_JSON_SCHEMA)),
    ),
    "a schema's bad name": (
        "response_format.name",
        talk(
            USER,
            response_format=cp.ResponseFormat(
                kind=cp.RESPONSE_KIND_JSON_SCHEMA, schema=SCHEMA, name="a b"
            ),
        ),
    ),
    "little to think with": (
        "thinking.budget_tokens",
        talk(USER, thinking=cp.Thinking(budget_tokens=1_023)),
    ),
    "all to think with": (
        "thinking.budget_tokens",
        talk(USER, thinking=cp.Thinking(budget_tokens=1_024), max_output_tokens=1_024),
    ),
    "cool thoughts": ("sampling.temperature", thinking(sampling=cp.Sampling(temperature=0))),
    "hot thoughts": ("sampling.temperature", thinking(sampling=cp.Sampling(temperature=1.5))),
    "few thoughts": ("sampling.top_p", thinking(sampling=cp.Sampling(top_p=0.94))),
    "thoughts before a call": (
        "tool_use.choice",
        thinking(tool_use=cp.ToolUse(choice=cp.TOOL_CHOICE_REQUIRED)),
    ),
    "thoughts before this call": (
        "tool_use.choice",
        thinking(tool_use=cp.ToolUse(choice=cp.TOOL_CHOICE_NAMED, tool="get_weather")),
    ),
}


@pytest.mark.parametrize(("field", "request_"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_conversation_names_its_field(field: str, request_: pb.QueryRequest) -> None:
    """Before any call and any entry: the caller can mend it."""
    with pytest.raises(InvalidField) as refusal:
        conversation_from(request_)

    assert field == refusal.value.field


@pytest.mark.parametrize("effect", ["READ", "WRITE", "DELETE", "SEND", "TRANSFER", "PAYMENT"])
def test_a_tool_of_any_effect_is_taken(effect: str) -> None:
    """What its calls do is decided once they are proposed."""
    tool = cp.Tool(name="a", effect=cp.ToolEffect.Value(f"TOOL_EFFECT_{effect}"))
    (read,) = conversation_from(talk(USER, tools=[tool])).tools

    assert effect.lower() == read.effect


def exchanges(messages: int) -> pb.QueryRequest:
    """So many turns: a question, calls and their results in pairs, and a question."""
    pairs = range((messages - 2) // 2)
    turns = [
        each
        for turn in pairs
        for each in (message("ASSISTANT", call(f"c{turn}")), message("TOOL", result(f"c{turn}")))
    ]
    return talk(USER, *turns, USER)


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python it runs, whatever the machine."""
    count = 0

    def trace(_frame: object, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_twice_the_conversation_is_twice_the_work() -> None:
    """From the wire to the engine: read, digested, hashed and made a prompt, 200 messages long."""

    def prepared(request: pb.QueryRequest) -> None:
        wanted = request_from(request, Principal(type=PrincipalType.SERVICE, id="backend"))
        read = CanonicalRequest(wanted)
        read.content_digest()
        read.context_hash("acme")
        engine_prompt(wanted.conversation, said_of(wanted).all_messages)

    prepared(exchanges(10))  # what is looked up once, is
    short, long = exchanges(100), exchanges(200)
    half, whole = lines_run(lambda: prepared(short)), lines_run(lambda: prepared(long))

    assert 200 == len(long.messages)
    assert 1.8 * half < whole < 2.2 * half
