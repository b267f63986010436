"""A log of an answer of several parts: live, committed and loaded it is one and the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.errors import InvalidField
from chenu_server.operations.run import Settle
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.decide import parts_of
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.model import Cursor
from chenu_server.pipeline.output import LIVE
from chenu_server.pipeline.records import EventSegment, OutputChunk
from chenu_server.vocabulary import EventKind, PartKind
from tests.contract.tables import samples
from tests.unit.operations.samples import World, ended, settlement
from tests.unit.pipeline.test_log import ASKED, KEY, KIB_64, event, final, segment, started

QUERY = samples.QUERY
COMPLETED, FAILED = EventKind.LLM_CALL_COMPLETE, EventKind.LLM_CALL_ERROR


def text(said: str) -> Part:
    """A part of text."""
    return Part(kind=PartKind.TEXT, text=said)


def thought(said: str, signature: str = "", redacted: str = "") -> Part:
    """A part of reasoning."""
    return Part(kind=PartKind.REASONING, text=said, signature=signature, redacted=redacted)


def call(arguments: str, name: str = "look") -> Part:
    """A tool call."""
    return Part(kind=PartKind.TOOL_CALL, text=arguments, name=name, call_id=f"id of {name}")


ANSWERS = {
    "one text": (text("né🎈"),),
    "a thought, a text and two calls": (
        thought("hé", signature="s"),
        text("so🎈"),
        call('{"é":1}'),
        call("{}", "save"),
    ),
    "calls alone": (call("{}"), call('{"é":1}', "save")),
    "a text behind a call": (text("aé"), call('{"é":1}'), text("bé"), call("{}", "save")),
    "a call in front of all": (call('{"é":1}'), text("é")),
    "a thought that is kept from us": (thought("", redacted="r"), text("é"), call("{}")),
    "a part that was left empty": (text("é"), text(""), call("{}")),
    "nothing": (),
}


@dataclass
class Committed:
    """What the command that settles an answer leaves."""

    chunks: list[OutputChunk]
    events: EventSegment

    @classmethod
    def of(cls, parts: Sequence[Part], *, ends: EventKind = COMPLETED) -> Committed:
        """The rows for an answer of attempt 1, or for what a failed one had said."""
        world = World()
        admitted = world.admitted()
        answered = settlement(admitted, ended(admitted, 1), output=tuple(parts))
        world.act(Settle(answered, world.rules))
        chunks = [
            OutputChunk(**{**fields_of(chunk), "identity_id": KEY[0], "request_id": KEY[1]})
            for chunk in world.rows.published
            if isinstance(chunk, OutputChunk)
        ]
        wholes = [
            event.body
            for rows in world.rows.all(EventSegment)
            for event in rows.events
            if event.kind is EventKind.PART_COMPLETE
        ]
        events = [
            Event(sequence=sequence, kind=EventKind.PART_COMPLETE, time_us=0, body=body)
            for sequence, body in enumerate(wholes if ends is COMPLETED else [], 3)
        ]
        behind = 3 + len(events)
        events += [event(behind, ends, attempt=1), final(behind + 1)]
        return cls(chunks, segment(*events))


def fields_of(chunk: OutputChunk) -> dict[str, Any]:
    """A row's values by name."""
    return {name: getattr(chunk, name) for name in OutputChunk.__slots__}


def said_live(log: QueryLog, parts: Sequence[Part], pieces: int = 1) -> None:
    """What readers get while the provider speaks: all but its calls."""
    log.commit([event(1), started(2)])
    for number, part in enumerate(parts):
        if part.kind is not PartKind.TOOL_CALL:
            for start in range(0, len(part.text), pieces):
                piece = part.text[start : start + pieces]
                log.delta(1, number, LIVE[part.kind.value], piece)


def settled(log: QueryLog, committed: Committed) -> None:
    """The unit's rows as the writer hands them over."""
    hub = LogHub()
    hub._logs[KEY] = log
    hub.on_commit([*committed.chunks, committed.events])


def live_log(parts: Sequence[Part]) -> QueryLog:
    """The log of who ran it."""
    log = QueryLog(KEY, ASKED)
    said_live(log, parts)
    settled(log, Committed.of(parts))
    return log


def stored_log(parts: Sequence[Part]) -> QueryLog:
    """The log of who reads it long after."""
    log, committed = QueryLog(KEY, ASKED), Committed.of(parts)
    log.load([segment(event(1), started(2)), committed.events], committed.chunks)
    return log


def read(log: QueryLog, after: Cursor = Cursor()) -> list[Event]:  # noqa: B008 - frozen
    """Everything behind a cursor, until the log ends."""

    async def events() -> list[Event]:
        return [each async for each in log.follow(after, 0)]

    return asyncio.run(events())


def shape(events: Sequence[Event]) -> list[tuple[str, Any]]:
    """Events without their times."""
    return [(each.kind.value, dict(each.body)) for each in events]


def cursors(events: Sequence[Event]) -> list[tuple[Cursor, list[tuple[str, str]]]]:
    """Every place at which a reader can stop, and what it has not read there, per byte."""
    atoms: list[tuple[str, str]] = []
    places = [Cursor()]
    for each in events:
        last = places[-1]
        if each.kind is not EventKind.LLM_CALL_DELTA:
            atoms.append((each.kind.value, str(each.sequence)))
            places.append(Cursor(each.sequence, last.attempt, last.part, last.offset))
            continue
        offset = each.body["offset"]
        for character in each.body["text"]:
            offset += len(character.encode())
            atoms.append((str(each.body["part"]), character))
            places.append(Cursor(last.sequence, 1, each.body["part"], offset))
    return [(place, atoms[number:]) for number, place in enumerate(places)]


def atoms_of(events: Sequence[Event]) -> list[tuple[str, str]]:
    """What was read, per character."""
    return cursors(events)[0][1]


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_log_that_is_loaded_says_what_the_live_one_said(answer: str) -> None:
    """One mechanism: the same events with the same pieces, in the same order."""
    parts = ANSWERS[answer]

    live, loaded = read(live_log(parts)), read(stored_log(parts))

    assert shape(loaded) == shape(live)
    assert parts == live_log(parts).parts == stored_log(parts).parts
    assert parts_of(Committed.of(parts).chunks) == parts


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("made", [live_log, stored_log])
def test_a_reader_goes_on_from_every_place(answer: str, made: Any) -> None:
    """Wherever in whichever part: nothing is missed, and nothing repeated."""
    log = made(ANSWERS[answer])

    for place, rest in cursors(read(log)):
        assert rest == atoms_of(read(log, place)), place


@pytest.mark.parametrize("answer", ANSWERS)
def test_each_part_is_complete_behind_its_pieces(answer: str) -> None:
    """The first piece alone says what the part is; its end says it again, and how long it is."""
    parts = ANSWERS[answer]
    read_of: dict[int, str] = {}
    wholes = 0

    for each in read(live_log(parts)):
        body = each.body
        if each.kind is EventKind.LLM_CALL_DELTA:
            part = parts[body["part"]]
            told = (body.get("kind"), body.get("name"), body.get("call_id"))
            first = (part.kind.value, part.name, part.call_id)
            assert told == (first if body["offset"] == 0 else (None, None, None))
            read_of[body["part"]] = read_of.get(body["part"], "") + body["text"]
        elif each.kind is EventKind.PART_COMPLETE:
            wholes += 1
            assert parts[body["part"]].text == read_of.pop(body["part"], "")
            assert body["length"] == len(parts[body["part"]].text.encode())
        elif each.kind is COMPLETED:
            assert len(parts) == wholes

    assert {} == read_of


def test_a_call_is_told_to_nobody_before_it_is_committed() -> None:
    """Who acts on a call acts on a decision that is durable."""
    parts = ANSWERS["a text behind a call"]

    async def both() -> tuple[list[Event], list[Event]]:
        log = QueryLog(KEY, ASKED)
        said_live(log, parts, pieces=10)
        before: list[Event] = []
        following = log.follow(Cursor(), 0)
        async for each in following:
            before.append(each)
            if len(before) == 4:
                break
        committed = Committed.of(parts)
        for chunk in committed.chunks:
            log.store(chunk)
        await asyncio.sleep(0)
        assert not [item for item in log._items if getattr(item, "part", None) in {1, 3}]
        log.commit(committed.events.events)
        return before, [each async for each in following]

    before, after = asyncio.run(both())

    assert ["aé", "bé"] == [each.body["text"] for each in before[2:]]
    behind = [each.body["part"] for each in after if each.kind is EventKind.LLM_CALL_DELTA]
    assert [1, 3] == behind


def test_arguments_come_in_pieces_of_at_most_64_kib() -> None:
    """Like any other output; a character is never cut."""
    arguments = f'{{"a":"{"é" * 100_000}"}}'
    events = read(live_log((call(arguments),)))

    bodies = [each.body for each in events if each.kind is EventKind.LLM_CALL_DELTA]
    pieces = [body["text"] for body in bodies]

    assert arguments == "".join(pieces)
    assert ["name" in body for body in bodies] == [True] + [False] * (len(bodies) - 1)
    assert max(len(piece.encode()) for piece in pieces) <= KIB_64


@given(st.lists(st.sampled_from("ab"), min_size=2, max_size=8), st.integers(0, 3))
def test_a_delta_holds_bytes_of_one_part(kinds: list[str], empty: int) -> None:
    """Neighbouring pieces are joined inside a part and never over its edge."""
    parts = [text(kind * 2) if kind == "a" else thought(kind * 2) for kind in kinds]
    parts.insert(min(empty, len(parts)), text(""))

    events = read(live_log(parts))

    deltas = [each.body for each in events if each.kind is EventKind.LLM_CALL_DELTA]
    numbers = [number for number, part in enumerate(parts) if part.text]
    assert [(number, parts[number].text) for number in numbers] == [
        (body["part"], body["text"]) for body in deltas
    ]


@pytest.mark.parametrize("made", [live_log, stored_log])
def test_a_place_inside_a_character_is_none(made: Any) -> None:
    """In a text and in arguments alike; offsets count from the part's own begin."""
    log = made(ANSWERS["a text behind a call"])

    for part, offset in ((0, 2), (1, 3), (2, 2)):
        with pytest.raises(InvalidField, match="inside a character"):
            read(log, Cursor(sequence=2, attempt=1, part=part, offset=offset))


def test_what_a_failed_attempt_had_said_stands_before_its_end() -> None:
    """It has no complete part, and what was stored of it is told from its log all the same."""
    parts = (thought("hé"), text("so"))
    committed = Committed.of(parts, ends=FAILED)
    live, loaded = QueryLog(KEY, ASKED), QueryLog(KEY, ASKED)
    said_live(live, parts)
    settled(live, committed)
    loaded.load([segment(event(1), started(2)), committed.events], committed.chunks)

    assert shape(read(live)) == shape(read(loaded))
    kinds = [each.kind for each in read(loaded)]
    assert [EventKind.LLM_CALL_DELTA] * 2 + [FAILED, EventKind.PIPELINE_COMPLETE] == kinds[2:]


def test_a_commit_that_overtakes_the_load_tells_each_part_once() -> None:
    """Its pieces wait with its events for what is in front of them."""
    parts = ANSWERS["a thought, a text and two calls"]
    log, committed = QueryLog(KEY, ASKED), Committed.of(parts)
    settled(log, committed)
    log.load([segment(event(1), started(2)), committed.events], committed.chunks)

    assert shape(read(stored_log(parts))) == shape(read(log))
    assert {} == log._stored


def test_a_part_that_is_taken_up_again_is_the_decoders_mistake() -> None:
    """A reader behind part 1 would never be given what came of part 0 after it."""
    log = QueryLog(KEY, ASKED)
    log.delta(1, 0, LIVE["text"], "a")
    log.delta(1, 1, LIVE["text"], "b")

    with pytest.raises(AssertionError, match="in one go"):
        log.delta(1, 0, LIVE["text"], "c")
