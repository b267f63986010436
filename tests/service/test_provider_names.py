"""What a provider calls an attempt, and what it says has answered, is kept and told."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.upstream.behaviour import Behaviour
from tests.harness import Stage, only

LONGEST = "r" * 256
MODELS = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-6-luna"}


async def events_of(stage: Stage, provider: str, model: str) -> dict[str, Any]:
    """The log of one query, by kind of event."""
    client = stage.client()
    query = pb.QueryRequest(text="Hello", routing=only(provider, model))
    events, _ = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    return {event.WhichOneof("body"): event for event in events}


def stored(stage: Stage) -> list[tuple[str, str]]:
    """What stands in the attempts' rows."""
    engine = sa.create_engine(stage.settings.database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        statement = "SELECT provider_request_id, answered_model FROM attempts"
        found = connection.execute(sa.text(statement)).all()
    engine.dispose()
    return [(json.loads(name), json.loads(model)) for name, model in found]


def settled(stage: Stage) -> dict[str, object]:
    """The payload of the entry that ended the query."""
    engine = sa.create_engine(stage.settings.database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT payload FROM ledger_payloads")).all()
    engine.dispose()
    (found,) = [each for each in (json.loads(row.payload) for row in rows) if "status" in each]
    return dict(found)


@pytest.mark.parametrize("provider", MODELS)
async def test_an_answer_is_told_with_its_providers_names(stage: Stage, provider: str) -> None:
    """A complaint to the provider's support begins with its request id."""
    stage.upstream.behave(request_id=f"req-{provider}")

    events = await events_of(stage, provider, MODELS[provider])

    body = events["llm_call_complete"].llm_call_complete
    told = (body.provider_request_id, body.answered_model)
    assert (f"req-{provider}", MODELS[provider]) == told
    assert [told] == stored(stage)
    payload = settled(stage)
    assert told == (payload["provider_request_id"], payload["answered_model"])


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("way", ["deadline", "cancel"])
async def test_a_call_that_this_side_leaves_is_told_with_them_too(
    stage: Stage, provider: str, way: str
) -> None:
    """It may be billed: who disputes that names it as its provider does."""
    stage.upstream.behave(deltas=2, pace_ms=60_000, answer_chars=40)
    client, request_id = stage.client(), str(uuid4())
    query = pb.QueryRequest(
        request_id=request_id, text="Hello", routing=only(provider, MODELS[provider])
    )
    call = client.pipeline.Run(
        pb.RunRequest(query=query),
        metadata=client.metadata,
        timeout=1.5 if way == "deadline" else 60,
    )
    async for response in call:
        if response.event.HasField("llm_call_delta"):
            break
    if way == "cancel":
        asked = pb.CancelQueryRequest(request_id=request_id)
        await client.call(client.pipeline.CancelQuery, asked)

    watch = pb.WatchRequest(request_id=request_id)
    events, _ = await client.events(client.pipeline.Watch, watch)

    (body,) = [each.llm_call_error for each in events if each.HasField("llm_call_error")]
    told = ("req_00000001", MODELS[provider])
    assert told == (body.provider_request_id, body.answered_model)
    assert [told] == stored(stage)


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(
    "broken", [Behaviour(status=500), Behaviour(fault="cut", fault_after=2)], ids=["500", "cut"]
)
async def test_a_failure_is_told_with_them_too(
    stage: Stage, provider: str, broken: Behaviour
) -> None:
    """It is the failed call that somebody asks about."""
    stage.upstream.script(provider, [broken])

    events = await events_of(stage, provider, MODELS[provider])

    body = events["llm_call_error"].llm_call_error
    assert "req_00000001" == body.provider_request_id
    assert ("" if broken.status == 500 else MODELS[provider]) == body.answered_model
    assert [("req_00000001", body.answered_model)] == stored(stage)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(LONGEST, LONGEST), (LONGEST + "r", ""), ("a\x01b", ""), ("a\x80b", "")],
    ids=["longest", "too long", "control", "not UTF-8"],
)
async def test_what_is_no_name_is_dropped(stage: Stage, given: str, kept: str) -> None:
    """It reaches terminals, logs and a ledger."""
    stage.upstream.behave(request_id=given)

    await events_of(stage, "openai", MODELS["openai"])

    assert [(kept, MODELS["openai"])] == stored(stage)


async def test_no_other_header_of_a_provider_reaches_anybody(stage: Stage) -> None:
    """Headers name accounts, limits and machines that are the operator's matter."""
    stage.upstream.behave(status=500)
    client = stage.client()
    request = pb.QueryRequest(text="Hello", routing=only("openai", MODELS["openai"]))

    events, failure = await client.events(client.pipeline.Run, pb.RunRequest(query=request))

    assert failure is not None
    told = [*map(str, events), str(failure)]
    assert not [each for each in told if "x-key-seen" in each.lower() or "sk-test-key" in each]
