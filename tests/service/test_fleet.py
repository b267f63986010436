"""Several workers on one database: what one runs, every other tells and stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import sqlalchemy as sa

from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.stops import QUERY_STOPS
from tests.harness import Client, Stage, eventually, only, staged

ANSWER = "It is seven o'clock, and all is well."


class Fleet(NamedTuple):
    """Two workers, and one that a query is asked of."""

    one: Stage
    two: Stage


@pytest.fixture
async def fleet(postgres_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Both serve one database; each has an upstream of its own."""
    async with staged(postgres_url, tmp_path) as one, staged(postgres_url, tmp_path) as two:
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
    with writer_engine(fleet.one.settings.database.url).connect() as connection:
        assert [] == connection.execute(sa.select(QUERY_STOPS)).all()


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
