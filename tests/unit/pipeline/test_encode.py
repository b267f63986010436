"""What goes on the wire, and what does not fit there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.pipeline import encode
from chenu_server.pipeline.model import Outcome, QueryStatus
from tests.contract.tables import samples

MESSAGE_BYTES_MAX = 4_194_304
QUERY = replace(samples.QUERY, status=QueryStatus.COMPLETED, outcome=Outcome())


@pytest.mark.parametrize("kind", [pb.QueryResponse, pb.GetQueryResponse])
def test_an_answer_fills_a_message_to_its_last_byte_and_is_omitted_beyond(
    kind: type[pb.QueryResponse] | type[pb.GetQueryResponse],
) -> None:
    """The message counts, and not the text: a byte too many and no default client reads it."""

    def answered(length: int) -> pb.QueryResponse | pb.GetQueryResponse:
        query = replace(QUERY, output_length=length)
        response = kind(query=encode.query_of(query))
        encode.add_answer(response, query, "a" * length)
        return response

    rest = answered(4_000_000).ByteSize() - 4_000_000
    full = answered(MESSAGE_BYTES_MAX - rest)
    over = answered(MESSAGE_BYTES_MAX - rest + 1)

    assert MESSAGE_BYTES_MAX == full.ByteSize()
    assert not full.answer.output_omitted
    assert ("", True) == (over.answer.text, over.answer.output_omitted)


def test_an_empty_answer_is_not_one_that_was_omitted() -> None:
    """A model may say nothing."""
    response = pb.QueryResponse()

    encode.add_answer(response, replace(QUERY, output_length=0), "")

    assert ("", False) == (response.answer.text, response.answer.output_omitted)
