"""An id that proves another name of a query: whoever asked under it is led to that query's run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chenu_server.caller import Caller, Principal
from chenu_server.errors import ChenuError, GovernanceUnavailable, ServerOverloaded
from chenu_server.errors import QueryState as QueryStateError
from chenu_server.pipeline.conversation import asked
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.hub import LogHub
from chenu_server.pipeline.lanes.steps import Attach, Deny, Proceed
from chenu_server.pipeline.log import QueryLog
from chenu_server.pipeline.model import Cursor, QueryRequest
from chenu_server.pipeline.output import TEXT
from chenu_server.pipeline.ports import Stored
from chenu_server.pipeline.records import Asked, EventSegment, Operation
from chenu_server.pipeline.run import QueryRun
from chenu_server.pipeline.service import PipelineLimits, PipelineService
from chenu_server.pipeline.stop import StopReason
from chenu_server.vocabulary import EventKind, PrincipalType, QueryStatus, Role
from tests.contract.tables.samples import QUERY

FIRST = replace(QUERY, identity_id="acme", request_id="first", event_count=1)
CALLER = Caller(
    principal=Principal(type=FIRST.principal_type, id=FIRST.principal_id),
    identity_id="acme",
    roles=frozenset({Role.MEMBER}),
)
ASKED = Asked(Principal(type=PrincipalType.SERVICE, id="backend"), b"content")
START = Event(sequence=1, kind=EventKind.PIPELINE_START, time_us=1, body={})
END = Event(sequence=2, kind=EventKind.PIPELINE_COMPLETE, time_us=2, body={})


class NoCalls:
    """Nothing that anybody proposed is held here."""

    async def cancel(self, query: Operation, by: Principal, reason: str) -> None:
        """Nothing to do."""


@dataclass
class World:
    """A pipeline whose lane D finds the first query under whatever id is asked."""

    status: QueryStatus
    is_new: bool = False
    running_max: int = 9
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    decide: asyncio.Event = field(default_factory=asyncio.Event)
    resumed: int = 0
    cancelled: int = 0
    refusal: ChenuError | None = None
    uncancellable: ChenuError | None = None
    given_back: int = 0

    def __post_init__(self) -> None:
        self.hub = LogHub()
        lane = SimpleNamespace(run=self._proceed)
        lanes = SimpleNamespace(
            intent=lane,
            context=lane,
            encoding=lane,
            checkpoint=lane,
            governance=SimpleNamespace(run=self._known),
            resume=SimpleNamespace(prepared=self._prepared, run=self._resumed),
        )
        self.pipeline = PipelineService(
            cast(Any, lanes),
            governance=cast(Any, self),
            store=cast(Any, self),
            hub=self.hub,
            boundary=cast(Any, None),
            new_work=self,
            limits=PipelineLimits(
                deadline_s=30, abandon_after_s=30, running_max=self.running_max, tail_every_s=0
            ),
            calls=NoCalls(),
        )

    def ask(self, request_id: str = "again") -> QueryRun:
        """The run of somebody who asks under this id."""
        return self.pipeline.start(
            CALLER, QueryRequest(request_id=request_id, conversation=asked("t")), None
        )

    @property
    def query(self) -> Operation:
        """The first query as it is stored."""
        ended = self.status.is_final
        return replace(FIRST, status=self.status, event_count=2 if ended else 1, attempts=1)

    # --- the lanes ----------------------------------------------------------------------------

    async def _proceed(self, query: object, run: object) -> Proceed:
        return Proceed()

    async def _known(self, query: object, run: object) -> Attach:
        self.asked.set()
        await self.decide.wait()
        if self.refusal is not None:
            raise self.refusal
        return Attach(self.query, is_new=self.is_new)

    @asynccontextmanager
    async def _prepared(self, query: Operation, content: object) -> AsyncIterator[Any]:
        flags = SimpleNamespace(detached=True, resume_on_approval=False)
        yield SimpleNamespace(request=flags)

    async def _resumed(self, state: object, run: QueryRun) -> Deny:
        self.resumed += 1
        self.status = QueryStatus.COMPLETED
        run.log.commit((START, END))
        run.log.set_query(self.query)
        return Deny(self.query)

    # --- what is stored, counted and cancelled --------------------------------------------------

    async def get(self, identity_id: str, request_id: str) -> Operation:
        """The one query, by any of its ids."""
        return self.query

    async def whole(self, identity_id: str, request_id: str) -> Stored:
        """Its log; it has said nothing."""
        events = (START, END) if self.status.is_final else (START,)
        segment = EventSegment(
            identity_id="acme", request_id="first", first_sequence=1, events=events
        )
        return Stored(query=self.query, segments=[segment], chunks=[])

    async def content(self, identity_id: str, request_id: str) -> object:
        """Some."""
        return object()

    async def cancel(self, query: Operation, by: Principal, reason: str) -> Operation:
        """Cancelled, if it is the first."""
        assert "first" == query.request_id
        if self.uncancellable is not None:
            raise self.uncancellable
        self.cancelled += 1
        self.status = QueryStatus.CANCELLED
        return self.query

    def arrive(self, identity_id: str) -> int:
        """Counted."""
        return 1

    async def counting(self, identity_id: str, token: int) -> int:
        """By nobody else."""
        return token

    def give_back(self, identity_id: str, token: int) -> None:
        """Uncounted."""
        self.given_back += 1


def said_in(log: QueryLog) -> str:
    """What the answer says so far."""
    return "".join(part.text for part in log.parts)


async def _until(holds: Callable[[], bool]) -> None:
    """The loop runs until this holds; the test's own time limit ends it."""
    while not holds():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


@pytest.mark.parametrize("status", [QueryStatus.BLOCKED, QueryStatus.COMPLETED])
async def test_who_asks_under_another_id_is_told_what_the_first_says(status: QueryStatus) -> None:
    """The answer, and every event of the log, are the first query's."""
    world = World(status)
    world.decide.set()
    run = world.ask()
    with run.attached():
        query = await run.log.rest()

    assert ("first", status) == (query.request_id, query.status)
    assert ("acme", "first") == run.log.current.key
    if status.is_final:
        assert [START, END] == [event async for event in run.log.follow(Cursor(), 0)]


@pytest.mark.parametrize(("is_new", "given_back"), [(True, 0), (False, 1)])
async def test_only_a_known_id_is_given_back(is_new: bool, given_back: int) -> None:
    """An id that comes for the first time is new work, whatever it asks for."""
    world = World(QueryStatus.BLOCKED, is_new=is_new)
    world.decide.set()
    await world.ask().log.rest()

    assert given_back == world.given_back


async def test_an_approved_query_runs_in_the_place_of_the_id_that_asked_again() -> None:
    """The id's own walk ends there: a server with one place has it for the query."""
    world = World(QueryStatus.APPROVED, running_max=1)
    world.decide.set()
    query = await world.ask().log.rest()

    assert (QueryStatus.COMPLETED, 1) == (query.status, world.resumed)


async def test_an_approved_query_that_finds_no_place_refuses_who_asked_again() -> None:
    """And stays approved, for whoever asks next."""
    world = World(QueryStatus.APPROVED, running_max=2)
    run = world.ask()
    await world.asked.wait()
    other = world.pipeline._open_run(("acme", "x"), ASKED, 1, detached=True)
    world.pipeline._runs["acme", "x"] = world.pipeline._runs["acme", "y"] = other
    world.decide.set()

    with pytest.raises(ServerOverloaded):
        await run.log.rest()
    assert 0 == world.resumed


async def test_a_query_that_runs_elsewhere_is_followed_to_its_end() -> None:
    """Another process runs it; nobody but the database tells how far it is."""
    world = World(QueryStatus.RUNNING)
    world.decide.set()
    resting = asyncio.create_task(world.ask().log.rest())
    await _until(lambda: world.hub.find(FIRST.key) is not None)
    world.status = QueryStatus.COMPLETED

    assert QueryStatus.COMPLETED is (await resting).status


@pytest.mark.parametrize("overtakes", [True, False])
async def test_who_cannot_cancel_ends_no_wait(overtakes: bool) -> None:
    """A query that runs elsewhere goes on: only who wanted it to end is told that it does not."""
    world = World(QueryStatus.RUNNING)
    resting = asyncio.create_task(world.ask().log.rest())
    await world.asked.wait()
    if not overtakes:
        world.decide.set()
        await _until(lambda: world.hub.find(FIRST.key) is not None)
    cancelling = asyncio.create_task(world.pipeline.cancel(CALLER, "again", "no"))
    await asyncio.sleep(0)
    world.decide.set()

    with pytest.raises(QueryStateError):
        await asyncio.wait_for(cancelling, 10)
    waits = not resting.done()
    world.status = QueryStatus.COMPLETED

    assert waits
    assert QueryStatus.COMPLETED is (await resting).status
    assert 0 == world.cancelled


async def test_all_ids_of_a_query_that_runs_elsewhere_follow_it_together() -> None:
    """It is one run of this server, however many ask: counted, shared, and ended by a shutdown."""
    world = World(QueryStatus.RUNNING)
    world.decide.set()
    resting = [asyncio.create_task(world.ask(name).log.rest()) for name in ("again", "third")]
    await _until(lambda: [FIRST.key] == list(world.pipeline._runs))
    running, first = world.pipeline.running, world.pipeline._runs[FIRST.key]

    await world.pipeline.drain(0.01)

    refused = await asyncio.gather(*resting, return_exceptions=True)
    assert (1, StopReason.SHUTDOWN) == (running, first.stop.reason)
    assert [ServerOverloaded] * 2 == [type(each) for each in refused]
    assert 0 == world.pipeline.running


@pytest.mark.parametrize("request_id", ["first", "again"])
async def test_who_asks_is_told_what_is_now_and_not_what_somebody_has_read(request_id: str) -> None:
    """Another process took the query further while a reader here still holds its log."""
    world = World(QueryStatus.BLOCKED)
    world.decide.set()
    blocked = world.ask(request_id)
    before = await blocked.log.rest()
    await _until(lambda: not world.pipeline.running)
    world.status = QueryStatus.COMPLETED

    after = await world.ask(request_id).log.rest()

    assert [QueryStatus.BLOCKED, QueryStatus.COMPLETED] == [before.status, after.status]


async def test_a_repeat_of_another_id_takes_nothing_from_who_reads_under_it() -> None:
    """Whose name the id is was known to the first: it reads on to the end, whatever lane D says."""
    world = World(QueryStatus.RUNNING)
    world.decide.set()
    one = world.ask()
    reading = asyncio.create_task(_read(one))
    await _until(lambda: FIRST.key in world.pipeline._runs)
    log = world.pipeline._runs[FIRST.key].log
    world.decide.clear()
    two = world.ask()
    world.status = QueryStatus.COMPLETED
    log.delta(1, 0, TEXT, "the answer")
    log.commit((END,))
    log.set_query(world.query)
    read = await asyncio.wait_for(reading, 10)
    world.refusal = ServerOverloaded(1, "units")
    world.decide.set()

    with pytest.raises(ServerOverloaded):
        await two.log.rest()
    assert (QueryStatus.COMPLETED, "the answer", FIRST.key) == read
    assert (FIRST.key, "the answer") == (one.log.current.key, said_in(one.log))


async def _read(run: QueryRun) -> tuple[QueryStatus, str, object]:
    """What somebody is answered who asks once."""
    with run.attached():
        query = await run.log.rest()
        return query.status, said_in(run.log), run.log.current.key


async def test_an_approved_query_that_could_not_be_cancelled_can_still_be_run() -> None:
    """Who cancelled is refused; nothing that only follows stands in the query's place."""
    world = World(QueryStatus.APPROVED)
    world.uncancellable = GovernanceUnavailable()
    asking = asyncio.create_task(world.ask().log.rest())
    await world.asked.wait()
    cancelling = asyncio.create_task(world.pipeline.cancel(CALLER, "again", "no"))
    await asyncio.sleep(0)
    world.decide.set()
    with pytest.raises(GovernanceUnavailable):
        await asyncio.wait_for(cancelling, 10)
    with pytest.raises(ServerOverloaded):
        await asyncio.wait_for(asking, 10)

    continued = await world.pipeline.resume(CALLER, "first", 30)

    assert isinstance(continued, QueryRun)
    assert QueryStatus.COMPLETED is (await asyncio.wait_for(continued.log.rest(), 10)).status


async def test_a_stream_is_told_of_a_block_once_it_is_known_to_hold() -> None:
    """An approval given elsewhere is used here: what was blocked is not told of as if it were."""
    block = replace(START, sequence=1, kind=EventKind.PIPELINE_BLOCKED)
    log = QueryLog(FIRST.key, ASKED)
    log.commit((block,))
    log.set_query(replace(FIRST, status=QueryStatus.BLOCKED))
    log.reopen()
    reading = asyncio.create_task(anext(log.follow(Cursor(), 0)))
    await _turns()
    silent = not reading.done()
    log.settle()

    assert silent
    assert block == await asyncio.wait_for(reading, 10)


async def test_a_refused_ask_leaves_the_block_to_whoever_reads_next() -> None:
    """The query waits as before, though this time nobody could look."""
    world = World(QueryStatus.BLOCKED)
    world.decide.set()
    run = world.ask("first")
    await run.log.rest()
    await _until(lambda: not world.pipeline.running)
    world.refusal = ServerOverloaded(1, "units")

    with pytest.raises(ServerOverloaded):
        await world.ask("first").log.rest()
    query = await asyncio.wait_for(run.log.rest(), 10)

    assert QueryStatus.BLOCKED is query.status


@pytest.mark.parametrize("status", [QueryStatus.BLOCKED, QueryStatus.APPROVED])
async def test_a_cancel_that_overtakes_the_ask_cancels_the_first_query(status: QueryStatus) -> None:
    """It reached the id before anyone knew whose name it is; what was approved must not run."""
    world = World(status)
    world.ask()
    await world.asked.wait()
    cancelling = asyncio.create_task(world.pipeline.cancel(CALLER, "again", "no"))
    await asyncio.sleep(0)
    world.decide.set()

    query = await cancelling

    assert ("first", QueryStatus.CANCELLED) == (query.request_id, query.status)
    assert (1, 0) == (world.cancelled, world.resumed)


async def test_a_repeat_finds_the_run_of_its_own_id_or_is_a_conflict() -> None:
    """Also while nobody knows yet that the id is another name."""
    world = World(QueryStatus.BLOCKED)
    first = world.ask()
    await world.asked.wait()

    assert first is world.ask()
    assert 1 == world.given_back


async def _turns() -> None:
    """The loop runs what is due, and what that makes due."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_is_attached_to_another_id_is_attached_to_the_first() -> None:
    """The query is abandoned when the last of both has left, and not before."""
    first, again = (
        QueryRun(QueryLog(("acme", name), ASKED), deadline_s=30, abandon_after_s=0, detached=False)
        for name in ("first", "again")
    )
    with first.attached():
        early = again.attached()
        early.__enter__()
        again.lead_to(first)
    with again.attached():
        pass
    await _turns()
    kept = first.stop.reason
    early.__exit__(None, None, None)
    await _turns()

    assert (None, StopReason.ABANDONED) == (kept, first.stop.reason)
    first.finish()
    again.finish()
