"""What a server does by itself while it lives: nobody calls for it, and nobody restarts it."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.bootstrap.routes import Routes
from chenu_server.infra.db.engine import writer_engine
from tests.harness import Client, Stage, eventually, staged
from tests.service.asking import approval, blocked

OFTEN_S = 0.02
# By its name: the package gives out a function that is called as the module is.
APPLICATION = import_module("chenu_server.bootstrap.application")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every turn but that of the prices comes soon."""
    for name in ("EXPIRE_EVERY_S", "RECOVER_EVERY_S", "RESUME_EVERY_S"):
        monkeypatch.setattr(APPLICATION, name, OFTEN_S)


async def state_at_its_end(client: Client, request_id: str) -> int:
    """The state of the query once it has ended, though nobody does anything for it."""
    found: list[int] = []

    async def ended() -> bool:
        request = pb.GetQueryRequest(request_id=request_id)
        query = (await client.call(client.pipeline.GetQuery, request)).query
        found[:] = [query.state]
        return bool(query.HasField("end_time"))

    await eventually(ended)
    return found[0]


async def test_a_lapsed_checkpoint_ends(stage: Stage) -> None:
    """Its money must not wait for somebody who asks again."""
    client = stage.client()
    failure = await blocked(client)
    stage.sql("UPDATE checkpoints SET expires_us = created_us")

    state = await state_at_its_end(client, failure.metadata["request_id"])

    assert message_pb2.QUERY_STATE_EXPIRED == state


async def test_what_a_dead_owner_left_is_ended(stage: Stage) -> None:
    """With it goes the owner's name; the process here lives on, and its own is not touched."""
    client, request_id = stage.client(), str(uuid4())
    stage.upstream.hold()
    asking = asyncio.create_task(client.outcome(client.pipeline.Query, _query(request_id)))
    async with asyncio.timeout(20):
        await stage.upstream.until_open(1)
    # At once: a sweep in between would enter the owner by itself.
    stage.sql(
        "INSERT INTO owners SELECT 'dead', lock_key, label, 0, NULL, 1 FROM owners",
        "UPDATE queries SET owner_id = 'dead' WHERE status = 'running'",
    )
    state = await state_at_its_end(client, request_id)
    await eventually(lambda: _has_one_owner(stage))
    stage.upstream.release()
    await asking

    assert message_pb2.QUERY_STATE_FAILED == state


async def test_an_approved_query_goes_on(stage: Stage) -> None:
    """Whoever took the approval may have died before it could start the query."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    stage.sql("UPDATE queries SET resume_on_approval = true")

    state = await state_at_its_end(client, failure.metadata["request_id"])

    assert message_pb2.QUERY_STATE_COMPLETED == state


async def test_prices_are_resolved_when_a_day_has_begun(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yesterday's would be charged until a restart."""
    resolved = asyncio.Event()
    price_again = APPLICATION.price_again

    async def noted(routes: Routes) -> None:
        await price_again(routes)
        resolved.set()

    monkeypatch.setattr(APPLICATION, "until_midnight_s", lambda: OFTEN_S)
    monkeypatch.setattr(APPLICATION, "price_again", noted)
    async with staged(sqlite_url, tmp_path) as stage, asyncio.timeout(20):
        await resolved.wait()
        await stage.budget()
        answer = await stage.client().query("Hello")

    assert message_pb2.QUERY_STATE_COMPLETED == answer.query.state


def _query(request_id: str) -> pb.QueryRequest:
    return pb.QueryRequest(text="Hello", request_id=request_id)


async def _has_one_owner(stage: Stage) -> bool:
    with writer_engine(stage.settings.database.url).begin() as connection:
        return bool(connection.scalar(sa.text("SELECT count(*) FROM owners")) == 1)
