"""Events cut from bytes, wherever the network cut them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.providers.model import ProviderFailure
from chenu_server.providers.sse import (
    EVENT_BYTES_MAX,
    EventBuffer,
    TextJoiner,
    json_object,
    token_count,
)

STREAM = (
    b'event: a\ndata: {"n":1}\n\n: comment\nid: 7\ndata:{"n":2}\r\n\r\n'
    b"data: one\ndata: two\n\n\n\nretry: 3\n\ndata: [DONE]\n\n"
)
EVENTS = [b'{"n":1}', b'{"n":2}', b"one\ntwo", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_do_not_depend_on_where_the_network_cuts(cuts: list[int]) -> None:
    """TCP has no events: any cut is legal, inside a line end too."""
    buffer = EventBuffer()
    edges = [0, *sorted(cuts), len(STREAM)]

    events = [
        event
        for start, end in itertools.pairwise(edges)
        for event in buffer.feed(STREAM[start:end])
    ]

    assert EVENTS == events


def test_an_event_without_its_blank_line_is_not_an_event() -> None:
    """A stream cut inside an event must not pass half of it on."""
    assert [] == EventBuffer().feed(b"data: [DONE]\n")


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 65_536, b"data: " + b"x" * 65_536 + b"\n"])
def test_an_endless_event_is_an_error(chunk: bytes) -> None:
    """A provider must not fill this process's memory, in one line or in many."""
    buffer = EventBuffer()
    for _ in range(EVENT_BYTES_MAX // 65_536 - 1):
        buffer.feed(chunk)

    with pytest.raises(ProviderFailure, match="larger than"):
        buffer.feed(chunk + chunk)


def test_a_surrogate_pair_cut_between_two_deltas_is_one_character() -> None:
    """Some providers cut between UTF-16 units; half of one cannot be sent on."""
    joiner = TextJoiner()

    assert ["a", "🙂b"] == [joiner.join("a\ud83d"), joiner.join("\ude42b")]


@given(st.lists(st.text(st.characters(exclude_categories=()), min_size=1)))
def test_joined_text_can_always_be_encoded(texts: list[str]) -> None:
    """Text that cannot be encoded would fail far from here, in the transport."""
    joiner = TextJoiner()

    joined = "".join(joiner.join(text) for text in texts)

    assert joined == joined.encode().decode()


@given(st.text())
def test_whole_text_passes_unchanged(text: str) -> None:
    """Repair touches nothing that is not broken."""
    assert text == TextJoiner().join(text)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1", b"null", b"\xff", b"[" * 100_000])
def test_an_event_that_is_no_object_is_an_error(data: bytes) -> None:
    """Whatever a provider sends, the caller sees one kind of failure."""
    with pytest.raises(ProviderFailure, match="malformed"):
        json_object(data)


@pytest.mark.parametrize("value", [-1, 1.5, "7", True, 1 << 40, [], float("nan")])
def test_usage_that_is_no_count_is_an_error(value: object) -> None:
    """Money is computed from these: a guess would be a wrong bill."""
    with pytest.raises(ProviderFailure, match="malformed"):
        token_count({"n": value}, "n")


def test_usage_that_is_absent_or_null_is_zero() -> None:
    """Providers leave out the classes that they do not have."""
    assert (0, 0) == (token_count({}, "n"), token_count({"n": None}, "n"))
