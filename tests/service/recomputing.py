"""The action digest of what an approver reads, made from ARCHITECTURE.md §8 and nothing else."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from tests.binding.encoding import digest, encode_list

ROUTING_NAMES = (
    ("task_type", "priority", "strategy", "preferred_provider", "preferred_model"),
    ("required_capabilities", "allowed_providers", "forbidden_providers", "regions"),
)
SPOKEN = {
    cb.CONTENT_KIND_TEXT,
    cb.CONTENT_KIND_TOOL_CALL,
    cb.CONTENT_KIND_TOOL_RESULT,
    cb.CONTENT_KIND_REASONING,
    cb.CONTENT_KIND_IMAGE,
    cb.CONTENT_KIND_DOCUMENT,
}
ESCAPES = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "\n": "&#10;", "\r": "&#13;"}


def texts(*values: str) -> bytes:
    """A list of texts."""
    return encode_list([value.encode() for value in values])


def number(value: int) -> bytes:
    """An integer."""
    return value.to_bytes(8, "big", signed=True)


def recomputed(whole: list[tuple[Any, str, bytes]]) -> bytes:
    """The action digest of what was read, from ARCHITECTURE.md §8 and nothing else."""
    by_kind = {kind: data for kind, _, data in whole}
    facts = json.loads(by_kind[cb.CONTENT_KIND_FACTS])
    contents = [data.decode() for kind, _, data in whole if kind == cb.CONTENT_KIND_CONTEXT_ITEM]
    items = list(zip(facts["context_items"], contents, strict=True))
    listed = encode_list(
        [texts(item["kind"], item["id"], item["sphere"], content) for item, content in items]
    )
    said = conversation_of(whole, facts)
    context = context_of(said, facts, listed)
    tag = digest("chenu.block.v2", [listed, number(0)]).hex()[:16] if items else ""
    assert tag == facts["context_tag"]
    opening = next(each for each in said["messages"] if each["role"] == "user")["parts"][0]
    opening["text"] = "\n\n".join([*(block(tag, *each) for each in items), opening["text"]])
    system = by_kind[cb.CONTENT_KIND_SYSTEM]
    sent = [system, conversation_bytes(said), number(facts["output_cap"])]
    kind, _, name = facts["principal"].partition(":")
    target, routing = facts["target"], facts["routing"]
    single, several = ROUTING_NAMES
    limits = [routing[each].encode() for each in single]
    return digest(
        "chenu.action.v2",
        [
            facts["identity"].encode(),
            kind.encode(),
            name.encode(),
            texts(*facts["acting_for"]),
            facts["mode"].encode(),
            texts(*facts["intents"]),
            facts["operation"].encode(),
            texts(target["operation"], target["kind"], target["id"], target["sphere"]),
            encode_list(sent),
            context,
            encode_list(
                [
                    facts["agent_role"].encode(),
                    encode_list([*limits, *(texts(*routing[each]) for each in several)]),
                    facts["agent_id"].encode(),
                    facts["department"].encode(),
                ]
            ),
            number(facts["max_cost_nanousd"]),
        ],
    )


def reservation_digest(facts_json: bytes, description: bytes) -> bytes:
    """The same of a reservation."""
    facts = json.loads(facts_json)
    kind, _, name = facts["principal"].partition(":")
    target = facts["target"]
    reservation = [
        number(facts["amount_nanousd"]),
        texts(facts["operation"], target["kind"], target["id"], target["sphere"]),
        description,
        texts(*facts["intents"]),
        facts["sphere"].encode(),
        facts["run_id"].encode(),
        encode_list([texts(*each) for each in sorted(facts["labels"].items())]),
        number(facts["ttl_ms"]),
    ]
    return digest(
        "chenu.reservation.v1",
        [
            facts["identity"].encode(),
            kind.encode(),
            name.encode(),
            texts(*facts["acting_for"]),
            facts["request_id"].encode(),
            encode_list(reservation),
        ],
    )


def context_of(said: dict[str, Any], facts: dict[str, Any], items: bytes) -> bytes:
    """Lane B's hash."""
    messages = encode_list([said_by(message) for message in said["messages"]])
    names = [facts[name].encode() for name in ("identity", "sphere", "thread_id")]
    return digest("chenu.context.v2", [*names, items, messages])


def conversation_of(whole: list[tuple[Any, str, bytes]], facts: dict[str, Any]) -> dict[str, Any]:
    """The conversation: what the facts say of it, and the texts that were read beside them."""
    spoken = [(name, data) for kind, name, data in whole if kind in SPOKEN]
    said: dict[str, Any] = facts["conversation"]
    for at, message in enumerate(said["messages"]):
        for part_at, part in enumerate(message["parts"]):
            name, data = spoken.pop(0)
            assert name in {"", f"{at}/{part_at}"}
            if "media" not in part:
                part["text"] = data.decode()
            elif part["media"]["url"]:
                assert data.decode() == part["media"]["url"]
            else:
                assert hashlib.sha256(data).hexdigest() == part["media"]["sha256"]
                assert len(data) == part["media"]["size"]
    assert not spoken
    return said


def said_by(message: dict[str, Any]) -> bytes:
    """A message as a digest takes it in."""
    names = ("kind", "text", "call_id", "name", "signature", "redacted")
    parts = [
        encode_list(
            [
                *(part[name].encode() for name in names),
                bytes([part["is_error"], part["cached"]]),
                *file_of(part.get("media")),
            ]
        )
        for part in message["parts"]
    ]
    return encode_list([message["role"].encode(), encode_list(parts)])


def file_of(media: dict[str, Any] | None) -> list[bytes]:
    """What else an image or a document has there."""
    if media is None:
        return []
    named = [media["media_type"].encode(), media["url"].encode()]
    return [*named, bytes.fromhex(media["sha256"]), number(media["size"])]


def conversation_bytes(said: dict[str, Any]) -> bytes:
    """A conversation as a digest takes it in."""
    use, how, wanted = said["tool_use"], said["sampling"], said["response_format"]
    parallel = b"" if use["parallel"] is None else bytes([use["parallel"]])
    tools = [
        texts(tool["name"], tool["effect"], tool["description"], tool["parameters"])
        for tool in said["tools"]
    ]
    return encode_list(
        [
            encode_list([said_by(message) for message in said["messages"]]),
            encode_list(tools),
            encode_list([use["choice"].encode(), use["tool"].encode(), parallel]),
            encode_list(
                [
                    double(how["temperature"]),
                    double(how["top_p"]),
                    texts(*how["stop"]),
                    b"" if how["seed"] is None else number(how["seed"]),
                    double(how["presence_penalty"]),
                    double(how["frequency_penalty"]),
                ]
            ),
            texts(wanted["kind"], wanted["name"], wanted["schema"]),
            encode_list(
                [said["thinking"]["effort"].encode(), number(said["thinking"]["budget_tokens"])]
            ),
        ]
    )


def double(value: float | None) -> bytes:
    """A float's eight bytes; none where it was not told."""
    return b"" if value is None else struct.pack(">d", value)


def block(tag: str, item: dict[str, str], content: str) -> str:
    """A context block as lane C writes it."""
    kind, name = ("".join(ESCAPES.get(one, one) for one in item[key]) for key in ("kind", "id"))
    return f'<context-{tag} kind="{kind}" id="{name}">\n{content}\n</context-{tag}>'
