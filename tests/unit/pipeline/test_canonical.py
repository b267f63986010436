"""Digests of requests, against published vectors and an encoder of the test's own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from chenu_server.action import Target
from chenu_server.caller import Caller, Principal
from chenu_server.engine import CanonicalRequest
from chenu_server.pipeline.conversation import (
    ChatMessage,
    Conversation,
    Medium,
    Part,
    ResponseFormat,
    Sampling,
    Thinking,
    Tool,
    ToolUse,
    asked,
    text_part,
)
from chenu_server.pipeline.model import ContextItem, QueryRequest, Routing
from chenu_server.vocabulary import Intent, Mode, PartKind, PrincipalType, Role, Sphere, ToolEffect
from chenu_server.vocabulary import MessageRole as Speaker

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/request.json").read_text("utf-8"))

PICTURE = Medium(media_type="image/png", sha256="ab" * 32, size=7, width=2, height=1)
REQUEST = QueryRequest(
    request_id="7f1c4f4e-9d0a-4c53-9a3e-2a0a6d2f9b11",
    conversation=Conversation(
        messages=(
            ChatMessage(Speaker.SYSTEM, (text_part("Sois bref."),)),
            ChatMessage(
                Speaker.USER,
                (
                    Part(kind=PartKind.TEXT, text="Quel temps ?", cached=True),
                    text_part("Supprime tous mes anciens fils\u0000 🎈"),
                    Part(kind=PartKind.IMAGE, text="", media=PICTURE),
                ),
            ),
            ChatMessage(
                Speaker.ASSISTANT,
                (
                    Part(kind=PartKind.REASONING, text="hm", signature="s1", redacted="r1"),
                    Part(kind=PartKind.TOOL_CALL, text='{"a":1}', call_id="c1", name="look"),
                ),
            ),
            ChatMessage(
                Speaker.TOOL,
                (Part(kind=PartKind.TOOL_RESULT, text="no", call_id="c1", is_error=True),),
            ),
        ),
        tools=(
            Tool(
                name="look",
                effect=ToolEffect.READ,
                description="Looks.",
                parameters='{"type":"object"}',
            ),
        ),
        tool_use=ToolUse(choice="named", tool="look", parallel=False),
        sampling=Sampling(
            temperature=0.1, top_p=0.9, stop=("END",), seed=-7, presence_penalty=-0.5
        ),
        response_format=ResponseFormat(kind="json_schema", name="answer", schema="{}"),
        thinking=Thinking(effort="low", budget_tokens=1_024),
    ),
    mode=Mode.GENERATION,
    intents=(Intent.DELETE, Intent.SEND),
    sphere=Sphere.BUSINESS,
    target=Target(operation="nova.query", kind="thread", id="42", sphere=Sphere.SCHOLAR),
    context_items=(ContextItem(kind="note", id="1", sphere=None, content="données"),),
    agent_role="nova",
    routing=Routing(task_type="code", required_capabilities=("json",), regions=("eu",)),
    max_output_tokens=512,
    max_cost_nanousd=5_000_000,
    detached=True,
    thread_id="fil 1",
    run_id="run",
    labels=(("team", "a"), ("zone", "é")),
    agent_id="éclaireur",
    department="études",
)
MESSAGES = REQUEST.conversation.messages


def changed_message(message: int, **changes: Any) -> Conversation:
    """The conversation with one message changed."""
    messages = list(MESSAGES)
    messages[message] = replace(messages[message], **changes)
    return replace(REQUEST.conversation, messages=tuple(messages))


def changed_part(message: int, at: int = 0, **changes: Any) -> Conversation:
    """The conversation with one part changed."""
    parts = list(MESSAGES[message].parts)
    parts[at] = replace(parts[at], **changes)
    return changed_message(message, parts=tuple(parts))


def changed_tool(**changes: Any) -> Conversation:
    """The conversation with its tool changed."""
    tool = replace(REQUEST.conversation.tools[0], **changes)
    return replace(REQUEST.conversation, tools=(tool,))


def changed_sampling(**changes: Any) -> Conversation:
    """The conversation with its sampling changed."""
    sampling = replace(REQUEST.conversation.sampling, **changes)
    return replace(REQUEST.conversation, sampling=sampling)


CALLER = Caller(
    principal=Principal(type=PrincipalType.AGENT, id="écrivain"),
    identity_id="acme",
    roles=frozenset({Role.MEMBER}),
    acting_for=("user:ann",),
)
CHANGES: dict[str, Any] = {
    "conversation": asked("other"),
    "mode": Mode.COMMAND,
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
    "thread_id": "",
    "run_id": "",
    "labels": (),
    "agent_id": "",
    "department": "",
}
# Each is one thing of the conversation that an approval binds, changed.
IN_CONVERSATION: dict[str, Conversation] = {
    "a role": changed_message(0, role=Speaker.USER),
    "a text": changed_part(1, text="other"),
    "a cache hint": changed_part(1, cached=False),
    "a call's arguments": changed_part(2, at=1, text='{"a":2}'),
    "a call's tool": changed_part(2, at=1, name="other"),
    "a call's id": changed_part(2, at=1, call_id="c2"),
    "a signature": changed_part(2, signature="s2"),
    "a redacted thought": changed_part(2, redacted="r2"),
    "a file": changed_part(1, at=2, media=replace(PICTURE, sha256="ac" * 32)),
    "a file's type": changed_part(1, at=2, media=replace(PICTURE, media_type="image/gif")),
    "a file's size": changed_part(1, at=2, media=replace(PICTURE, size=8)),
    "a file's address": changed_part(1, at=2, media=Medium(url="https://a")),
    "no file": changed_part(1, at=2, media=None),
    "a result's outcome": changed_part(3, is_error=False),
    "a message less": replace(REQUEST.conversation, messages=MESSAGES[1:]),
    "no tools": replace(REQUEST.conversation, tools=()),
    "a tool's effect": changed_tool(effect=ToolEffect.WRITE),
    "a tool's name": changed_tool(name="other"),
    "a tool's description": changed_tool(description=""),
    "a tool's parameters": changed_tool(parameters=""),
    "the choice of tools": replace(REQUEST.conversation, tool_use=ToolUse()),
    "parallel calls": replace(
        REQUEST.conversation, tool_use=ToolUse(choice="named", tool="look", parallel=True)
    ),
    "the last bit of a temperature": changed_sampling(temperature=0.1 + 2**-56),
    "a zero penalty's sign": changed_sampling(presence_penalty=-0.0),
    "no seed": changed_sampling(seed=None),
    "the stops": changed_sampling(stop=()),
    "the format": replace(REQUEST.conversation, response_format=ResponseFormat()),
    "the thinking": replace(REQUEST.conversation, thinking=Thinking(effort="high")),
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
    return CanonicalRequest(request).action_digest(
        identity_id=caller.identity_id,
        principal=(caller.principal.type, caller.principal.id),
        acting_for=caller.acting_for,
        intents=request.intents,
        system="system",
        messages=None,
        output_cap=512,
        context=CanonicalRequest(request).context_hash(caller.identity_id),
        max_cost_nanousd=max_cost,
    )


def test_the_published_vectors_hold() -> None:
    """A digest that changes between versions would break every stored approval."""
    assert {
        "content_digest": CanonicalRequest(REQUEST).content_digest().hex(),
        "context_hash": CanonicalRequest(REQUEST).context_hash("acme").hex(),
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
        "lane_c": {"system": "system", "output_cap": 512},
        "max_cost_nanousd": 7_000_000,
    }

    assert json.loads(json.dumps(asked)) == VECTORS["input"]


def test_the_context_hash_is_what_the_page_says() -> None:
    """Anyone can recompute it without this code."""
    item = listed([b"note", b"1", b"", "données".encode()])
    short = replace(REQUEST, conversation=asked("Quoi ?"))
    part = listed([b"text", b"Quoi ?", b"", b"", b"", b"", b"\0\0"])
    messages = listed([listed([b"user", listed([part])])])
    fields = [b"acme", b"business", b"fil 1", listed([item]), messages]

    assert (
        digested("chenu.context.v2", fields) == CanonicalRequest(short).context_hash("acme").hex()
    )


def test_every_field_of_a_request_but_its_id_is_compared() -> None:
    """A field that is left out could be changed under an id that is already answered."""
    assert {field.name for field in fields(QueryRequest)} - {"request_id"} == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_any_field_changes_the_content(name: str) -> None:
    """Same digest, same request."""
    changed = replace(REQUEST, **{name: CHANGES[name]})

    assert CanonicalRequest(REQUEST).content_digest() != CanonicalRequest(changed).content_digest()


def test_the_id_is_no_part_of_the_content() -> None:
    """The id names the content; it is not in it."""
    other = replace(REQUEST, request_id="00000000-0000-4000-8000-000000000000")

    assert CanonicalRequest(REQUEST).content_digest() == CanonicalRequest(other).content_digest()
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
    "name",
    [
        "conversation",
        "mode",
        "intents",
        "target",
        "context_items",
        "agent_role",
        "routing",
        "agent_id",
        "department",
    ],
)
def test_an_approval_is_for_exactly_this_action(name: str) -> None:
    """Whatever changes what would be done needs a new approval."""
    assert action(REQUEST, CALLER) != action(replace(REQUEST, **{name: CHANGES[name]}), CALLER)


@pytest.mark.parametrize("what", IN_CONVERSATION)
def test_an_approval_is_for_exactly_this_conversation(what: str) -> None:
    """A part that could be changed behind an approval would be one that nobody approved."""
    other = replace(REQUEST, conversation=IN_CONVERSATION[what])

    assert action(REQUEST, CALLER) != action(other, CALLER)
    assert CanonicalRequest(REQUEST).content_digest() != CanonicalRequest(other).content_digest()


def test_an_approval_is_for_at_most_this_cost() -> None:
    """A dearer run needs a new approval."""
    assert action(REQUEST, CALLER) != action(REQUEST, CALLER, 7_000_001)
