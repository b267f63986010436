"""What a checkpoint's digest binds, from what the query has stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol

from chenu_server.governance.budgets.spending_decide import ask_from
from chenu_server.governance.budgets.spending_model import ReserveAsk
from chenu_server.governance.checkpoints.model import Bound, Checkpoint, StoredFile
from chenu_server.governance.tools.model import ToolCall
from chenu_server.governance.tools.ports import ToolCallReader
from chenu_server.operations.media import FileReader
from chenu_server.operations.rules import payload
from chenu_server.pipeline.conversation import Conversation, Part, asked
from chenu_server.pipeline.model import QueryRequest
from chenu_server.pipeline.prompt import Said, said_of
from chenu_server.pipeline.records import QueryContent
from chenu_server.pipeline.stored import Plan, plan_from, request_from
from chenu_server.vocabulary import ContentKind, OperationKind, PartKind

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
URI_LIST: Final = "text/uri-list"


class StoredContents(Protocol):
    """The part of a `QueryStore` that holds what was asked."""

    async def content(self, identity_id: str, request_id: str) -> QueryContent | None:
        """What the query was asked, or None."""
        ...


class BoundContents:
    """The checkpoints' `BoundContent`. `default_cap` is for plans that do not tell their cap."""

    def __init__(
        self,
        queries: StoredContents,
        calls: ToolCallReader,
        files: FileReader,
        *,
        default_cap: int,
    ) -> None:
        self._queries = queries
        self._calls = calls
        self._files = files
        self._default_cap = default_cap

    async def of(self, checkpoint: Checkpoint) -> Sequence[Bound]:
        """All of it, as the digest orders it; nothing once it is no longer stored."""
        stored = await self._queries.content(checkpoint.identity_id, checkpoint.request_id)
        if stored is None:
            return ()
        if checkpoint.operation_kind is OperationKind.RESERVATION:
            return _of_reservation(checkpoint, ask_from(stored.request_id, stored.request))
        if checkpoint.operation_kind is OperationKind.TOOL_CALL:
            found = await self._calls.get(checkpoint.identity_id, checkpoint.request_id)
            return () if found is None else _of_call(checkpoint, found.call, stored.request)
        request, plan = request_from(stored.request), plan_from(stored.plan)
        said = said_of(request)
        # The digest holds the cap as planned; plans from before it was kept were made with these.
        cap = plan.output_cap or request.max_output_tokens or self._default_cap
        facts = payload(**_facts(checkpoint, request, plan, said), output_cap=cap)
        items = [
            _bound(ContentKind.CONTEXT_ITEM, item.content, id=f"{item.kind}/{item.id}")
            for item in request.context_items
        ]
        return [
            _bound(ContentKind.FACTS, facts, media_type=JSON),
            _bound(ContentKind.SYSTEM, said.system),
            *items,
            *_spoken(request.conversation),
        ]

    async def read(self, identity_id: str, file: StoredFile, offset: int, size: int) -> bytes:
        """A run of a file's bytes."""
        return await self._files.read(identity_id, file.sha256, offset, size)


def _of_reservation(checkpoint: Checkpoint, asked: ReserveAsk) -> list[Bound]:
    """Who would spend how much, and what for; the description as a text of its own."""
    target = asked.target
    facts = payload(
        action_digest=checkpoint.action_digest.hex(),
        identity=checkpoint.identity_id,
        principal=str(checkpoint.requester),
        acting_for=list(checkpoint.acting_for),
        request_id=asked.request_id,
        amount_nanousd=asked.amount_nanousd,
        operation=target.operation,
        target={"kind": target.kind, "id": target.id, "sphere": target.sphere or ""},
        intents=list(asked.intents),
        sphere=asked.sphere,
        run_id=asked.run_id,
        labels=dict(asked.labels),
        ttl_ms=asked.ttl_ms,
    )
    return [
        _bound(ContentKind.FACTS, facts, media_type=JSON),
        _bound(ContentKind.TEXT, asked.description),
    ]


def _of_call(checkpoint: Checkpoint, call: ToolCall, arguments: str) -> list[Bound]:
    """Who would be given which call, and the salt, by which the digest can be made again."""
    facts = payload(
        action_digest=checkpoint.action_digest.hex(),
        identity=checkpoint.identity_id,
        principal=str(checkpoint.requester),
        acting_for=list(checkpoint.acting_for),
        query_id=call.query_id,
        part=call.part,
        tool=call.tool,
        effect=call.effect.value,
        audience=call.audience,
        schema_sha256=call.schema_sha256.hex(),
        salt=call.salt.hex(),
    )
    return [
        _bound(ContentKind.FACTS, facts, media_type=JSON),
        _bound(ContentKind.TOOL_CALL, arguments, id=call.call_id, media_type=JSON),
    ]


def _spoken(conversation: Conversation) -> list[Bound]:
    """Every part of the conversation, by its place; the facts say who said it."""
    # A plain question is one text, without a place, as it is in most queries.
    if conversation == asked(conversation.last_text):
        return [_bound(ContentKind.TEXT, conversation.last_text)]
    return [
        _part(part, f"{at}/{part_at}")
        for at, message in enumerate(conversation.messages)
        for part_at, part in enumerate(message.parts)
    ]


def _part(part: Part, id: str) -> Bound:
    kind, medium = ContentKind(part.kind.value), part.media
    if medium is None:
        media_type = JSON if part.kind is PartKind.TOOL_CALL else TEXT
        return _bound(kind, part.text, id=id, media_type=media_type)
    if medium.url:
        return _bound(kind, medium.url, id=id, media_type=URI_LIST)
    file = StoredFile(medium.sha256, medium.size)
    return Bound(kind=kind, id=id, media_type=medium.media_type, file=file)


def _bound(kind: ContentKind, text: str, *, id: str = "", media_type: str = TEXT) -> Bound:
    return Bound(kind=kind, id=id, media_type=media_type, data=text.encode())


def _facts(checkpoint: Checkpoint, request: QueryRequest, plan: Plan, said: Said) -> dict[str, Any]:
    """All else that the digest is made of, and the digest; nothing that changes later."""
    target, routing = request.target, request.routing
    return {
        "action_digest": checkpoint.action_digest.hex(),
        "identity": checkpoint.identity_id,
        "principal": str(checkpoint.requester),
        "acting_for": list(checkpoint.acting_for),
        "mode": request.mode,
        # In the digest's own order, so that whoever recomputes it needs no list of ours.
        "intents": sorted(plan.analysis.intents),
        "conversation": _without_texts(request.conversation),
        "thread_id": request.thread_id,
        "operation": checkpoint.action,
        "target": {
            "operation": target.operation,
            "kind": target.kind,
            "id": target.id,
            "sphere": target.sphere or "",
        },
        "sphere": request.sphere,
        "spheres": list(plan.snapshot.spheres),
        "context_items": [
            {"kind": item.kind, "id": item.id, "sphere": item.sphere or ""}
            for item in request.context_items
        ],
        "context_tag": said.tag,
        "context_hash": plan.snapshot.content_hash.hex(),
        "agent_role": request.agent_role,
        "agent_id": request.agent_id,
        "department": request.department,
        "routing": {name: getattr(routing, name) for name in routing.__slots__},
        "max_cost_nanousd": checkpoint.max_cost_nanousd,
    }


def _without_texts(conversation: Conversation) -> dict[str, Any]:
    """All of a conversation but what its parts say, which stands in pieces of its own."""
    told = asdict(conversation)
    for message in told["messages"]:
        for part in message["parts"]:
            if part["media"] is None:
                del part["text"], part["media"]
            else:  # a document's name stands here, its file in pieces
                del part["media"]["data"]
    return told
