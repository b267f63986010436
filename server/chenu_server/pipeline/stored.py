"""A stored request, and a plan as stored JSON and back, for a query that is resumed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from chenu_server.action import Target
from chenu_server.pipeline.conversation import Conversation, asked
from chenu_server.pipeline.conversation_stored import conversation_from
from chenu_server.pipeline.model import (
    Analysis,
    Candidate,
    ContextItem,
    Encoded,
    QueryRequest,
    Routing,
    Snapshot,
)
from chenu_server.values import dataclass, field
from chenu_server.vocabulary import Intent, Mode, Role, Sphere


def request_from(text: str) -> QueryRequest:
    """The request that `CanonicalRequest.to_json` stored, or what did before it: with one text."""
    values = from_json(text)
    # What says nothing was left out of the text, and what came later is in no older one.
    thread_id, run_id = values.get("names", ("", ""))
    agent_id, department = values.get("agent", ("", ""))
    operation, kind, id_, sphere = values["target"]
    cap, cost = values["caps"]
    detached, resume = values["flags"]
    return QueryRequest(
        request_id=values["request_id"],
        conversation=_conversation(values),
        # What was stored before there were modes was asked as a command, and is resumed as what it
        # was.
        mode=Mode(values.get("mode", Mode.COMMAND)),
        intents=tuple(Intent(name) for name in values.get("intents", ())),
        sphere=Sphere(values["sphere"]),
        target=Target(operation=operation, kind=kind, id=id_, sphere=_sphere(sphere)),
        context_items=tuple(_item(each) for each in values.get("items", ())),
        agent_role=values.get("agent_role", ""),
        routing=_routing(values["routing"]),
        max_output_tokens=cap,
        max_cost_nanousd=cost,
        detached=detached,
        resume_on_approval=resume,
        thread_id=thread_id,
        run_id=run_id,
        labels=tuple((key, value) for key, value in values.get("labels", ())),
        agent_id=agent_id,
        department=department,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a resumed run stands on: who asked, and what lanes A to C came to.

    `output_cap` is 0 in a plan from before caps were kept.
    """

    roles: frozenset[Role]
    analysis: Analysis
    snapshot: Snapshot
    output_cap: int
    max_cost_nanousd: int
    instances: Mapping[str, str] = field(default_factory=dict)

    def names_of(self, provider: str) -> tuple[str, ...]:
        """A provider's name and, of an instance, that of what it is one of, as policies know it."""
        return tuple(filter(None, (provider, self.instances.get(provider, ""))))


def plan_json(
    roles: frozenset[Role], analysis: Analysis, snapshot: Snapshot, encoded: Encoded
) -> str:
    """A plan as compact JSON."""
    values = {
        "roles": sorted(role.value for role in roles),
        "analysis": {
            "intents": [intent.value for intent in analysis.intents],
            "detected": [intent.value for intent in analysis.detected],
            "confidence": analysis.confidence,
            "entities": [list(each) for each in analysis.entities],
            "keywords": list(analysis.keywords),
            "sensitivity": analysis.sensitivity,
        },
        "snapshot": {
            "id": snapshot.snapshot_id,
            "hash": snapshot.content_hash.hex(),
            "spheres": [sphere.value for sphere in snapshot.spheres],
            "crosses": snapshot.crosses_spheres,
        },
        "output_cap": encoded.output_cap,
        "max_cost_nanousd": encoded.max_cost_nanousd,
    }
    # Only where there are any, which most plans have not.
    if instances := {each.provider: each.instance_of for each in chain_of(encoded)}:
        values["instances"] = instances
    return to_json(values).decode()


def chain_of(encoded: Encoded) -> list[Candidate]:
    """Those of the chain that are instances of another provider."""
    return [each for each in encoded.route.chain if each.instance_of]


def plan_from(text: str) -> Plan:
    """The plan that `plan_json` stored."""
    values = from_json(text)
    found, frozen = values["analysis"], values["snapshot"]
    analysis = Analysis(
        intents=tuple(Intent(name) for name in found["intents"]),
        detected=tuple(Intent(name) for name in found.get("detected", ())),
        confidence=found["confidence"],
        entities=tuple((kind, value) for kind, value in found["entities"]),
        keywords=tuple(found["keywords"]),
        sensitivity=found["sensitivity"],
    )
    snapshot = Snapshot(
        snapshot_id=frozen["id"],
        content_hash=bytes.fromhex(frozen["hash"]),
        spheres=tuple(Sphere(name) for name in frozen["spheres"]),
        crosses_spheres=frozen["crosses"],
    )
    return Plan(
        roles=frozenset(Role(name) for name in values["roles"]),
        analysis=analysis,
        snapshot=snapshot,
        output_cap=values.get("output_cap", 0),
        max_cost_nanousd=values["max_cost_nanousd"],
        instances=values.get("instances", {}),
    )


def _conversation(values: dict[str, Any]) -> Conversation:
    plain = values.get("conversation")
    return asked(values["text"]) if plain is None else conversation_from(plain)


def _sphere(name: str) -> Sphere | None:
    return Sphere(name) if name else None


def _item(values: list[str]) -> ContextItem:
    kind, id_, sphere, content = values
    return ContextItem(kind=kind, id=id_, sphere=_sphere(sphere), content=content)


def _routing(values: list[Any]) -> Routing:
    # By place, as the core wrote them; as many as there are fields, or another release wrote them.
    pairs = zip(Routing.__slots__, values, strict=True)
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in pairs
    }
    return Routing(**fields)
