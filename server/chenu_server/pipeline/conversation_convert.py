"""Wire to model, for what a model is asked: checked so that no provider has to refuse it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from chenu.api.pipeline.v1 import conversation_pb2 as pb
from chenu.api.pipeline.v1 import pipeline_service_pb2
from chenu_server.engine import check_schemas, is_json_object
from chenu_server.errors import InvalidField
from chenu_server.infra.rpc.fields import by_number
from chenu_server.pipeline.conversation import (
    ANY_SAMPLING,
    ANY_TEXT,
    ANY_THINKING,
    ANY_TOOL_USE,
    TEXT_MAX,
    ChatMessage,
    Conversation,
    Part,
    ResponseFormat,
    Sampling,
    Thinking,
    Tool,
    ToolUse,
    asked_messages,
)
from chenu_server.pipeline.media_convert import FILES_MAX, document_from, image_from
from chenu_server.vocabulary import MessageRole, PartKind, ToolEffect

MESSAGES_MAX: Final = 200
PARTS_MAX: Final = 1_024
# As many as Chat Completions takes.
TOOLS_MAX: Final = 128
CALL_ID_MAX: Final = 256
DESCRIPTION_MAX: Final = 4_096
SCHEMAS_MAX: Final = 131_072
# As many breakpoints as Messages takes.
CACHE_HINTS_MAX: Final = 4
# As many as Chat Completions takes.
STOPS_MAX: Final = 4
STOP_MAX: Final = 256
# Messages refuses a budget of less.
THINKING_TOKENS: Final = range(1_024, 128_001)
THINKING_TOP_P_MIN: Final = 0.95

# What Chat Completions takes as the name of a tool or a schema.
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLES: Final = by_number(MessageRole)
_MAY_SAY: Final = {
    MessageRole.SYSTEM: frozenset({PartKind.TEXT}),
    MessageRole.USER: frozenset({PartKind.TEXT, PartKind.IMAGE, PartKind.DOCUMENT}),
    MessageRole.ASSISTANT: frozenset({PartKind.TEXT, PartKind.REASONING, PartKind.TOOL_CALL}),
    MessageRole.TOOL: frozenset({PartKind.TOOL_RESULT}),
}
_CACHED: Final = frozenset({PartKind.TEXT, PartKind.TOOL_RESULT, PartKind.IMAGE, PartKind.DOCUMENT})


def conversation_from(request: pipeline_service_pb2.QueryRequest) -> Conversation:
    """
    What a request asks of a model, checked.

    Raises:
        InvalidField: A part of it is not one that this rpc takes; names the field.
    """
    given = request.messages
    if given and request.text:
        raise InvalidField("text", "it is short for one message; leave it out where there are any")
    said = request.HasField
    tools = _tools(request.tools) if request.tools else ()
    wanted = _format(request.response_format) if said("response_format") else ANY_TEXT
    if tools or wanted is not ANY_TEXT:
        _must_be_usable(tools, wanted)
    if not given:
        messages = asked_messages(text_from(request.text, "text"))
    else:
        messages = _messages(list(given), has_tools=bool(tools))
    conversation = Conversation(
        messages=messages,
        tools=tools,
        tool_use=_tool_use(request.tool_use, tools) if said("tool_use") else ANY_TOOL_USE,
        sampling=_sampling(request.sampling) if said("sampling") else ANY_SAMPLING,
        response_format=wanted,
        thinking=_thinking(request.thinking, request.max_output_tokens)
        if said("thinking")
        else ANY_THINKING,
    )
    if conversation.thinking.budget_tokens:
        _must_let_it_think(conversation.sampling, conversation.tool_use)
    return conversation


def text_from(text: str, field: str) -> str:
    """A text of 1 to 50,000 characters."""
    if not 1 <= len(text) <= TEXT_MAX:
        raise InvalidField(field, f"{len(text)} characters; it takes 1 to {TEXT_MAX:,}")
    return text


# --- messages -----------------------------------------------------------------------------------


def _messages(messages: Sequence[pb.ChatMessage], *, has_tools: bool) -> tuple[ChatMessage, ...]:
    if len(messages) > MESSAGES_MAX:
        raise InvalidField("messages", f"at most {MESSAGES_MAX}")
    # Counted before any of them is read: an empty part has two bytes on the wire and costs
    # microseconds here.
    if sum(len(message.parts) for message in messages) > PARTS_MAX:
        raise InvalidField("messages.parts", f"at most {PARTS_MAX} over all messages")
    read = tuple(_message(message) for message in messages)
    parts = [part for message in read for part in message.parts]
    if sum([part.cached for part in parts]) > CACHE_HINTS_MAX:
        raise InvalidField("messages.parts.cache_hint", f"at most {CACHE_HINTS_MAX}")
    if sum([part.media is not None for part in parts]) > FILES_MAX:
        raise InvalidField("messages.parts", f"at most {FILES_MAX} images and documents")
    _must_be_a_conversation(read)
    _must_answer_calls(read, has_tools=has_tools)
    return read


def _message(message: pb.ChatMessage) -> ChatMessage:
    role = _ROLES.get(message.role)
    if role is None:
        raise unknown_word(message.role, "messages.role")
    parts = tuple([_part(part) for part in message.parts])
    if not parts:
        raise InvalidField("messages.parts", "is empty; a message says something")
    may_say = _MAY_SAY[role]
    if any(part.kind not in may_say for part in parts):
        says = ", ".join(sorted(may_say))
        raise InvalidField("messages.parts", f"a {role} message holds only: {says}")
    return ChatMessage(role, parts)


def _part(part: pb.Part) -> Part:
    match part.WhichOneof("content"):
        case "text":
            read = Part(
                kind=PartKind.TEXT,
                text=text_from(part.text, "messages.parts.text"),
                cached=_is_cached(part),
            )
        case "tool_call":
            read = _call(part.tool_call)
        case "tool_result":
            read = _result(part)
        case "reasoning":
            read = _reasoning(part.reasoning)
        case "image":
            read = image_from(part.image, cached=_is_cached(part))
        case "document":
            read = document_from(part.document, cached=_is_cached(part))
        case _:
            raise InvalidField("messages.parts", "a part has no content")
    if part.cache_hint and read.kind not in _CACHED:
        raise InvalidField("messages.parts.cache_hint", "not in a call, nor in a thought")
    return read


def _is_cached(part: pb.Part) -> bool:
    hint = part.cache_hint
    # Enums of proto3 are open: a number that no version names comes as it was sent.
    if hint and hint not in pb.CacheHint.values():
        raise InvalidField("messages.parts.cache_hint", f"unknown value {hint}")
    return hint == pb.CACHE_HINT_EPHEMERAL


def _call(call: pb.ToolCall) -> Part:
    field = "messages.parts.tool_call"
    if not is_json_object(call.arguments_json):
        raise InvalidField(f"{field}.arguments_json", "is no JSON object")
    return Part(
        kind=PartKind.TOOL_CALL,
        text=call.arguments_json,
        call_id=_call_id(call.call_id, f"{field}.call_id"),
        name=_name(call.name, f"{field}.name"),
    )


def _result(part: pb.Part) -> Part:
    result, field = part.tool_result, "messages.parts.tool_result"
    if result.outcome not in pb.ToolOutcome.values():
        raise InvalidField(f"{field}.outcome", f"unknown value {result.outcome}")
    return Part(
        kind=PartKind.TOOL_RESULT,
        text=result.text,
        call_id=_call_id(result.call_id, f"{field}.call_id"),
        is_error=result.outcome == pb.TOOL_OUTCOME_ERROR,
        cached=_is_cached(part),
    )


def _reasoning(reasoning: pb.Reasoning) -> Part:
    if not (reasoning.text or reasoning.redacted):
        raise InvalidField("messages.parts.reasoning", "is empty")
    # It is sent back sealed and alone, so what stands beside it would reach no model.
    if reasoning.redacted and (reasoning.text or reasoning.signature):
        raise InvalidField("messages.parts.reasoning", "a redacted thought has nothing beside it")
    return Part(
        kind=PartKind.REASONING,
        text=reasoning.text,
        signature=reasoning.signature,
        redacted=reasoning.redacted,
    )


def _call_id(text: str, field: str) -> str:
    if not 1 <= len(text) <= CALL_ID_MAX:
        raise InvalidField(field, f"{len(text)} characters; it takes 1 to {CALL_ID_MAX}")
    return text


def _must_be_a_conversation(messages: Sequence[ChatMessage]) -> None:
    """System messages, then turns of which the first is a user's and the last is to be answered."""
    roles = [message.role for message in messages]
    turns = [role for role in roles if role is not MessageRole.SYSTEM]
    # All that are no system's stand at the end, or a system message stands among them.
    if roles[len(roles) - len(turns) :] != turns:
        raise InvalidField("messages", "system messages stand before all others")
    if not turns or turns[0] is not MessageRole.USER:
        raise InvalidField("messages", "the first that is no system message is a user's")
    if turns[-1] is MessageRole.ASSISTANT:
        raise InvalidField("messages", "the last is a user's or a tool's, for a model to answer")


def _must_answer_calls(messages: Sequence[ChatMessage], *, has_tools: bool) -> None:
    """One result for each call of the message before, and none of any other."""
    # In order, and looked up in one step: a message may hold a thousand calls.
    open_calls: dict[str, None] = {}
    for message in messages:
        ids = [part.call_id for part in message.parts if part.call_id]
        if message.role is MessageRole.TOOL:
            _close(ids, open_calls)
            continue
        _must_be_answered(open_calls)
        open_calls = dict.fromkeys(ids)
        if len(open_calls) < len(ids):
            raise InvalidField("messages.parts.tool_call.call_id", "two calls have one id")
        if ids and not has_tools:
            raise InvalidField("tools", "a conversation that calls tools must say which there are")
    _must_be_answered(open_calls)


def _must_be_answered(open_calls: Mapping[str, None]) -> None:
    if open_calls:
        raise InvalidField("messages", f"call {next(iter(open_calls))!r} has no result behind it")


def _close(ids: Sequence[str], open_calls: dict[str, None]) -> None:
    for call_id in ids:
        if call_id not in open_calls:
            field = "messages.parts.tool_result.call_id"
            raise InvalidField(
                field, f"{call_id!r} is no call of the message before, or is given twice"
            )
        del open_calls[call_id]


# --- tools and options --------------------------------------------------------------------------


def _tools(tools: Sequence[pb.Tool]) -> tuple[Tool, ...]:
    if len(tools) > TOOLS_MAX:
        raise InvalidField("tools", f"at most {TOOLS_MAX}")
    read = tuple(_tool(tool) for tool in tools)
    if len({tool.name for tool in read}) < len(read):
        raise InvalidField("tools.name", "two tools have one name")
    return read


def _tool(tool: pb.Tool) -> Tool:
    effect = ToolEffect(word_from(pb.ToolEffect, tool.effect, "TOOL_EFFECT", "tools.effect"))
    if len(tool.description) > DESCRIPTION_MAX:
        raise InvalidField("tools.description", f"at most {DESCRIPTION_MAX:,} characters")
    return Tool(
        name=_name(tool.name, "tools.name"),
        effect=effect,
        description=tool.description,
        parameters=tool.parameters,
    )


def _tool_use(use: pb.ToolUse, tools: Sequence[Tool]) -> ToolUse:
    choice = word_from(pb.ToolChoice, use.choice, "TOOL_CHOICE", "tool_use.choice", "auto")
    parallel = word_from(pb.ParallelCalls, use.parallel, "PARALLEL_CALLS", "tool_use.parallel", "")
    if (choice != "auto" or parallel) and not tools:
        raise InvalidField("tool_use", "there are no tools to use")
    if (choice == "named") != bool(use.tool):
        raise InvalidField("tool_use.tool", "is for the choice `named`, and only for it")
    if use.tool and use.tool not in {tool.name for tool in tools}:
        raise InvalidField("tool_use.tool", "is none of the tools")
    return ToolUse(
        choice=choice, tool=use.tool, parallel=parallel == "allowed" if parallel else None
    )


def _sampling(sampling: pb.Sampling) -> Sampling:
    if len(sampling.stop) > STOPS_MAX:
        raise InvalidField("sampling.stop", f"at most {STOPS_MAX}")
    if any(not 1 <= len(stop) <= STOP_MAX for stop in sampling.stop):
        raise InvalidField("sampling.stop", f"each has 1 to {STOP_MAX} characters")
    if sampling.HasField("top_p") and sampling.top_p == 0:
        raise InvalidField("sampling.top_p", "above 0, at most 1")
    return Sampling(
        temperature=_number(sampling, "temperature", 0, 2),
        top_p=_number(sampling, "top_p", 0, 1),
        stop=tuple(sampling.stop),
        seed=sampling.seed if sampling.HasField("seed") else None,
        presence_penalty=_number(sampling, "presence_penalty", -2, 2),
        frequency_penalty=_number(sampling, "frequency_penalty", -2, 2),
    )


def _number(sampling: pb.Sampling, name: Any, low: int, high: int) -> float | None:
    if not sampling.HasField(name):
        return None
    value: float = getattr(sampling, name)
    if not low <= value <= high:  # NaN is in no range
        raise InvalidField(f"sampling.{name}", f"{low} to {high}")
    return value + 0.0  # there is one zero, or one request would have two digests


def _format(wanted: pb.ResponseFormat) -> ResponseFormat:
    kind = word_from(pb.ResponseKind, wanted.kind, "RESPONSE_KIND", "response_format.kind", "text")
    if kind != "json_schema":
        if wanted.name or wanted.schema:
            raise InvalidField("response_format.schema", "only with `json_schema`")
        return ResponseFormat(kind=kind)
    # Chat Completions wants one, and whoever asks need not think of any.
    name = _name(wanted.name, "response_format.name") if wanted.name else "answer"
    return ResponseFormat(kind=kind, name=name, schema=wanted.schema)


def _thinking(thinking: pb.Thinking, output_cap: int) -> Thinking:
    effort = word_from(pb.ThinkingEffort, thinking.effort, "THINKING_EFFORT", "thinking.effort", "")
    budget = thinking.budget_tokens
    if budget and budget not in THINKING_TOKENS:
        raise InvalidField("thinking.budget_tokens", "0, or 1,024 to 128,000")
    # Thoughts are written within the same cap: with all of it given to them there is no room for an
    # answer.
    if budget and budget >= output_cap:
        raise InvalidField("thinking.budget_tokens", "must be below max_output_tokens")
    return Thinking(effort=effort, budget_tokens=budget)


def _must_let_it_think(sampling: Sampling, use: ToolUse) -> None:
    """Only Messages has room for a budget, and refuses these beside it.

    Source: Anthropic, "Extended thinking", on what it is compatible with.
    """
    beside = "with thinking.budget_tokens"
    if sampling.temperature not in {None, 1.0}:
        raise InvalidField("sampling.temperature", f"{beside} it is 1, or left out")
    if sampling.top_p is not None and sampling.top_p < THINKING_TOP_P_MIN:
        raise InvalidField("sampling.top_p", f"{beside} it is {THINKING_TOP_P_MIN} to 1")
    if use.choice in {"required", "named"}:
        raise InvalidField("tool_use.choice", f"{beside} no call can be forced")


def _must_be_usable(tools: Sequence[Tool], wanted: ResponseFormat) -> None:
    """All schemas of a request together: each is compiled here, and again at the answer."""
    named = [("tools.parameters", tool.parameters) for tool in tools if tool.parameters]
    if wanted.kind == "json_schema":
        named.append(("response_format.schema", wanted.schema))
    # Weighed before any is compiled: that takes longer the larger they are, and nobody else is
    # served meanwhile.
    if sum(len(schema) for _, schema in named) > SCHEMAS_MAX:
        raise InvalidField(named[-1][0], f"all schemas have at most {SCHEMAS_MAX:,} characters")
    if found := check_schemas([schema for _, schema in named]):
        at, problem = found
        raise InvalidField(named[at][0], problem)


def _name(text: str, field: str) -> str:
    if not _NAME.fullmatch(text):
        raise InvalidField(field, "1 to 64 letters, digits, `_` and `-`")
    return text


def word_from(wire: Any, number: int, prefix: str, field: str, untold: str | None = None) -> str:
    """A wire enum's value by its name in lower case; `untold` stands for its zero value."""
    if number == 0 and untold is not None:
        return untold
    word = _words(wire, prefix).get(number) if number else None
    if word is None:
        raise unknown_word(number, field)
    return word


def unknown_word(number: int, field: str) -> InvalidField:
    """A wire enum's value is none that there is, or has not been said."""
    return InvalidField(field, f"unknown value {number}" if number else "is missing")


@cache
def _words(wire: Any, prefix: str) -> dict[int, str]:
    return {number: name.removeprefix(f"{prefix}_").lower() for name, number in wire.items()}
