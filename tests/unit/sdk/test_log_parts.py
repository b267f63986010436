"""An answer of several parts is read once, whole and in order, over any number of connections."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu.api.pipeline.v1 import conversation_pb2, event_pb2
from chenu.log import LogGap, LogReader
from tests.unit.sdk.gateway import (
    called,
    completed,
    delta,
    failed,
    kind_of,
    output_parts,
    part_complete,
    piece,
    said_in,
    started,
)

Part = conversation_pb2.Part
THOUGHT = Part(reasoning=conversation_pb2.Reasoning(text="hé"))
HIDDEN = Part(reasoning=conversation_pb2.Reasoning(redacted="r"))
TEXT, MORE = Part(text="so🎈"), Part(text="é")
CALL = Part(
    tool_call=conversation_pb2.ToolCall(call_id="c1", name="look", arguments_json='{"é":1}')
)
ANSWERS: dict[str, list[Part]] = {
    "a text": [TEXT],
    "a thought, a text and two calls": [THOUGHT, TEXT, CALL, CALL],
    "a call between two texts": [TEXT, CALL, MORE],
    "calls alone": [CALL, CALL],
    "a thought that is hidden": [HIDDEN, TEXT],
}


def log_of(parts: Sequence[Part], step: int = 1) -> list[event_pb2.Event]:
    """The log of an answer, as the server tells it: calls behind all else, in pieces."""
    live = [number for number, part in enumerate(parts) if not part.HasField("tool_call")]
    calls = [number for number, part in enumerate(parts) if part.HasField("tool_call")]
    events = [started(1), called(2)]
    for number in live:
        events += pieces(number, parts[number], step)
    for number in live:
        events.append(part_complete(_next(events), number, parts[number]))
    for number in calls:
        events += pieces(number, parts[number], step)
        events.append(part_complete(_next(events), number, parts[number]))
    length = sum(len(said_in(part).encode()) for part in parts)
    return [*events, completed(_next(events), length, parts)]


def pieces(number: int, part: Part, step: int) -> list[event_pb2.Event]:
    """A part's deltas, of some characters each."""
    said = said_in(part)
    return [
        piece(part, number, len(said[:start].encode()), said[start : start + step])
        for start in range(0, len(said), step)
    ]


def _next(events: Sequence[event_pb2.Event]) -> int:
    return max(event.sequence for event in events) + 1


def shown(parts: Sequence[Part]) -> list[Part]:
    """What a reader holds of an answer: a thought that is hidden has nothing to read."""
    return [part for part in parts if said_in(part)]


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_log_is_its_answer(answer: str) -> None:
    """Text is the text parts; parts are all that was said."""
    parts = ANSWERS[answer]
    reader = LogReader()
    for event in log_of(parts):
        reader.read(event)

    assert shown(parts) == reader.parts
    assert "".join(part.text for part in parts) == reader.text


@given(
    answer=st.sampled_from(sorted(ANSWERS)),
    steps=st.lists(st.integers(1, 5), min_size=5, max_size=5),
    stops=st.lists(st.integers(0, 20), min_size=5, max_size=5),
)
def test_any_cuts_and_repeats_give_the_same_parts(
    answer: str, steps: list[int], stops: list[int]
) -> None:
    """Every connection may begin anew, with other pieces: what was read is known by part."""
    parts = ANSWERS[answer]
    reader, read = LogReader(), ""
    for step, stop in zip([*steps, 1], [*stops, None], strict=True):
        for event in log_of(parts, step)[:stop]:
            fresh = reader.read(event)
            if fresh is not None and fresh.HasField("llm_call_delta"):
                read += fresh.llm_call_delta.text
                told = fresh.llm_call_delta
                assert (told.kind != 0) == (told.offset == 0)

    order = sorted(parts, key=lambda part: part.HasField("tool_call"))
    assert "".join(map(said_in, order)) == read
    assert shown(parts) == reader.parts


def test_a_place_in_the_log_names_its_part() -> None:
    """The server tells what was read of the others by it."""
    reader = LogReader()
    for event in log_of([THOUGHT, TEXT])[:6]:
        reader.read(event)

    assert (2, 1, 1, 2) == (
        reader.cursor.sequence,
        reader.cursor.attempt,
        reader.cursor.part,
        reader.cursor.offset,
    )


def test_a_hole_is_noticed_in_the_part_that_has_it() -> None:
    """Another part's bytes fill none."""
    reader = LogReader()
    reader.read(piece(THOUGHT, 0, 0, "hé"))
    reader.read(piece(TEXT, 1, 0, "s"))

    with pytest.raises(LogGap, match="text at byte 2 came after 1"):
        reader.read(piece(TEXT, 1, 2, "🎈"))


def test_each_part_is_cut_to_what_was_stored() -> None:
    """After a crash a reader may hold more of any of them, or one that is not there at all."""
    reader = LogReader()
    for event in log_of([THOUGHT, TEXT, MORE])[:-4]:
        reader.read(event)
    end = failed(3, "EXECUTION_INTERRUPTED", 3)
    end.pipeline_error.query.output_parts.extend(output_parts([THOUGHT, Part(text="so")]))
    reader.read(end)

    assert [THOUGHT, Part(text="so")] == reader.parts
    assert "so" == reader.text


def test_nothing_that_is_stored_is_nothing() -> None:
    """The row of a query whose answer was lost tells of no part."""
    reader = LogReader()
    for event in log_of([THOUGHT, TEXT])[:-3]:
        reader.read(event)
    reader.read(failed(3, "EXECUTION_INTERRUPTED"))

    assert ([], "") == (reader.parts, reader.text)


def test_a_server_from_before_parts_tells_one_text() -> None:
    """It sends no kind, no end of a part and no list of them."""
    reader = LogReader()
    reader.read(delta(0, "abcdef"))
    held = reader.text
    reader.read(completed(1, 3))

    assert ("abcdef", "abc", [Part(text="abc")]) == (held, reader.text, reader.parts)


def test_a_reader_that_began_inside_a_thought_learns_what_it_was() -> None:
    """From the part's end at the latest; then it is no text."""
    reader = LogReader(event_pb2.Cursor(sequence=2, attempt=1, part=0, offset=1))
    reader.read(piece(THOUGHT, 0, 1, "é"))
    reader.read(piece(TEXT, 1, 0, "so🎈"))
    reader.read(part_complete(3, 0, THOUGHT))

    assert "so🎈" == reader.text
    assert kind_of(THOUGHT) == kind_of(reader.parts[0])
