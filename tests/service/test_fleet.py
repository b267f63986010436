"""Several workers on one database: what one runs, every other tells and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # no stubs

from chenu.aio import Client as Sdk
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.fleet import QUERY_OUTPUT, QUERY_STOPS, QUERY_WATCHERS
from tests.harness import Client, Stage, eventually, only, staged
from tests.service.relay import relayed
from tests.service.test_database_away import until_health
from tests.stores import Postgres

ANSWER = "It is seven o'clock, and all is well."
LONG_ANSWER = "Sept heures — 七時、全て順調。 " * 40
ABANDONED_MS = 1_500
TOLD = (QUERY_STOPS, QUERY_WATCHERS, QUERY_OUTPUT)


class Fleet(NamedTuple):
    """Two workers, and one that a query is asked of."""

    one: Stage
    two: Stage


@pytest.fixture
async def fleet(postgres_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Both serve one database; each has an upstream of its own."""
    soon = {"pipeline.abandon_after_ms": ABANDONED_MS}
    async with (
        staged(postgres_url, tmp_path, soon) as one,
        staged(postgres_url, tmp_path, soon) as two,
    ):
        await one.budget()
        yield Fleet(one, two)


def asked(request_id: str, **fields: Any) -> pb.QueryRequest:
    """A question to one provider."""
    route = only("groq", "openai/gpt-oss-120b")
    return pb.QueryRequest(text="What time is it?", request_id=request_id, routing=route, **fields)


async def begun(fleet: Fleet, client: Client, request_id: str, **fields: Any) -> asyncio.Task[Any]:
    """A query that one runs, and whose provider has not answered yet."""
    fleet.one.upstream.hold()
    asking = asyncio.create_task(client.outcome(client.pipeline.Query, asked(request_id, **fields)))
    await asyncio.wait_for(fleet.one.upstream.until_open(1), 20)
    return asking


async def watched(client: Client, request_id: str) -> tuple[list[Any], Any]:
    """A query's whole log."""
    return await client.events(client.pipeline.Watch, pb.WatchRequest(request_id=request_id))


def told(events: list[Any]) -> list[tuple[int, int, str]]:
    """What a log says, whoever tells it: sequence, type and text; deltas joined."""
    text = "".join(each.llm_call_delta.text for each in events if each.HasField("llm_call_delta"))
    committed = [(each.sequence, each.type, "") for each in events if each.sequence]
    return [*committed, (0, 0, text)]


async def test_what_one_runs_is_watched_at_another(fleet: Fleet) -> None:
    """From the beginning, while it runs, to its end; the log is the same to the byte."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    fleet.one.upstream.behave(answer=ANSWER)
    asking = await begun(fleet, here, request_id)
    watching = asyncio.create_task(watched(there, request_id))
    live = there.pipeline.Watch(
        pb.WatchRequest(request_id=request_id), metadata=there.metadata, timeout=20
    )
    async for response in live:
        if response.event.type == event_pb2.EVENT_TYPE_LLM_CALL_START:
            break
    assert not asking.done()
    fleet.one.upstream.release()
    events, failure = await watching
    live.cancel()

    assert (None, None) == (await asking, failure)
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == events[-1].type
    assert message_pb2.QUERY_STATE_COMPLETED == events[-1].pipeline_complete.query.state
    assert told(events) == told((await watched(here, request_id))[0])
    assert 0 == fleet.two.upstream.arrivals_total


async def text_of(client: Client, request_id: str) -> AsyncIterator[str]:
    """The text of a query's log as it comes."""
    live = client.pipeline.Watch(
        pb.WatchRequest(request_id=request_id), metadata=client.metadata, timeout=20
    )
    try:
        async for response in live:
            if response.event.HasField("llm_call_delta"):
                yield response.event.llm_call_delta.text
    finally:
        live.cancel()


async def test_output_is_seen_elsewhere_before_its_end(fleet: Fleet) -> None:
    """Its provider has said half of it and no more: a watcher elsewhere has that half."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    fleet.one.upstream.behave(answer=LONG_ANSWER, deltas=10, fault="stall", fault_after=5)
    asking = asyncio.create_task(here.outcome(here.pipeline.Query, asked(request_id)))
    said_here, said_there = "", ""
    async with asyncio.timeout(20):
        await eventually(lambda: _is_known(fleet.two, request_id))
        async for text in text_of(there, request_id):
            said_there += text
            if len(said_there) >= len(LONG_ANSWER) // 2:
                break
        async for text in text_of(here, request_id):
            said_here += text
            if len(said_here) >= len(LONG_ANSWER) // 2:
                break
        assert not asking.done()
    await there.call(there.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id))

    assert said_here == said_there
    assert LONG_ANSWER.startswith(said_there)
    assert await asking is not None
    assert told((await watched(here, request_id))[0]) == told((await watched(there, request_id))[0])
    await eventually(lambda: _is_swept(fleet))


async def _is_known(stage: Stage, request_id: str) -> bool:
    client = stage.client()
    request = pb.GetQueryRequest(request_id=request_id)
    return await client.outcome(client.pipeline.GetQuery, request) is None


async def _is_swept(fleet: Fleet) -> bool:
    """Nothing that the workers told each other of a query outlives it."""
    with writer_engine(fleet.one.settings.database.url).connect() as connection:
        left = [connection.execute(sa.select(table)).all() for table in TOLD]
    return not any(left)


async def test_a_stream_that_moves_from_one_to_another_is_whole(fleet: Fleet) -> None:
    """From whichever cursor, there or here, while it is said; characters are never cut."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    fleet.one.upstream.behave(answer=LONG_ANSWER, deltas=60, pace_ms=20)
    first = asyncio.create_task(here.events(here.pipeline.Run, running(request_id)))
    await eventually(lambda: _is_known(fleet.two, request_id))
    logs = []
    for client in (there, here) * 4:
        logs.append(asyncio.create_task(watched(client, request_id)))
        await asyncio.sleep(0.1)
    events, failure = await first
    seen = await asyncio.gather(*logs)

    assert (None, LONG_ANSWER) == (failure, told(events)[-1][2])
    assert [told(events)] * len(logs) == [told(log) for log, _ in seen]


async def test_the_sdk_goes_on_at_another_worker(postgres_url: str, tmp_path: Path) -> None:
    """Its connection breaks in the middle of an answer, and leads to another worker afterwards."""
    async with staged(postgres_url, tmp_path) as one:
        shared = {"identity.issuers": [one.settings.identity.issuers[0].model_dump()]}
        async with staged(postgres_url, tmp_path, shared) as two:
            await one.budget()
            one.upstream.behave(answer=LONG_ANSWER, deltas=60, pace_ms=20)
            token = dict(one.client().metadata)["authorization"].removeprefix("Bearer ")
            async with (
                relayed(one.application.port) as relay,
                Sdk(f"127.0.0.1:{relay.port}", token=token) as sdk,
            ):
                log = sdk.pipeline.run(asked(str(uuid4())))
                sequences = []
                async for event in log:
                    sequences += [event.sequence] if event.sequence else []
                    if (
                        event.HasField("llm_call_delta")
                        and relay.target_port != two.application.port
                    ):
                        relay.target_port = two.application.port
                        relay.cut()
            calls = one.upstream.arrivals_total, two.upstream.arrivals_total

    assert (LONG_ANSWER, (1, 0), 2) == (log.text, calls, relay.opened)
    assert list(range(1, len(sequences) + 1)) == sequences


def running(request_id: str) -> pb.RunRequest:
    """The same question, to be streamed."""
    return pb.RunRequest(query=asked(request_id))


async def test_who_is_attached_elsewhere_keeps_a_query_from_being_abandoned(fleet: Fleet) -> None:
    """A stream that is cut here and attached again there; once it is cut there too, nobody is."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    fleet.one.upstream.hold()
    await left(here, request_id)
    moved = asyncio.create_task(watched(there, request_id))
    alone = str(uuid4())  # nobody is attached to it: once it is over, the first would be
    await left(here, alone)
    await eventually(lambda: _is_cancelled(here, alone))
    is_cancelled = await _is_cancelled(here, request_id)
    moved.cancel()

    assert not is_cancelled
    await eventually(lambda: _is_cancelled(here, request_id))
    await eventually(lambda: _is_swept(fleet))


async def left(client: Client, request_id: str) -> None:
    """Ask for a stream, and leave it once it has begun."""
    call = client.pipeline.Run(running(request_id), metadata=client.metadata, timeout=20)
    await call.read()
    call.cancel()


async def _is_cancelled(client: Client, request_id: str) -> bool:
    request = pb.GetQueryRequest(request_id=request_id)
    shown = await client.call(client.pipeline.GetQuery, request)
    return bool(message_pb2.QUERY_STATE_CANCELLED == shown.query.state)


@pytest.mark.parametrize("ask", ["Query", "Continue"])
async def test_who_asks_at_another_gets_the_answer_of_the_one(fleet: Fleet, ask: str) -> None:
    """A retry may come to any worker; nothing runs twice."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    asking = await begun(fleet, here, request_id)
    request = asked(request_id) if ask == "Query" else pb.ContinueRequest(request_id=request_id)
    again = asyncio.create_task(there.outcome(getattr(there.pipeline, ask), request))
    await eventually(lambda: _is_followed(fleet.two, request_id))
    fleet.one.upstream.release()

    outcomes = await asyncio.gather(asking, again)

    assert (None, None) == tuple(outcomes)
    assert 1 == fleet.one.upstream.arrivals_total + fleet.two.upstream.arrivals_total


async def _is_followed(stage: Stage, request_id: str) -> bool:
    return stage.application.pipeline._hub.find(("acme", request_id)) is not None


@pytest.mark.parametrize("detached", [False, True])
async def test_a_query_is_cancelled_from_anywhere(fleet: Fleet, *, detached: bool) -> None:
    """Within a second, at its owner; who asked learns it, and so does who watches elsewhere."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    asking = await begun(fleet, here, request_id, detached=detached)
    watching = asyncio.create_task(watched(there, request_id))
    answer = await there.call(
        there.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id)
    )
    failure = await asking
    events, _ = await watching

    assert message_pb2.QUERY_STATE_CANCELLED == answer.query.state
    assert failure is not None
    assert "QUERY_CANCELLED" == failure.reason
    assert event_pb2.EVENT_TYPE_PIPELINE_ERROR == events[-1].type
    assert "QUERY_CANCELLED" == events[-1].pipeline_error.query.outcome.reason
    await eventually(lambda: _is_swept(fleet))


async def test_a_cancel_by_who_waits_elsewhere_reaches_the_owner(fleet: Fleet) -> None:
    """It has a run of its own there, which follows; that is not what is to end."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    asking = await begun(fleet, here, request_id)
    again = asyncio.create_task(there.outcome(there.pipeline.Query, asked(request_id)))
    await eventually(lambda: _is_followed(fleet.two, request_id))
    answer = await there.call(
        there.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id)
    )

    assert message_pb2.QUERY_STATE_CANCELLED == answer.query.state
    failures = await asyncio.gather(asking, again)
    assert ["QUERY_CANCELLED"] * 2 == [each and each.reason for each in failures]


async def test_watchers_everywhere_are_told_the_same(fleet: Fleet) -> None:
    """Many queries at once, each watched at both: every log whole, in order, once."""
    clients = [fleet.one.client(), fleet.two.client()]
    ids = [str(uuid4()) for _ in range(12)]
    stages = fleet.one, fleet.two
    for stage in stages:
        stage.upstream.behave(deltas=5)
    runs = [
        asyncio.create_task(
            clients[number % 2].outcome(clients[number % 2].pipeline.Query, asked(each))
        )
        for number, each in enumerate(ids)
    ]
    assert [None] * len(ids) == await asyncio.gather(*runs)
    logs = await asyncio.gather(*(watched(client, each) for each in ids for client in clients))
    pairs = list(zip(logs[::2], logs[1::2], strict=True))

    assert [] == [each for each in pairs if told(each[0][0]) != told(each[1][0])]
    assert {None} == {failure for _, failure in logs}
    assert len(ids) == sum(stage.upstream.arrivals_total for stage in stages)


async def test_a_cut_connection_stops_nobody_from_following(
    fleet: Fleet, postgres: Postgres
) -> None:
    """Whatever was connected connects again, and hears what it missed."""
    here, there, request_id = fleet.one.client(), fleet.two.client(), str(uuid4())
    fleet.one.upstream.behave(answer=LONG_ANSWER, deltas=10, fault="stall", fault_after=5)
    asking = asyncio.create_task(here.outcome(here.pipeline.Query, asked(request_id)))
    await eventually(lambda: _is_known(fleet.two, request_id))
    watching = asyncio.create_task(watched(there, request_id))
    await eventually(lambda: _follows(fleet.two))
    name = sa.make_url(fleet.one.settings.database.url).database
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    for _ in range(3):
        await asyncio.to_thread(postgres.execute, cut)
        await until_health(fleet.one, health_pb2.HealthCheckResponse.SERVING)
        await until_health(fleet.two, health_pb2.HealthCheckResponse.SERVING)
    cancel = pb.CancelQueryRequest(request_id=request_id)
    await there.call(there.pipeline.CancelQuery, cancel)
    seen, failure = await watching

    assert (None, LONG_ANSWER[: len(LONG_ANSWER) // 2]) == (failure, told(seen)[-1][2])
    assert await asking is not None
    assert told(seen) == told((await watched(here, request_id))[0])


async def _follows(stage: Stage) -> bool:
    return stage.application.pipeline.elsewhere.follows
