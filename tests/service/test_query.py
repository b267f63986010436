"""A query over the wire: its lanes, its answer, its money, its repetition."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from chenu.api.pipeline.v1 import conversation_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.engine import CanonicalRequest
from chenu_server.pipeline import prompt, service
from chenu_server.pipeline.lanes import resume
from chenu_server.pipeline.model import QueryRequest
from tests.harness import Stage


async def test_a_query_walks_seven_lanes_and_is_charged_what_the_upstream_bills(
    stage: Stage,
) -> None:
    """The main job: one answer, seven lanes, one bill."""
    client = stage.client()

    response = await client.query("What is the capital of France?")

    assert message_pb2.QUERY_STATE_COMPLETED == response.query.state
    assert 7 == len(response.query.lanes)
    assert stage.upstream.bill.total_nanousd == response.query.cost_nanousd
    assert "capital of France" in response.answer.text


async def test_the_same_id_twenty_times_at_once_is_one_call_one_charge_one_answer(
    stage: Stage,
) -> None:
    """A retry storm costs nothing more and confuses nobody."""
    client, request_id = stage.client(), str(uuid4())
    stage.upstream.behave(latency_ms=50)

    answers = await asyncio.gather(
        *(client.query("Tell me a story", request_id=request_id) for _ in range(20))
    )

    assert 1 == stage.upstream.arrivals_total
    assert {answers[0].SerializeToString(deterministic=True)} == {
        answer.SerializeToString(deterministic=True) for answer in answers
    }


async def test_the_same_id_later_gives_the_stored_answer(stage: Stage) -> None:
    """What was answered once is answered again, also after the run is gone."""
    client, request_id = stage.client(), str(uuid4())

    first = await client.query("Tell me a story", request_id=request_id)
    second = await client.query("Tell me a story", request_id=request_id)

    assert first.answer == second.answer
    assert first.query == second.query
    assert 1 == stage.upstream.arrivals_total


async def test_the_same_id_with_other_content_is_a_conflict(stage: Stage) -> None:
    """An id names one request for ever."""
    client, request_id = stage.client(), str(uuid4())
    await client.query("Tell me a story", request_id=request_id)

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Another", request_id=request_id)
    )

    assert "REQUEST_ID_CONFLICT" == failure.reason


async def test_a_query_is_read_once_for_all_its_digests_and_its_row(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two hundred messages as of one: a long conversation is walked once, and not four times."""
    read: list[QueryRequest] = []

    def noted(request: QueryRequest) -> CanonicalRequest:
        read.append(request)
        return CanonicalRequest(request)

    for user in (service, resume, prompt):
        monkeypatch.setattr(user, "CanonicalRequest", noted)
    roles = (conversation_pb2.MESSAGE_ROLE_USER, conversation_pb2.MESSAGE_ROLE_ASSISTANT)
    turns = [
        conversation_pb2.ChatMessage(
            role=roles[number % 2], parts=[conversation_pb2.Part(text="a")]
        )
        for number in range(199)
    ]
    for request in ({"text": "Hello"}, {"text": "", "messages": turns}):
        read.clear()
        await stage.client().query(**request)

        assert 1 == len(read)
