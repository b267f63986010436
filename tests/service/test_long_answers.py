"""Answers longer than one message: never cut, read in pieces by a client as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from chenu.aio import Client as Sdk
from chenu.api.pipeline.v1 import event_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.pipeline.log import QueryLog
from tests.harness import Client, Stage, only, staged
from tests.service.test_streams import cursor_behind, output_of

DELTA_BYTES_MAX = 65_536
MESSAGE_BYTES_MAX = 4_194_304
ANSWER_CHARS = 5_000_000


@pytest.fixture
async def stage(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server whose upstream says more than fits in a message, in characters of two bytes."""
    async with staged(sqlite_url, tmp_path) as running:
        await running.budget()
        running.upstream.behave(deltas=50, answer_chars=ANSWER_CHARS, token_chars=200)
        yield running


def asked() -> pb.QueryRequest:
    """A query that is answered at length."""
    return pb.QueryRequest(
        request_id=str(uuid4()),
        text="é" * 1_000,
        max_output_tokens=60_000,
        routing=only("groq", "openai/gpt-oss-120b"),
    )


async def watched(
    client: Client, request_id: str, after: event_pb2.Cursor | None = None
) -> list[event_pb2.Event]:
    """What a reader of the log is given."""
    request = pb.WatchRequest(request_id=request_id, after=after)
    events, error = await client.events(client.pipeline.Watch, request)
    assert error is None
    return events


def delta_bytes(events: list[event_pb2.Event]) -> list[int]:
    """The size of each piece of output."""
    kind = event_pb2.EVENT_TYPE_LLM_CALL_DELTA
    return [len(each.llm_call_delta.text.encode()) for each in events if each.type == kind]


async def test_a_text_that_does_not_fit_is_left_out_as_a_whole(stage: Stage) -> None:
    """A prefix would be taken for the answer; a message of its size is refused by every client."""
    client, request = stage.client(), asked()

    answered = await client.call(client.pipeline.Query, request)
    shown = await client.call(
        client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request.request_id)
    )

    for response in (answered, shown):
        assert ("", True) == (response.answer.text, response.answer.output_omitted)
        assert response.query.output_length > MESSAGE_BYTES_MAX
        assert "groq" == response.answer.provider
    assert 1 == stage.upstream.arrivals_total


async def test_live_and_stored_output_comes_in_pieces_of_at_most_64_kib(stage: Stage) -> None:
    """Any reader can take it, whenever it attaches, from wherever it was."""
    client, request = stage.client(), asked()

    live, error = await client.events(client.pipeline.Run, pb.RunRequest(query=request))
    stored = await watched(client, request.request_id)
    middle = next(at for at, event in enumerate(stored) if event.llm_call_delta.offset > 5_000_000)
    rest = await watched(client, request.request_id, cursor_behind(stored[:middle]))

    assert error is None
    assert output_of(live) == output_of(stored)
    assert stored[-1].pipeline_complete.query.output_length == len(output_of(live).encode())
    assert max(delta_bytes(live)) <= DELTA_BYTES_MAX
    assert max(delta_bytes(stored)) <= DELTA_BYTES_MAX
    assert stored[middle:] == rest


async def test_the_sdk_gives_the_whole_text_as_if_it_had_fitted(stage: Stage) -> None:
    """Whoever asks for an answer gets it, and need not know how long it was."""
    request = asked()
    token = dict(stage.client().metadata)["authorization"].removeprefix("Bearer ")
    async with Sdk(f"127.0.0.1:{stage.application.port}", token=token) as sdk:
        answered = await sdk.pipeline.query(request)
        shown = await sdk.pipeline.get(request.request_id)
    whole = output_of(await watched(stage.client(), request.request_id))

    assert whole == answered.answer.text
    assert whole == shown.answer.text
    assert [False, False] == [each.answer.output_omitted for each in (answered, shown)]
    assert 1 == stage.upstream.arrivals_total


async def test_a_text_that_does_not_fit_is_not_put_together(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take its whole length in memory once more, to be thrown away."""
    joined: list[QueryLog] = []
    monkeypatch.setattr(QueryLog, "parts", property(joined.append))

    client = stage.client()
    answered = await client.call(client.pipeline.Query, asked())

    assert answered.answer.output_omitted
    assert [] == joined


async def test_a_text_that_fits_is_in_the_answer(stage: Stage) -> None:
    """Most callers never read a log."""
    stage.upstream.behave(deltas=50, answer_chars=2_000_000, token_chars=200)
    client, request = stage.client(), asked()

    answered = await client.call(client.pipeline.Query, request)

    assert not answered.answer.output_omitted
    assert answered.query.output_length == len(answered.answer.text.encode())
