"""A conversation from the plain values of its JSON. Pure; what is at its default was left out."""

from __future__ import annotations

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


def conversation_from(plain: dict[str, Any]) -> Conversation:
    """The conversation that is stored so (`core_rs/engine/src/request/conversation.rs`)."""
    options: dict[str, Any] = {
        # The shared one, by which others tell that nothing was said of it.
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
