"""Requests of very many items, each of two bytes: refused before anyone looks at one."""

from __future__ import annotations

import pytest

from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.unit.rpc.samples import Served

QUERY = "/chenu.api.pipeline.v1.PipelineService/Query"
UNKNOWN_FIELD = b"\xfa\x3f\x00"  # field 1023, empty
FIELDS = pb.QueryRequest.DESCRIPTOR.fields_by_name


def varint(value: int) -> bytes:
    """An integer as the wire has it."""
    sent = bytearray()
    while value > 0x7F:
        sent.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*sent, value])


def field(number: int, content: bytes = b"") -> bytes:
    """A field that has a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def within(name: str, inner: str) -> int:
    """The number of a field in a message that a query holds."""
    kind = FIELDS[name].message_type
    assert kind is not None
    return int(kind.fields_by_name[inner].number)


PARTS = field(FIELDS["messages"].number, field(within("messages", "parts")) * 131_000)
WORDS = field(FIELDS["routing"].number, field(within("routing", "required_capabilities")) * 131_000)
PICTURE = cp.ChatMessage(parts=[cp.Part(image=cp.Image(data=b"x" * 270_000))])
PICTURES = pb.QueryRequest(messages=[PICTURE]).SerializeToString()
MANY = {
    "parts": (PARTS, "messages.parts"),
    "messages": (field(FIELDS["messages"].number) * 80_000, "messages"),
    "words": (WORDS, "routing.required_capabilities"),
    "unknown fields": (UNKNOWN_FIELD * 80_000, "request"),
    "parts beside a file": (PICTURES + PARTS, "request"),
    "unknown fields beside a file": (
        PICTURES + field(FIELDS["tools"].number, UNKNOWN_FIELD * 80_000),
        "tools",
    ),
}


@pytest.mark.parametrize(("sent", "named"), MANY.values(), ids=MANY)
async def test_a_request_of_very_many_items_is_refused_before_they_are_looked_at(
    served: Served, sent: bytes, named: str
) -> None:
    """Half a megabyte of empty parts held every other call up for a third of a second."""
    refusal = await served.refusal(QUERY, sent)

    assert ("INVALID_FIELD", named) == (refusal.reason, refusal.info.metadata["field"])
    assert [] == served.script.texts


async def test_a_conversation_as_long_as_it_may_be_is_served(served: Served) -> None:
    """The bounds on items are above the contract's."""
    texts = [cp.Part(text="x", cache_hint=cp.CACHE_HINT_EPHEMERAL)] * 960
    pictures = [cp.Part(image=cp.Image(media_type="image/png", data=b"x" * 9_000))] * 64
    query = pb.QueryRequest(
        messages=[cp.ChatMessage(role=cp.MESSAGE_ROLE_USER, parts=texts + pictures)]
        + [cp.ChatMessage(role=cp.MESSAGE_ROLE_USER)] * 199,
        tools=[cp.Tool(name="t", description="d", parameters="{}")] * 128,
        context_items=[pb.ContextItem()] * 64,
    )

    await served.call(QUERY, query.SerializeToString())

    assert [""] == served.script.texts
