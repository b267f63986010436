"""A log that is read over any number of connections is read once, whole and in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu.api.pipeline.v1 import event_pb2
from chenu.log import LogGap, LogReader
from tests.unit.sdk.gateway import blocked, called, completed, created, delta, failed, started


def pieces(text: str, cuts: set[int], offset: int = 0) -> list[event_pb2.Event]:
    """The part of `text` from byte `offset` on as deltas, cut before these characters."""
    found, start = [], 0
    for end in [*sorted(cut for cut in cuts if 0 < cut < len(text)), len(text)]:
        piece, at = text[start:end], len(text[:start].encode())
        start = end
        unread = piece.encode()[max(0, offset - at) :].decode()
        if unread:
            found.append(delta(max(at, offset), unread))
    return found


@given(
    text=st.text(max_size=30),
    cuts=st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=5),
    stops=st.lists(st.integers(0, 12), min_size=5, max_size=5),
    back=st.integers(0, 3),
)
def test_any_cuts_and_repeats_give_the_same_text(
    text: str, cuts: list[set[int]], stops: list[int], back: int
) -> None:
    """However the server cuts a text and wherever connections break, it is read once."""
    reader, read = LogReader(), ""
    for stop, cut in zip([*stops, None], [*cuts, *[set()] * 6], strict=False):
        boundaries = [len(text[:count].encode()) for count in range(len(text) + 1)]
        place = boundaries.index(reader.cursor.offset)
        again = boundaries[max(0, place - back)]  # a server may send more than was asked
        for event in pieces(text, cut, again)[:stop]:
            fresh = reader.read(event)
            read += fresh.llm_call_delta.text if fresh else ""

    assert text == read
    assert text == reader.text


def test_an_event_that_was_read_is_not_read_again() -> None:
    """A server that starts a little before the cursor repeats nothing to the caller."""
    reader = LogReader()
    log = [started(1), called(2)]

    assert [True, True, False, False] == [reader.read(event) is not None for event in log * 2]


def test_a_skipped_event_is_noticed() -> None:
    """Sequences are dense, so a hole is a loss and not a matter of taste."""
    reader = LogReader()
    reader.read(started(1))

    with pytest.raises(LogGap, match="event 3 came after 1"):
        reader.read(called(3))


def test_skipped_text_is_noticed() -> None:
    """An answer with a hole would look whole."""
    reader = LogReader()
    reader.read(delta(0, "abc"))

    with pytest.raises(LogGap, match="text at byte 5 came after 3"):
        reader.read(delta(5, "f"))


def test_half_read_text_is_given_from_where_it_is_new() -> None:
    """Chunks are coalesced anew after a cut, so a chunk can begin before the cursor."""
    reader = LogReader()
    reader.read(delta(0, "na"))
    fresh = reader.read(delta(0, "naïve"))

    assert fresh is not None
    assert (2, "ïve") == (fresh.llm_call_delta.offset, fresh.llm_call_delta.text)


def test_another_attempt_starts_the_text_again() -> None:
    """A failover's answer is the new attempt's, not a mixture."""
    reader = LogReader()
    reader.read(delta(0, "first"))
    reader.read(delta(0, "second", attempt=2))
    late = reader.read(delta(5, "!", attempt=1))

    assert late is None
    assert "second" == reader.text


@pytest.mark.parametrize("final", [completed(1, 3), failed(1, "EXECUTION_INTERRUPTED", 3)])
def test_the_final_event_cuts_text_that_was_not_stored(final: event_pb2.Event) -> None:
    """After a crash a reader can have seen more than was kept; what is stored is the answer."""
    reader = LogReader()
    reader.read(delta(0, "abcdef"))
    reader.read(final)

    assert "abc" == reader.text


def test_a_reader_that_began_late_cuts_at_the_right_byte() -> None:
    """The stored length counts from the answer's start, not from the reader's."""
    reader = LogReader(event_pb2.Cursor(attempt=1, offset=2))
    reader.read(delta(2, "cdef"))
    reader.read(completed(1, 3))

    assert "c" == reader.text


def test_a_live_event_has_no_place() -> None:
    """`rate_limit.queued` before admission is shown and moves nothing."""
    reader = LogReader()
    live = event_pb2.Event(type=event_pb2.EVENT_TYPE_RATE_LIMIT_QUEUED)

    assert live == reader.read(live)
    assert event_pb2.Cursor() == reader.cursor


def test_a_decision_lifts_the_block() -> None:
    """Whether the query waits is read from the log, not remembered from the start."""
    reader = LogReader()
    for event in (created(1), blocked(2)):
        reader.read(event)
    waited = reader.blocked
    reader.read(event_pb2.Event(sequence=3, checkpoint_resolved=event_pb2.CheckpointResolved()))

    assert (True, False) == (waited, reader.blocked)
