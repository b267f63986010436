"""Logs as streams: every event once, from any cursor, live and long after."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from chenu.api.governance.v1 import action_pb2
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Stage, only
from tests.service.asking import DELETE

LONG = "Tell me a long story"


def output_of(events: list[event_pb2.Event]) -> str:
    """What the deltas of a stream say together, each at its place."""
    text = b""
    for event in events:
        if event.type == event_pb2.EVENT_TYPE_LLM_CALL_DELTA:
            assert len(text) == event.llm_call_delta.offset
            text += event.llm_call_delta.text.encode()
    return text.decode()


def sequences(events: list[event_pb2.Event]) -> list[int]:
    """The committed events' sequences, in the order in which they came."""
    return [event.sequence for event in events if event.sequence]


def cursor_behind(events: list[event_pb2.Event]) -> event_pb2.Cursor:
    """Where a reader of these events is."""
    cursor = event_pb2.Cursor()
    for event in events:
        cursor.sequence = max(cursor.sequence, event.sequence)
        if event.type == event_pb2.EVENT_TYPE_LLM_CALL_DELTA:
            delta = event.llm_call_delta
            cursor.attempt, cursor.part = delta.attempt, delta.part
            cursor.offset = delta.offset + len(delta.text.encode())
    return cursor


async def read_until_delta(
    client: Client, request: pb.RunRequest | pb.WatchRequest
) -> list[event_pb2.Event]:
    """Start a run, or watch it, and vanish after its first piece of output."""
    seen: list[event_pb2.Event] = []
    runs = isinstance(request, pb.RunRequest)
    method: Any = client.pipeline.Run if runs else client.pipeline.Watch
    call = method(request, metadata=client.metadata, timeout=20)
    async for response in call:
        seen.append(response.event)
        if response.event.type == event_pb2.EVENT_TYPE_LLM_CALL_DELTA:
            break
    call.cancel()
    return seen


async def test_a_run_streams_a_dense_log_that_ends_with_its_outcome(stage: Stage) -> None:
    """One final event, no gaps, and the deltas are the answer."""
    client = stage.client()

    events, error = await client.events(
        client.pipeline.Run, pb.RunRequest(query=pb.QueryRequest(text=LONG))
    )

    assert error is None
    assert list(range(1, len(sequences(events)) + 1)) == sequences(events)
    assert event_pb2.EVENT_TYPE_PIPELINE_COMPLETE == events[-1].type
    assert events[-1].pipeline_complete.query.output_length == len(output_of(events).encode())


async def test_a_client_that_vanishes_and_comes_back_gets_every_byte_once(stage: Stage) -> None:
    """Detached work goes on; Watch continues at the cursor."""
    client, request_id = stage.client(), str(uuid4())
    stage.upstream.behave(deltas=40, pace_ms=20, answer_chars=400)
    query = pb.QueryRequest(text=LONG, request_id=request_id, detached=True)

    first = await read_until_delta(client, pb.RunRequest(query=query))
    behind = pb.WatchRequest(request_id=request_id, after=cursor_behind(first))
    await read_until_delta(client, behind)  # it went on while nobody was there
    rest, error = await client.events(client.pipeline.Watch, behind)
    whole, _ = await client.events(client.pipeline.Watch, pb.WatchRequest(request_id=request_id))

    assert error is None
    assert output_of(whole) == output_of([*first, *rest])
    assert sequences(whole) == sequences([*first, *rest])
    assert 1 == stage.upstream.arrivals_total


async def test_a_log_is_the_same_live_and_from_the_store(stage: Stage) -> None:
    """Nobody can tell afterwards whether they were there."""
    client, request_id = stage.client(), str(uuid4())
    query = pb.QueryRequest(text="Grüße, 你好 🎈", request_id=request_id)

    live, _ = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    stored, error = await client.events(
        client.pipeline.Watch, pb.WatchRequest(request_id=request_id)
    )

    assert error is None
    assert output_of(live) == output_of(stored)
    assert [e for e in live if e.sequence] == [e for e in stored if e.sequence]


@pytest.mark.parametrize("sequence", [0, 5, 12, 13, 17, 18, 1000])
async def test_any_cursor_misses_and_repeats_nothing(stage: Stage, sequence: int) -> None:
    """Wherever a reader was, it goes on from there."""
    client, request_id = stage.client(), str(uuid4())
    await client.query("A question", request_id=request_id)
    after = event_pb2.Cursor(sequence=sequence)

    events, error = await client.events(
        client.pipeline.Watch, pb.WatchRequest(request_id=request_id, after=after)
    )

    assert error is None
    assert list(range(sequence + 1, 19)) == sequences(events)


async def test_a_cursor_where_no_reader_can_be_is_refused(stage: Stage) -> None:
    """Inside a character, or in an attempt that never was: the text would come back wrong."""
    client, request_id = stage.client(), str(uuid4())
    answer = (await client.query("Où, à l'été", request_id=request_id)).answer.text
    inside = answer.encode().index("à".encode()) + 1

    refused = []
    for attempt, offset in ((1, inside), (2, 0)):
        after = event_pb2.Cursor(sequence=10, attempt=attempt, offset=offset)
        request = pb.WatchRequest(request_id=request_id, after=after)
        _, error = await client.events(client.pipeline.Watch, request)
        refused.append(error and (error.reason, error.metadata["field"]))

    assert [("INVALID_FIELD", "after.offset"), ("INVALID_FIELD", "after.attempt")] == refused


async def test_the_first_event_tells_the_detected_intents_too(stage: Stage) -> None:
    """Who follows a query from its start learns at once why it may be held."""
    client = stage.client()
    query = pb.QueryRequest(text=DELETE)

    events, _ = await client.events(client.pipeline.Run, pb.RunRequest(query=query))

    assert event_pb2.EVENT_TYPE_PIPELINE_START == events[0].type
    assert [action_pb2.INTENT_DELETE] == list(events[0].pipeline_start.intents)


async def test_a_query_that_nobody_watches_is_cancelled(tmp_path: object, stage: Stage) -> None:
    """Nobody pays for an answer that nobody waits for."""
    client, request_id = stage.client(), str(uuid4())
    stage.upstream.behave(deltas=400, pace_ms=20, answer_chars=4_000)
    query = pb.QueryRequest(text=LONG, request_id=request_id)
    await read_until_delta(client, pb.RunRequest(query=query))

    events, _ = await asyncio.wait_for(wait_until_final(client, request_id), 10)

    assert message_pb2.QUERY_STATE_CANCELLED == events


async def wait_until_final(client: Client, request_id: str) -> tuple[int, int]:
    """The state of a query once it has ended, without attaching to it."""
    while True:
        shown = await client.call(
            client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id)
        )
        if shown.query.HasField("end_time"):
            return shown.query.state, shown.query.cost_nanousd
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "model", [("groq", "openai/gpt-oss-120b"), ("anthropic", "claude-sonnet-5-5")]
)
async def test_cancel_acts_at_once_and_charges_the_bound_of_what_went_out(
    stage: Stage, model: tuple[str, str]
) -> None:
    """What may have run is paid for, marked as estimated; the upstream's bill is covered."""
    client, request_id = stage.client(), str(uuid4())
    stage.upstream.behave(deltas=4_000, pace_ms=20, answer_chars=40_000)
    query = pb.QueryRequest(
        text=LONG, request_id=request_id, detached=True, routing=only(*model), max_output_tokens=512
    )
    await read_until_delta(client, pb.RunRequest(query=query))

    cancelled = await client.call(
        client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request_id)
    )

    assert message_pb2.QUERY_STATE_CANCELLED == cancelled.query.state
    assert message_pb2.COST_BASIS_ESTIMATED == cancelled.query.cost_basis
    assert stage.upstream.bill.total_nanousd <= cancelled.query.cost_nanousd


async def test_a_blocked_run_ends_its_stream_but_not_its_log(stage: Stage) -> None:
    """Run says 423 and leaves; a watcher stays until the end."""
    client = stage.client()
    query = pb.QueryRequest(text="Delete everything", request_id=str(uuid4()))

    events, error = await client.events(client.pipeline.Run, pb.RunRequest(query=query))
    watch = client.pipeline.Watch(
        pb.WatchRequest(request_id=query.request_id), metadata=client.metadata, timeout=20
    )
    stream = aiter(watch)
    watched = [(await anext(stream)).event]
    await client.call(
        client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=query.request_id)
    )
    watched += [response.event async for response in stream]

    assert event_pb2.EVENT_TYPE_PIPELINE_BLOCKED == events[-1].type
    assert error is not None
    assert (grpc.StatusCode.FAILED_PRECONDITION, "CHECKPOINT_PENDING") == (error.code, error.reason)
    assert grpc.StatusCode.OK == await watch.code()
    assert event_pb2.EVENT_TYPE_PIPELINE_ERROR == watched[-1].type
