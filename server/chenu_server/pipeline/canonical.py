"""Canonical bytes and digests of a request; the layout stands in ARCHITECTURE.md §8.

Each digest is one call into the engine: it takes texts, numbers and lists as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from chenu_server.action import Target
from chenu_server.caller import Caller
from chenu_server.engine import digest
from chenu_server.pipeline.conversation import (
    ChatMessage,
    Conversation,
    Part,
    ResponseFormat,
    Sampling,
    Thinking,
    Tool,
    ToolUse,
)
from chenu_server.pipeline.model import OPERATION, ContextItem, QueryRequest, Routing
from chenu_server.vocabulary import Intent

Fields = list[object]


def content_digest(request: QueryRequest) -> bytes:
    """SHA-256 over every field but the id: same digest, same request."""
    fields: Fields = [
        request.mode,
        _conversation(request.conversation, request.conversation.messages),
        request.intents,
        request.sphere,
        _target(request.target),
        _items(request.context_items),
        request.agent_role,
        _routing(request.routing),
        request.max_output_tokens,
        request.max_cost_nanousd,
        bytes([request.detached, request.resume_on_approval, request.validate_only]),
        request.thread_id,
        request.run_id,
        request.labels,
        [request.agent_id, request.department],
    ]
    return digest("chenu.request.v2", fields)


def context_hash(identity_id: str, request: QueryRequest) -> bytes:
    """SHA-256 of lane B's snapshot: identity, sphere, thread, context items, conversation."""
    fields: Fields = [
        identity_id,
        request.sphere,
        request.thread_id,
        _items(request.context_items),
        _messages(request.conversation.messages),
    ]
    return digest("chenu.context.v2", fields)


def block_digest(
    items: Sequence[ContextItem], messages: Sequence[ChatMessage], number: int
) -> bytes:
    """What the delimiter of lane C's context blocks is made of; `number` is its try."""
    fields: Fields = [_items(items), number]
    # Whoever has put the digits of the first try in cannot know those of the second: they would
    # have to stand in the very text that they are made of.
    return digest("chenu.block.v2", [*fields, _messages(messages)] if number else fields)


def action_digest(
    caller: Caller,
    request: QueryRequest,
    *,
    intents: tuple[Intent, ...],
    system: str,
    messages: Sequence[ChatMessage],
    output_cap: int,
    context: bytes,
    max_cost_nanousd: int,
) -> bytes:
    """What an approval is bound to: who does what, with what, within which limits.

    `system` and `messages` are what lane C says to the model.
    """
    fields: Fields = [
        caller.identity_id,
        caller.principal.type,
        caller.principal.id,
        caller.acting_for,
        request.mode,
        sorted(intents),
        request.target.operation or OPERATION,
        _target(request.target),
        [system, _conversation(request.conversation, messages), output_cap],
        context,
        [request.agent_role, _routing(request.routing), request.agent_id, request.department],
        max_cost_nanousd,
    ]
    return digest("chenu.action.v2", fields)


def _conversation(conversation: Conversation, messages: Sequence[ChatMessage]) -> Fields:
    return [
        _messages(messages),
        [_tool(tool) for tool in conversation.tools],
        _tool_use(conversation.tool_use),
        _sampling(conversation.sampling),
        _format(conversation.response_format),
        _thinking(conversation.thinking),
    ]


def _messages(messages: Sequence[ChatMessage]) -> Fields:
    return [[message.role, [_part(part) for part in message.parts]] for message in messages]


def _part(part: Part) -> Fields:
    fields: Fields = [
        part.kind,
        part.text,
        part.call_id,
        part.name,
        part.signature,
        part.redacted,
        bytes([part.is_error, part.cached]),
    ]
    if part.media is not None:
        medium = part.media
        fields += [medium.media_type, medium.url, bytes.fromhex(medium.sha256), medium.size]
    return fields


def _tool(tool: Tool) -> Fields:
    return [tool.name, tool.effect, tool.description, tool.parameters]


def _tool_use(use: ToolUse) -> Fields:
    return [use.choice, use.tool, use.parallel]


def _sampling(sampling: Sampling) -> Fields:
    return [
        sampling.temperature,
        sampling.top_p,
        sampling.stop,
        sampling.seed,
        sampling.presence_penalty,
        sampling.frequency_penalty,
    ]


def _format(wanted: ResponseFormat) -> Fields:
    return [wanted.kind, wanted.name, wanted.schema]


def _thinking(thinking: Thinking) -> Fields:
    return [thinking.effort, thinking.budget_tokens]


def _target(target: Target) -> Fields:
    return [target.operation, target.kind, target.id, target.sphere]


def _items(items: Sequence[ContextItem]) -> Fields:
    return [[item.kind, item.id, item.sphere, item.content] for item in items]


def _routing(routing: Routing) -> Fields:
    return [getattr(routing, name) for name in Routing.__slots__]
