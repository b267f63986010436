"""How many bytes of a request are no media, read from the wire and bounded by what it may be."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from chenu.api.governance.v1 import identity_service_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2
from chenu_server.errors import InvalidField
from chenu_server.infra.rpc.media import Media, media_in

FIELD = descriptor_pb2.FieldDescriptorProto
PACKAGE = "chenu.api.pipeline.v1"
KINDS = {"string": FIELD.TYPE_STRING, "bytes": FIELD.TYPE_BYTES, "int64": FIELD.TYPE_INT64}
# A contract with media, as small as one can be.
MESSAGES = {
    "Image": {"data": (1, "bytes"), "media_type": (2, "string")},
    "Document": {"title": (1, "string"), "data": (2, "bytes")},
    "Part": {"text": (1, "string"), "image": (5, "Image"), "document": (6, "Document")},
    "Turn": {"role": (1, "int64"), "parts": (2, "Part")},
    "Ask": {"text": (2, "string"), "turns": (16, "Turn")},
    "Run": {"ask": (1, "Ask")},
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="media.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            made = message.field.add(name=field, number=number, label=FIELD.LABEL_OPTIONAL)
            if kind in KINDS:
                made.type = KINDS[kind]
            else:
                made.type, made.type_name = FIELD.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            if field in ("parts", "turns"):
                made.label = FIELD.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [f"{PACKAGE}.{name}" for name in MESSAGES]
    return {
        name.rpartition(".")[2]: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in names
    }


CLASSES = _classes()
ASK, RUN = CLASSES["Ask"], CLASSES["Run"]
LARGE = 10**9


def media_of(kind: Any) -> Media:
    """Where this message holds media."""
    found = media_in(kind.DESCRIPTOR)
    assert found is not None
    return found


part = st.one_of(
    st.builds(lambda it: {"text": it}, st.text(max_size=300)),
    st.builds(lambda it: {"image": {"data": it, "media_type": "image/png"}}, st.binary()),
    st.builds(lambda it: {"document": {"data": it, "title": "A"}}, st.binary(max_size=300)),
)
turn = st.fixed_dictionaries(
    {"role": st.integers(-(2**63), 2**63 - 1), "parts": st.lists(part, max_size=5)}
)


@given(st.lists(turn, max_size=5), st.text(max_size=100))
def test_all_but_the_bytes_of_media_counts(turns: list[dict[str, Any]], text: str) -> None:
    """The limit without media holds for everything else, names and lengths too."""
    ask = ASK(text=text, turns=turns)
    data = sum(
        len(each.get("image", each.get("document", {})).get("data", b""))
        for it in turns
        for each in it["parts"]
    )

    for kind, message in ((ASK, ask), (RUN, RUN(ask=ask))):
        sent = message.SerializeToString()
        assert len(sent) - data == media_of(kind).rest_bytes(sent, LARGE)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_counted(sent: bytes, cut: int) -> None:
    """Bytes that are no message are refused where they are decoded, not here."""
    whole = ASK(turns=[{"parts": [{"image": {"data": sent}}]}]).SerializeToString()

    for each in (sent, whole[:cut], whole + sent):
        assert 0 <= media_of(ASK).rest_bytes(each, LARGE) <= len(each)


@given(st.binary(max_size=200))
def test_what_is_no_message_counts_as_no_media(sent: bytes) -> None:
    """Else garbage of 20 MiB would reach the decoder."""
    garbage = b"\xff" * 10 + sent

    assert len(garbage) == media_of(ASK).rest_bytes(garbage, LARGE)


def test_the_work_is_bounded_by_what_is_allowed() -> None:
    """A million empty parts are two bytes each on the wire and a hundred in memory."""
    parts: list[Any] = [{}] * 1_000_000 + [{"image": {"data": b"not looked at"}}]
    sent = ASK(turns=[{"parts": parts}]).SerializeToString()

    few = media_of(ASK).rest_bytes(sent, 1_000)

    assert 1_000 < few < 1_010
    with pytest.raises(InvalidField, match="more fields than any request"):
        media_of(ASK).rest_bytes(sent, LARGE)


@pytest.mark.parametrize(
    "request_", [identity_service_pb2.WhoAmIRequest, pipeline_service_pb2.WatchRequest]
)
def test_a_request_without_parts_holds_no_media(request_: Any) -> None:
    """It is refused by its length alone."""
    assert media_in(request_.DESCRIPTOR) is None


@pytest.mark.parametrize(
    "request_", [pipeline_service_pb2.QueryRequest, pipeline_service_pb2.RunRequest]
)
def test_a_request_with_parts_may_hold_media(request_: Any) -> None:
    """Whether it does is up to the parts that the contract has."""
    assert media_in(request_.DESCRIPTOR) is not None
