"""Digests of requests, against published vectors and an encoder of the test's own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from chenu_server.caller import Caller, Principal, PrincipalType, Role
from chenu_server.pipeline import canonical
from chenu_server.pipeline.model import (
    ContextItem,
    Intent,
    QueryRequest,
    Routing,
    Sphere,
    Target,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/request.json").read_text("utf-8"))

REQUEST = QueryRequest(
    request_id="7f1c4f4e-9d0a-4c53-9a3e-2a0a6d2f9b11",
    text="Supprime tous mes anciens fils\u0000 🎈",
    intents=(Intent.DELETE, Intent.SEND),
    sphere=Sphere.BUSINESS,
    target=Target(operation="nova.query", kind="thread", id="42", sphere=Sphere.SCHOLAR),
    context_items=(ContextItem(kind="note", id="1", sphere=None, content="données"),),
    agent_role="nova",
    routing=Routing(task_type="code", required_capabilities=("json",), regions=("eu",)),
    max_output_tokens=512,
    max_cost_nanousd=5_000_000,
    detached=True,
)
CALLER = Caller(
    principal=Principal(type=PrincipalType.AGENT, id="écrivain"),
    identity_id="acme",
    roles=frozenset({Role.MEMBER}),
    acting_for=("user:ann",),
)
CHANGES: dict[str, Any] = {
    "text": "other",
    "intents": (Intent.DELETE,),
    "sphere": Sphere.PERSONAL,
    "target": Target(),
    "context_items": (),
    "agent_role": "",
    "routing": Routing(),
    "max_output_tokens": 513,
    "max_cost_nanousd": 0,
    "detached": False,
    "resume_on_approval": True,
    "validate_only": True,
}


def lp(data: bytes) -> bytes:
    """A length and the bytes, written from ARCHITECTURE.md §8 alone."""
    return len(data).to_bytes(4, "big") + data


def listed(items: list[bytes]) -> bytes:
    """A count and each item."""
    return len(items).to_bytes(4, "big") + b"".join(map(lp, items))


def digested(tag: str, items: list[bytes]) -> str:
    """SHA-256 over the tag and the fields."""
    return hashlib.sha256(lp(tag.encode()) + listed(items)).hexdigest()


def action(request: QueryRequest, caller: Caller, max_cost: int = 7_000_000) -> bytes:
    """The digest that an approval of the request would be bound to."""
    return canonical.action_digest(
        caller,
        request,
        intents=request.intents,
        encoded_request=canonical.encoded_request("system", request.text, 512),
        context=canonical.context_hash(caller.identity_id, request),
        max_cost_nanousd=max_cost,
    )


def test_the_published_vectors_hold() -> None:
    """A digest that changes between versions would break every stored approval."""
    assert {
        "content_digest": canonical.content_digest(REQUEST).hex(),
        "context_hash": canonical.context_hash("acme", REQUEST).hex(),
        "action_digest": action(REQUEST, CALLER).hex(),
    } == {name: value for name, value in VECTORS.items() if name != "input"}


def test_the_published_vectors_say_what_was_asked() -> None:
    """Hashes without what they are of could be made again by nobody."""
    asked = {
        "caller": {
            "identity_id": CALLER.identity_id,
            "principal": asdict(CALLER.principal),
            "acting_for": CALLER.acting_for,
        },
        "request": asdict(REQUEST),
        "lane_c": {"system": "system", "user": REQUEST.text, "output_cap": 512},
        "max_cost_nanousd": 7_000_000,
    }

    assert json.loads(json.dumps(asked)) == VECTORS["input"]


def test_the_context_hash_is_what_the_page_says() -> None:
    """Anyone can recompute it without this code."""
    item = listed([b"note", b"1", b"", "données".encode()])

    assert digested("chenu.context.v1", [b"acme", b"business", listed([item])]) == (
        canonical.context_hash("acme", REQUEST).hex()
    )


def test_every_field_of_a_request_but_its_id_is_compared() -> None:
    """A field that is left out could be changed under an id that is already answered."""
    assert {field.name for field in fields(QueryRequest)} - {"request_id"} == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_any_field_changes_the_content(name: str) -> None:
    """Same digest, same request."""
    changed = replace(REQUEST, **{name: CHANGES[name]})

    assert canonical.content_digest(REQUEST) != canonical.content_digest(changed)


def test_the_id_is_no_part_of_the_content() -> None:
    """The id names the content; it is not in it."""
    other = replace(REQUEST, request_id="00000000-0000-4000-8000-000000000000")

    assert canonical.content_digest(REQUEST) == canonical.content_digest(other)
    assert action(REQUEST, CALLER) == action(other, CALLER)


@pytest.mark.parametrize(
    "caller",
    [
        replace(CALLER, identity_id="other"),
        replace(CALLER, principal=Principal(type=PrincipalType.USER, id="écrivain")),
        replace(CALLER, principal=Principal(type=PrincipalType.AGENT, id="bob")),
        replace(CALLER, acting_for=()),
        replace(CALLER, acting_for=("user:ann", "user:bob")),
    ],
)
def test_an_approval_is_for_exactly_this_caller(caller: Caller) -> None:
    """Another identity, type, principal or delegation is another action."""
    assert action(REQUEST, CALLER) != action(REQUEST, caller)


@pytest.mark.parametrize(
    "name", ["text", "intents", "target", "context_items", "agent_role", "routing"]
)
def test_an_approval_is_for_exactly_this_action(name: str) -> None:
    """Whatever changes what would be done needs a new approval."""
    assert action(REQUEST, CALLER) != action(replace(REQUEST, **{name: CHANGES[name]}), CALLER)


def test_an_approval_is_for_at_most_this_cost() -> None:
    """A dearer run needs a new approval."""
    assert action(REQUEST, CALLER) != action(REQUEST, CALLER, 7_000_001)
