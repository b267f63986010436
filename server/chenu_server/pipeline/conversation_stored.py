"""A conversation as plain values for JSON, and back. Pure; what is at its default is left out."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from chenu_server.pipeline.conversation import (
    ANY_SAMPLING,
    ANY_TEXT,
    ANY_THINKING,
    ANY_TOOL_USE,
    ChatMessage,
    Conversation,
    Medium,
    Part,
    ResponseFormat,
    Sampling,
    Thinking,
    Tool,
    ToolUse,
)
from chenu_server.vocabulary import MessageRole, PartKind, ToolEffect

_OPTIONS: Final = {
    "tool_use": (ToolUse, ANY_TOOL_USE),
    "sampling": (Sampling, ANY_SAMPLING),
    "response_format": (ResponseFormat, ANY_TEXT),
    "thinking": (Thinking, ANY_THINKING),
}

# A file's bytes stand in rows of their own.
_NOT_HERE: Final = frozenset({"data"})
# What each field is where it is left out; asked once, for a query is stored in microseconds.
_UNTOLD: Final = {
    kind: tuple(
        (field.name, field.default) for field in fields(kind) if field.name not in _NOT_HERE
    )
    for kind in (Part, Medium, Tool, ToolUse, Sampling, ResponseFormat, Thinking)
}


def conversation_plain(conversation: Conversation) -> dict[str, Any]:
    """Lists and mappings of plain values; floats keep every bit through JSON."""
    plain: dict[str, Any] = {
        "messages": [
            [message.role.value, [_part_plain(part) for part in message.parts]]
            for message in conversation.messages
        ]
    }
    if conversation.tools:
        plain["tools"] = [_told(tool) for tool in conversation.tools]
    for name, (_, untold) in _OPTIONS.items():
        value = getattr(conversation, name)
        if value is not untold and (told := _told(value)):
            plain[name] = told
    return plain


def conversation_from(plain: dict[str, Any]) -> Conversation:
    """The conversation that `conversation_plain` was given."""
    options: dict[str, Any] = {
        name: _option(kind, plain[name]) if name in plain else untold
        for name, (kind, untold) in _OPTIONS.items()
    }
    return Conversation(
        messages=tuple(
            ChatMessage(MessageRole(role), tuple(_part(told) for told in parts))
            for role, parts in plain["messages"]
        ),
        tools=tuple(_tool(told) for told in plain.get("tools", ())),
        **options,
    )


def _part_plain(part: Part) -> dict[str, Any]:
    told = _told(part)
    if part.media is not None:
        told["media"] = _told(part.media)
    return told


def _told(
    value: Part | Medium | Tool | ToolUse | Sampling | ResponseFormat | Thinking,
) -> dict[str, Any]:
    """The fields that are not what they would be untold."""
    told = ((name, getattr(value, name), untold) for name, untold in _UNTOLD[type(value)])
    return {name: found for name, found, untold in told if found != untold}


def _part(told: dict[str, Any]) -> Part:
    values = {**told, "kind": PartKind(told["kind"])}
    if "media" in told:
        values["media"] = Medium(**told["media"])
    return Part(**values)


def _tool(told: dict[str, Any]) -> Tool:
    return Tool(**{**told, "effect": ToolEffect(told["effect"])})


def _option(kind: type[Any], told: dict[str, Any]) -> Any:
    return kind(**{name: _frozen(value) for name, value in told.items()})


def _frozen(value: object) -> object:
    # JSON has no tuples, and with a list in it a conversation would not equal the one that was
    # stored.
    return tuple(value) if isinstance(value, list) else value
