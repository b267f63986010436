"""Output that one process tells another: a log there is the log here, whatever came when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chenu_server.command import Key
from chenu_server.errors import GovernanceUnavailable
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.elsewhere import Elsewhere, Said
from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.output import LIVE
from chenu_server.pipeline.pieces import Saying
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.stop import StopReason
from chenu_server.vocabulary import PartKind, QueryStatus
from tests.contract.db.gate import until
from tests.contract.tables import samples
from tests.unit.pipeline.test_log import ASKED, KEY, event, segment, started
from tests.unit.pipeline.test_log_parts import (
    ANSWERS,
    Committed,
    atoms_of,
    call,
    live_log,
    read,
    settled,
    text,
    thought,
)

BEGUN = segment(event(1), started(2))
RUNNING = replace(samples.QUERY, status=QueryStatus.RUNNING, owner_id="other")


@asynccontextmanager
async def following(process: Process) -> AsyncIterator[None]:
    """Somebody waits there, and what it follows has been told."""
    if process.log.query is None:
        process.log.set_query(RUNNING)
    reading = asyncio.create_task(process.log.rest())
    await asyncio.sleep(0)
    process.elsewhere.followed("me")
    yield
    reading.cancel()


class Process:
    """One of two processes: its logs and runs, and what it reads of what is stored."""

    def __init__(self) -> None:
        self.hub = LogHub()
        self.runs: dict[Key, QueryRun] = {}
        self.loads = 0
        self.broken: set[Key] = set()
        self.elsewhere = Elsewhere(self.hub, self.runs, self._load)
        self.log = self.hub.create(KEY, ASKED)

    async def _load(self, log: QueryLog) -> None:
        if log.key in self.broken:
            raise GovernanceUnavailable
        self.loads += 1
        log.load([BEGUN], [])

    def runs_it(self) -> QueryRun:
        """The run of the query here."""
        run = QueryRun(self.log, deadline_s=60, abandon_after_s=0, detached=False)
        self.runs[KEY] = run
        return run


def tell(here: Process, there: Process, *, arrives: bool = True) -> None:
    """What one has to tell, told; without its arriving it is told again, and more."""

    async def exchange() -> list[Said]:
        async with following(there):
            said = here.elsewhere.said()
            await there.elsewhere.output(said)
        return said

    said = asyncio.run(exchange())
    if arrives:
        here.elsewhere.has_told(said, ())


parts = st.lists(
    st.one_of(st.text(min_size=1, max_size=6).map(text), st.text(min_size=1).map(thought)),
    max_size=3,
)


@given(
    st.one_of(parts, st.sampled_from([list(answer) for answer in ANSWERS.values()])),
    st.lists(st.sampled_from(["tell", "lose", ""]), min_size=40, max_size=40),
    st.booleans(),
)
def test_a_log_that_was_told_is_the_log_that_was_live(
    answer: list[Part], steps: list[str], begun: bool
) -> None:
    """Whichever pieces arrived, once or twice, before the rest was committed: nothing is lost."""

    async def run_at(here: Process) -> None:
        here.runs_it()

    here, there = Process(), Process()
    asyncio.run(run_at(here))
    here.elsewhere.watched([KEY])
    here.log.commit(BEGUN.events)
    if begun:
        there.log.load([BEGUN], [])
    said_in_steps(here, there, answer, steps)
    committed = Committed.of(answer)
    there.log.load([BEGUN], [])
    settled(there.log, committed)
    settled(here.log, committed)

    assert atoms_of(read(live_log(answer))) == atoms_of(read(here.log))
    assert atoms_of(read(here.log)) == atoms_of(read(there.log))


def said_in_steps(
    here: Process, there: Process, answer: Sequence[Part], steps: Sequence[str]
) -> None:
    """Say all but the calls a character at a time, and after each do as the next step wants."""
    wanted = iter(steps)
    for number, part in enumerate(answer):
        if part.kind is PartKind.TOOL_CALL:
            continue
        for character in part.text:
            here.log.delta(1, number, LIVE[part.kind.value], character)
            if step := next(wanted, ""):
                tell(here, there, arrives=step == "tell")


async def test_output_waits_for_the_beginning_of_its_attempt() -> None:
    """It was committed before anything was said, and may be read later than that."""
    here, there = Process(), Process()
    here.runs_it()
    here.elsewhere.watched([KEY])
    here.log.commit(BEGUN.events)
    here.log.delta(1, 0, LIVE["text"], "so")
    async with following(there):
        await there.elsewhere.output(here.elsewhere.said())

    assert 1 == there.loads
    assert 1 == there.log.attempt
    assert (text("so"),) == there.log.parts


async def test_who_leaves_and_comes_back_meanwhile_misses_nothing() -> None:
    """The rows that are on their way go on where the last reader was, and not at the beginning."""
    here, there = Process(), Process()
    here.runs_it()
    here.elsewhere.watched([KEY])
    here.log.commit(BEGUN.events)
    for said in ("Hello ", "world"):
        here.log.delta(1, 0, LIVE["text"], said)
        async with following(there):
            told = here.elsewhere.said()
            if said == "world":
                there.log = QueryLog(KEY, ASKED)  # the old one is nobody's any more
                there.log = there.hub.find(KEY) or there.hub.create(KEY, ASKED)
            await there.elsewhere.output(told)
        here.elsewhere.has_told(told, ())
    settled(there.log, Committed.of([text("Hello world")]))

    assert (text("Hello world"),) == there.log.parts


async def test_a_piece_that_is_missing_is_not_passed_over() -> None:
    """What comes behind it waits until it was told."""
    log = Process().log
    log.commit(BEGUN.events)
    log.hear(9, [Saying(1, 0, 6, "world", LIVE["text"])])
    passed = log.heard
    log.hear(9, [Saying(1, 0, 0, "Hello ", LIVE["text"]), Saying(1, 0, 6, "world", LIVE["text"])])

    assert (0, 9) == (passed, log.heard)
    assert (text("Hello world"),) == log.parts


async def test_nothing_is_told_of_what_nobody_follows() -> None:
    """Nor of it for longer than it runs; then what was told of it may go."""
    here = Process()
    here.runs_it()
    here.log.commit(BEGUN.events)
    here.log.delta(1, 0, LIVE["text"], "so")
    untold = here.elsewhere.said()
    here.elsewhere.watched([KEY])
    told = here.elsewhere.said()
    here.elsewhere.has_told(told, ())
    running = here.elsewhere.over()
    del here.runs[KEY]
    over = here.elsewhere.over()
    here.elsewhere.has_told((), over)

    assert ([], 1, [], [KEY], []) == (untold, len(told), running, over, here.elsewhere.over())


async def test_what_is_followed_is_what_somebody_here_waits_for_and_another_runs() -> None:
    """Not what this process runs itself, nor what nobody waits for, nor what rests."""
    here = Process()
    here.log.set_query(RUNNING)
    unread = here.elsewhere.followed("me")
    reading = asyncio.create_task(here.log.rest())
    await asyncio.sleep(0)

    assert [] == unread
    assert [("other", KEY, 0)] == here.elsewhere.followed("me")
    assert [] == here.elsewhere.followed("other")
    reading.cancel()


async def test_who_is_attached_elsewhere_is_attached() -> None:
    """Told once or twice; when nobody is any more the query is abandoned."""
    here = Process()
    run = here.runs_it()
    with run.attached():
        here.elsewhere.watched([KEY])
        here.elsewhere.watched([KEY])
    attached_there = run._abandoning
    here.elsewhere.watched([])
    left = run._abandoning
    await until(lambda: run.stop.reason is not None)

    assert (None, True) == (attached_there, left is not None)
    assert StopReason.ABANDONED is run.stop.reason


async def test_what_is_committed_is_read_where_it_is_followed() -> None:
    """A run that only waits for another process's is told by nobody else."""
    here = Process()
    here.runs_it().follows = True
    await here.elsewhere.committed([KEY, ("acme", "nobody's")], "me")

    assert 1 == here.loads


async def test_what_runs_here_is_told_as_it_is_made() -> None:
    """Its own commits come back by the feed, and are not read."""
    here = Process()
    here.runs_it()
    here.log.set_query(replace(RUNNING, owner_id="me"))
    await here.elsewhere.committed([KEY], "me")
    del here.runs[KEY]
    await here.elsewhere.committed([], "me")

    assert 0 == here.loads


async def test_what_ran_elsewhere_while_a_run_waited_here_is_read_once_that_is_gone() -> None:
    """It waited for its turn and was refused; the query ended at another process meanwhile."""
    here = Process()
    here.runs_it()
    await here.elsewhere.committed([KEY], "me")
    waiting = here.loads
    del here.runs[KEY]
    await here.elsewhere.committed([], "me")

    assert (0, 1) == (waiting, here.loads)


async def test_a_query_that_cannot_be_read_hides_no_other() -> None:
    """It is tried again, and warned of once."""
    here, bad = Process(), ("acme", "bad")
    kept = here.hub.create(bad, ASKED)
    here.broken.add(bad)
    with capture_logs() as logs:
        for keys in ([bad, KEY], [], []):
            await here.elsewhere.committed(keys, "me")
        read, here.broken = here.loads, set()
        await here.elsewhere.committed([], "me")

    assert (1, 2) == (read, here.loads)
    assert ["followed_query_not_read"] == [each["event"] for each in logs]
    assert kept.loaded


def test_a_long_output_is_told_in_turns() -> None:
    """One row holds no more than a database takes in its stride."""
    log = live_log([text("a" * 3_000_000), call("{}")])
    position, first = log.said_behind(0, 1 << 20)
    end, rest = log.said_behind(position, 1 << 30)

    assert 1 << 20 <= sum(len(each.text) for each in first) <= (1 << 20) + 65_536
    assert "a" * 3_000_000 + "{}" == "".join(each.text for each in [*first, *rest])
    assert (end, []) == log.said_behind(end, 1)


async def test_what_one_process_tells_is_text() -> None:
    """Names, proofs and all: it is read as it was."""
    process = Process()
    process.log.commit(BEGUN.events)
    told = Said(KEY, 3, '[[1, 0, 0, "\\u0000\\ud83c\\udf88", "text", "", ""]]')
    async with following(process):
        await process.elsewhere.output([told])

    assert (3, (text("\0🎈"),)) == (process.log.heard, process.log.parts)
