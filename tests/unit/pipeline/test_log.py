"""A query's log: every reader sees everything once, from any cursor."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.caller import Principal
from chenu_server.errors import GovernanceUnavailable, QueryCancelled
from chenu_server.pipeline import log as log_module
from chenu_server.pipeline.bell import Bell
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.model import Cursor
from chenu_server.pipeline.output import TEXT
from chenu_server.pipeline.records import Asked, EventSegment, OutputChunk
from chenu_server.vocabulary import EventKind, PrincipalType, QueryStatus
from tests.contract.tables import samples

KEY = ("acme", "query")
KIB_64 = 65_536
ASKED = Asked(Principal(type=PrincipalType.SERVICE, id="backend"), b"content")


def event(sequence: int, kind: EventKind = EventKind.LANE_START, **body: object) -> Event:
    """A committed event."""
    return Event(sequence=sequence, kind=kind, time_us=sequence, body=body)


def started(sequence: int) -> Event:
    """The start of attempt 1."""
    return event(sequence, EventKind.LLM_CALL_START, attempt=1)


def completed(sequence: int) -> Event:
    """The end of attempt 1."""
    return event(sequence, EventKind.LLM_CALL_COMPLETE, attempt=1)


def final(sequence: int) -> Event:
    """The one final event."""
    return event(sequence, EventKind.PIPELINE_COMPLETE)


def segment(*events: Event) -> EventSegment:
    """What one command committed."""
    return EventSegment(
        identity_id=KEY[0], request_id=KEY[1], first_sequence=events[0].sequence, events=events
    )


def chunk(offset: int, text: str) -> OutputChunk:
    """A stored piece of attempt 1."""
    return OutputChunk(
        identity_id=KEY[0], request_id=KEY[1], attempt=1, part=0, offset=offset, text=text
    )


async def read(log: QueryLog, after: Cursor = Cursor()) -> list[Event]:  # noqa: B008 - frozen
    """Everything behind a cursor, until the log ends."""
    return [each async for each in log.follow(after, 0)]


def output(events: list[Event]) -> str:
    """What the deltas say together."""
    deltas = [each for each in events if each.kind is EventKind.LLM_CALL_DELTA]
    return "".join(each.body["text"] for each in deltas)


def whole_log(pieces: list[str]) -> QueryLog:
    """An ended log whose attempt 1 said these pieces."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(1), started(2)])
    for piece in pieces:
        log.delta(1, 0, TEXT, piece)
    log.commit([completed(3), final(4)])
    return log


async def test_events_that_come_early_wait_for_their_turn() -> None:
    """A commit that overtakes the load of what was stored loses nothing."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(3), final(4)])
    log.load([segment(event(1), event(2))], [])

    assert [1, 2, 3, 4] == [each.sequence for each in await read(log)]


async def test_known_events_are_not_repeated() -> None:
    """What is loaded again was seen already."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(1), event(2)])
    log.load([segment(event(1), event(2)), segment(final(3))], [])

    assert [1, 2, 3] == [each.sequence for each in await read(log)]


async def test_stored_output_stands_before_its_calls_end() -> None:
    """A reader of the store sees what a live reader saw, in the same order."""
    log = QueryLog(KEY, ASKED)
    log.load([segment(started(1), completed(2), final(3))], [chunk(0, "é"), chunk(2, "b")])

    events = await read(log)

    assert [1, 0, 2, 3] == [each.sequence for each in events]
    assert "éb" == output(events)


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8), st.data())
def test_reading_on_from_any_piece_gives_the_rest(pieces: list[str], data: st.DataObject) -> None:
    """Nothing is missed and nothing repeated, wherever a reader was."""
    seen = data.draw(st.integers(min_value=0, max_value=len(pieces)))
    head, tail = "".join(pieces[:seen]), "".join(pieces[seen:])
    cursor = Cursor(sequence=2, attempt=1, offset=len(head.encode()))

    events = asyncio.run(read(whole_log(pieces), cursor))

    assert tail == output(events)
    assert [3, 4] == [each.sequence for each in events if each.sequence]


async def test_neighbouring_pieces_come_as_one_delta() -> None:
    """A reader that is behind catches up with one message."""
    events = await read(whole_log(["a", "b", "c"]))

    deltas = [each for each in events if each.kind is EventKind.LLM_CALL_DELTA]
    heading = {"kind": "text", "name": "", "call_id": ""}
    whole = {"attempt": 1, "part": 0, "offset": 0, "text": "abc", **heading}
    assert [whole] == [each.body for each in deltas]


WORST = {
    "nothing": [],
    "nothing, said": ["", ""],
    "characters of every width": ["aé", "€🎈", "", "b"],
    "a text that fits by its characters alone": ["é" * 40_000, "€"],
    "one byte at a time": ["a"] * 70_000,
    "exactly one delta": ["a" * KIB_64],
    "exactly one delta in pieces": ["a" * 16_384] * 4,
    "a byte too many": ["a" * KIB_64, "b"],
    "one long piece": ["xyz" * 100_000],
    "a character over the edge": ["a" * (KIB_64 - 1) + "🎈b"],
    "a character over the edge, alone": ["a" * (KIB_64 - 3), "🎈", "b"],
    "nothing but wide characters": ["🎈" * 16_384, "🎈" * 16_385],
}


def deltas_of(events: list[Event]) -> list[tuple[int, str]]:
    """Each delta's offset and text."""
    deltas = [each.body for each in events if each.kind is EventKind.LLM_CALL_DELTA]
    return [(body["offset"], body["text"]) for body in deltas]


@pytest.mark.parametrize("case", WORST)
async def test_a_delta_is_at_most_64_kib_and_all_of_them_are_the_output(case: str) -> None:
    """However it came: a reader's message has a bound, and no character is cut."""
    deltas = deltas_of(await read(whole_log(WORST[case])))

    sizes = [len(text.encode()) for _, text in deltas]
    assert [sum(sizes[:number]) for number in range(len(sizes))] == [at for at, _ in deltas]
    assert "".join(WORST[case]) == "".join(text for _, text in deltas)
    assert max(sizes, default=0) <= KIB_64
    assert -(-sum(sizes) // (KIB_64 - 3)) >= len(sizes)


@pytest.mark.parametrize("case", WORST)
async def test_a_reader_goes_on_behind_any_delta(case: str) -> None:
    """A connection that is cut between two of them costs nothing."""
    log = whole_log(WORST[case])
    deltas = deltas_of(await read(log))

    for number, (offset, _) in enumerate(deltas):
        rest = await read(log, Cursor(sequence=2, attempt=1, offset=offset))
        assert deltas[number:] == deltas_of(rest)


async def test_a_reader_goes_on_inside_a_long_piece() -> None:
    """A cursor may come from a reader that was given other pieces."""
    log = whole_log(["é" * 100_000])

    deltas = deltas_of(await read(log, Cursor(sequence=2, attempt=1, offset=70_002)))

    assert 70_002 == deltas[0][0]
    assert 200_000 - 70_002 == sum(len(text.encode()) for _, text in deltas)
    assert max(len(text.encode()) for _, text in deltas) <= KIB_64


async def test_who_is_behind_does_not_wait_for_what_is_there() -> None:
    """Gathering is for little text; a late reader would never catch up with a fast model."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(1), started(2)])
    log.delta(1, 0, TEXT, "a" * 200_000)

    async with asyncio.timeout(20), aclosing(log.follow(Cursor(sequence=2), 3_600)) as events:
        sizes = [len((await anext(events)).body["text"]) for _ in range(3)]

    assert [KIB_64] * 3 == sizes


async def test_a_refused_query_tells_everyone_now_and_later() -> None:
    """A refusal before admission reaches whoever attached, in time or not."""
    log = QueryLog(KEY, ASKED)
    early = asyncio.create_task(read(log))
    await asyncio.sleep(0)
    log.refuse(QueryCancelled("query"))

    with pytest.raises(QueryCancelled):
        await early
    with pytest.raises(QueryCancelled):
        await read(log)
    with pytest.raises(QueryCancelled):
        await log.rest()


async def test_todays_readers_fail_while_the_log_goes_on() -> None:
    """When the end cannot be recorded, readers learn it; who comes back gets the answer."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(1)])
    reading = asyncio.create_task(read(log))
    waiting = asyncio.create_task(log.rest())
    await asyncio.sleep(0)
    log.fail_readers(GovernanceUnavailable())

    with pytest.raises(GovernanceUnavailable):
        await reading
    with pytest.raises(GovernanceUnavailable):
        await waiting

    log.commit([final(2)])
    assert [1, 2] == [each.sequence for each in await read(log)]


async def test_a_refused_run_is_no_end_for_who_only_watches() -> None:
    """Somebody else's `Continue` that finds no slot ends nobody's watch."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(1)])

    async def watched() -> list[Event]:
        return [each async for each in log.follow(Cursor(), 0, asks=False)]

    asking, watching = asyncio.create_task(read(log)), asyncio.create_task(watched())
    await asyncio.sleep(0)
    log.fail_readers(GovernanceUnavailable(), watchers=False)
    log.commit([final(2)])

    with pytest.raises(GovernanceUnavailable):
        await asking
    assert [1, 2] == [each.sequence for each in await watching]


async def test_a_log_that_nobody_holds_is_forgotten() -> None:
    """Memory is bounded by who runs and who reads."""
    hub = LogHub()
    log = hub.create(KEY, ASKED)
    assert log is hub.find(KEY)

    del log
    assert hub.find(KEY) is None


async def test_a_dropped_log_does_not_take_its_successor_along() -> None:
    """An id whose run came to nothing starts afresh."""
    hub = LogHub()
    first = hub.create(KEY, ASKED)
    second = hub.create(KEY, ASKED)
    hub.drop(first)

    assert second is hub.find(KEY)


async def test_who_was_led_on_is_ended_by_either_log() -> None:
    """What follows the first query for an id may fail: its readers must not wait on for ever."""
    first, other = QueryLog(KEY, ASKED), QueryLog(("acme", "other"), ASKED)
    resting = asyncio.create_task(other.rest())
    following = asyncio.create_task(anext(other.follow(Cursor(), 0)))
    await asyncio.sleep(0)
    other.lead_to(first)
    await asyncio.sleep(0)

    other.fail_readers(GovernanceUnavailable())
    ends = await asyncio.wait_for(asyncio.gather(resting, following, return_exceptions=True), 5)

    assert [GovernanceUnavailable] * 2 == [type(each) for each in ends]


async def test_an_answer_is_shown_once_all_who_follow_have_its_first_piece() -> None:
    """Not when it is said, nor when a reader has it in hand: when it has handed it over."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(1), started(2)])
    log.delta(1, 0, TEXT, "a")
    async with aclosing(log.follow(Cursor(), 0)) as one, aclosing(log.follow(Cursor(), 0)) as two:
        taken = [[await anext(reader) for _ in range(3)] for reader in (one, two)]
        shown = asyncio.ensure_future(log.shown(3_600))
        states = []
        for reader in (one, two):
            further = asyncio.ensure_future(anext(reader))
            for _ in range(3):
                await asyncio.sleep(0)
            states.append(shown.done())
            further.cancel()
            await asyncio.wait([further])

    assert ["a", "a"] == [output(events) for events in taken]
    assert [False, True] == states


@pytest.mark.parametrize("leaves", [True, False])
async def test_whoever_does_not_take_it_holds_no_end_up(*, leaves: bool) -> None:
    """One that has left is not waited for, and one that is slow not for long."""
    log = QueryLog(KEY, ASKED)
    log.commit([event(1), started(2)])
    log.delta(1, 0, TEXT, "a")
    async with aclosing(log.follow(Cursor(), 0)) as reader:
        await anext(reader)
        shown = asyncio.ensure_future(log.shown(3_600 if leaves else 0.001))
        await asyncio.sleep(0)
        waits = not shown.done()
        if leaves:
            await reader.aclose()
        await shown

    assert waits


async def test_nobody_waits_for_what_was_not_said_or_is_not_followed() -> None:
    """A tool call is told with its commit; who asks for the whole answer takes no pieces."""
    silent, asked = QueryLog(KEY, ASKED), QueryLog(KEY, ASKED)
    asked.delta(1, 0, TEXT, "a")
    resting = asyncio.ensure_future(asked.rest())
    async with aclosing(silent.follow(Cursor(), 0)) as reader:
        waiting = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        shown = [log.shown(3_600) for log in (silent, asked)]
        ended = [next(each.__await__(), "at once") for each in shown]
        waiting.cancel()
        await asyncio.wait([waiting])
    resting.cancel()

    assert ["at once", "at once"] == ended


async def test_a_piece_is_held_back_until_the_window_of_the_last_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is said 5 ms behind a delta waits for 15 of its 20, and the first waits for nothing."""
    now, held = 100.0, []

    async def over_at_once(_bell: Bell, within_s: float) -> None:
        nonlocal now
        held.append(round(within_s, 6))
        now += within_s + 1e-6

    monkeypatch.setattr(log_module, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(Bell, "wait", over_at_once)
    log = QueryLog(KEY, ASKED)
    log.delta(1, 0, TEXT, "a")
    async with aclosing(log.follow(Cursor(), 0.02)) as reader:
        first, held_first = await anext(reader), list(held)
        now += 0.005
        log.delta(1, 0, TEXT, "b")
        second = await anext(reader)

    assert ("a", "b") == (first.body["text"], second.body["text"])
    assert ([], [0.015]) == (held_first, held)


async def test_whoever_waits_for_a_rest_goes_on_with_it_even_if_it_is_over() -> None:
    """A block whose approval is used in the same turn was a rest; the next one is waited for."""
    log = QueryLog(KEY, ASKED)
    waiting = [asyncio.create_task(log.until_rested()) for _ in range(2)]
    leaving = asyncio.create_task(log.until_rested())
    await asyncio.sleep(0)
    leaving.cancel()
    log.set_query(replace(samples.QUERY, status=QueryStatus.BLOCKED))
    log.reopen()
    await asyncio.gather(*waiting)
    later = asyncio.create_task(log.until_rested())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    goes_on = not later.done()
    log.refuse(QueryCancelled("query"))
    await later

    assert goes_on
    assert leaving.cancelled()


async def test_who_waits_for_the_whole_answer_sleeps_through_its_pieces() -> None:
    """A turn of the loop for each piece would be for nothing."""
    log = QueryLog(KEY, ASKED)
    resting, reading = asyncio.create_task(log.rest()), asyncio.create_task(read(log))
    await asyncio.sleep(0)
    waiting = {reader: reader._waiter for reader in log._readers}
    log.commit([event(1), started(2)])
    log.delta(1, 0, TEXT, "a")
    woken = [reader.takes for reader, waiter in waiting.items() if waiter and waiter.done()]
    log.commit([completed(3), final(4)])
    log.set_query(replace(samples.QUERY, status=QueryStatus.COMPLETED))
    await asyncio.gather(resting, reading)

    assert [True] == woken
