"""Answers whose text came apart from them."""

from __future__ import annotations

from chenu.aio import Client
from chenu.api.pipeline.v1 import conversation_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.unit.sdk.gateway import REQUEST_ID, Cut, Gateway, completed, delta, piece


def omitted() -> pb.QueryResponse:
    """A completed query whose text did not fit."""
    return pb.QueryResponse(
        query=message_pb2.Query(request_id=REQUEST_ID, last_sequence=17, output_length=6),
        answer=message_pb2.Answer(output_omitted=True, model="a-model"),
    )


async def test_an_omitted_text_is_read_from_the_log_and_put_in_its_place(
    client: Client, gateway: Gateway
) -> None:
    """Only the output is read again, also where the connection is cut on the way."""
    gateway.answer = lambda _: omitted()
    gateway.watches = [[delta(0, "éa"), Cut()], [delta(3, "bcd"), completed(17, 6)]]

    response = await client.pipeline.query("Tell me everything")

    query, first, second = gateway.asked
    assert ("éabcd", False) == (response.answer.text, response.answer.output_omitted)
    assert [] == list(response.answer.parts)
    assert "a-model" == response.answer.model
    assert isinstance(query, pb.QueryRequest)
    assert isinstance(first, pb.WatchRequest)
    assert isinstance(second, pb.WatchRequest)
    assert (REQUEST_ID, 16, 0) == (first.request_id, first.after.sequence, first.after.offset)
    assert (REQUEST_ID, 16, 3) == (second.request_id, second.after.sequence, second.after.offset)


async def test_omitted_parts_are_read_too(client: Client, gateway: Gateway) -> None:
    """A call that a caller never saw is one that it never answers."""
    call = conversation_pb2.Part(
        tool_call=conversation_pb2.ToolCall(call_id="c", name="look", arguments_json="{}")
    )
    parts = [conversation_pb2.Part(text="éa"), call]
    pieces = [piece(parts[0], 0, 0, "éa"), piece(call, 1, 0, "{}")]
    gateway.answer = lambda _: omitted()
    gateway.watches = [[*pieces, completed(17, 5, parts)]]

    response = await client.pipeline.query("Tell me everything")

    assert ("éa", False) == (response.answer.text, response.answer.output_omitted)
    assert parts == list(response.answer.parts)


async def test_a_text_that_came_is_not_read_again(client: Client, gateway: Gateway) -> None:
    """Nearly every answer costs one call."""
    gateway.answer = lambda _: pb.QueryResponse(answer=message_pb2.Answer(text="short"))

    response = await client.pipeline.query("Tell me little")

    assert "short" == response.answer.text
    assert 1 == len(gateway.asked)
