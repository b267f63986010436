"""Canonical bytes and digests of a request; the layout stands in ARCHITECTURE.md §8."""

from __future__ import annotations

from collections.abc import Sequence

from chenu_server.caller import Caller
from chenu_server.engine import digest, encode_list
from chenu_server.pipeline.model import (
    OPERATION,
    ContextItem,
    Intent,
    QueryRequest,
    Routing,
    Sphere,
    Target,
)


def content_digest(request: QueryRequest) -> bytes:
    """SHA-256 over every field but the id: same digest, same request."""
    fields = [
        request.text.encode(),
        _texts(request.intents),
        request.sphere.encode(),
        _target(request.target),
        _items(request.context_items),
        request.agent_role.encode(),
        _routing(request.routing),
        _int(request.max_output_tokens),
        _int(request.max_cost_nanousd),
        _flags(request.detached, request.resume_on_approval, request.validate_only),
    ]
    return digest("chenu.request.v1", fields)


def context_hash(identity_id: str, request: QueryRequest) -> bytes:
    """SHA-256 of lane B's snapshot: identity, sphere and context items."""
    items = _items(request.context_items)
    return digest("chenu.context.v1", [identity_id.encode(), request.sphere.encode(), items])


def block_digest(items: Sequence[ContextItem], text: str, number: int) -> bytes:
    """What the delimiter of lane C's context blocks is made of; `number` is its try."""
    fields = [_items(items), _int(number)]
    # Whoever has put the digits of the first try in cannot know those of the second: they would
    # have to stand in the very text that they are made of.
    return digest("chenu.block.v1", [*fields, text.encode()] if number else fields)


def action_digest(
    caller: Caller,
    request: QueryRequest,
    *,
    intents: tuple[Intent, ...],
    encoded_request: bytes,
    context: bytes,
    max_cost_nanousd: int,
) -> bytes:
    """What an approval is bound to: who does what, with what, within which limits."""
    fields = [
        caller.identity_id.encode(),
        caller.principal.type.encode(),
        caller.principal.id.encode(),
        _texts(caller.acting_for),
        _texts(tuple(sorted(intents))),
        (request.target.operation or OPERATION).encode(),
        _target(request.target),
        encoded_request,
        context,
        encode_list([request.agent_role.encode(), _routing(request.routing)]),
        _int(max_cost_nanousd),
    ]
    return digest("chenu.action.v1", fields)


def encoded_request(system: str, user: str, output_cap: int) -> bytes:
    """Lane C's provider-neutral request, as it enters the digest."""
    return encode_list([system.encode(), user.encode(), _int(output_cap)])


def _texts(values: tuple[str, ...]) -> bytes:
    return encode_list([value.encode() for value in values])


def _int(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def _flags(*values: bool) -> bytes:
    return bytes(values)


def _sphere(sphere: Sphere | None) -> bytes:
    return sphere.encode() if sphere else b""


def _target(target: Target) -> bytes:
    texts = [target.operation.encode(), target.kind.encode(), target.id.encode()]
    return encode_list([*texts, _sphere(target.sphere)])


def _items(items: Sequence[ContextItem]) -> bytes:
    return encode_list([_item(item) for item in items])


def _item(item: ContextItem) -> bytes:
    texts = [item.kind.encode(), item.id.encode(), _sphere(item.sphere)]
    return encode_list([*texts, item.content.encode()])


def _routing(routing: Routing) -> bytes:
    texts = [
        routing.task_type,
        routing.priority,
        routing.strategy,
        routing.preferred_provider,
        routing.preferred_model,
    ]
    lists = [
        routing.required_capabilities,
        routing.allowed_providers,
        routing.forbidden_providers,
        routing.regions,
    ]
    return encode_list([text.encode() for text in texts] + [_texts(each) for each in lists])
