"""What a checkpoint's digest binds, from what the query has stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from chenu_server.governance.checkpoints.model import Bound, Checkpoint, ContentKind
from chenu_server.pipeline.model import QueryRequest
from chenu_server.pipeline.prompt import Prompt, prompt_of
from chenu_server.pipeline.records import QueryContent
from chenu_server.pipeline.stored import Plan, plan_from, request_from
from chenu_server.units.rules import payload

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


class StoredContents(Protocol):
    """The part of a `QueryStore` that holds what was asked."""

    async def content(self, identity_id: str, request_id: str) -> QueryContent | None:
        """What the query was asked, or None."""
        ...


class BoundContents:
    """The checkpoints' `BoundContent`. `default_cap` is for plans that do not tell their cap."""

    def __init__(self, queries: StoredContents, *, default_cap: int) -> None:
        self._queries = queries
        self._default_cap = default_cap

    async def of(self, checkpoint: Checkpoint) -> Sequence[Bound]:
        """All of it, as the digest orders it; nothing once it is no longer stored."""
        stored = await self._queries.content(checkpoint.identity_id, checkpoint.request_id)
        if stored is None:
            return ()
        request, plan = request_from(stored.request), plan_from(stored.plan)
        prompt = prompt_of(request)
        cap = plan.output_cap or request.max_output_tokens or self._default_cap
        facts = payload(**_facts(checkpoint, request, plan, prompt), output_cap=cap)
        items = [
            _bound(ContentKind.CONTEXT_ITEM, item.content, id=f"{item.kind}/{item.id}")
            for item in request.context_items
        ]
        return [
            _bound(ContentKind.FACTS, facts, media_type=JSON),
            _bound(ContentKind.SYSTEM, prompt.system),
            *items,
            _bound(ContentKind.TEXT, request.text),
        ]


def _bound(kind: ContentKind, text: str, *, id: str = "", media_type: str = TEXT) -> Bound:
    return Bound(kind=kind, id=id, media_type=media_type, data=text.encode())


def _facts(
    checkpoint: Checkpoint, request: QueryRequest, plan: Plan, prompt: Prompt
) -> dict[str, Any]:
    """All else that the digest is made of, and the digest; nothing that changes later."""
    target, routing = request.target, request.routing
    return {
        "action_digest": checkpoint.action_digest.hex(),
        "identity": checkpoint.identity_id,
        "principal": str(checkpoint.requester),
        "acting_for": list(checkpoint.acting_for),
        "intents": sorted(plan.analysis.intents),
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
        "context_tag": prompt.tag,
        "context_hash": plan.snapshot.content_hash.hex(),
        "agent_role": request.agent_role,
        "routing": {name: getattr(routing, name) for name in routing.__slots__},
        "max_cost_nanousd": checkpoint.max_cost_nanousd,
    }
