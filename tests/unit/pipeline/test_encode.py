"""What goes on the wire, and what does not fit there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chenu.api.pipeline.v1 import conversation_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.pipeline import encode
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.model import Outcome
from chenu_server.pipeline.output import StoredPart
from chenu_server.vocabulary import PartKind, QueryStatus
from tests.contract.tables import samples

MESSAGE_BYTES_MAX = 4_194_304
QUERY = replace(
    samples.QUERY,
    status=QueryStatus.COMPLETED,
    outcome=Outcome(),
    output_parts=(),
    output_format="text",
)


def text(said: str) -> Part:
    """A part of text."""
    return Part(kind=PartKind.TEXT, text=said)


def call(arguments: str = "{}") -> Part:
    """A tool call."""
    return Part(kind=PartKind.TOOL_CALL, text=arguments, name="look", call_id="c1")


def answered_with(parts: tuple[Part, ...], **changes: Any) -> pb.QueryResponse:
    """What `Query` answers."""
    rows = tuple(StoredPart(it.kind, it.name, len(it.text.encode())) for it in parts)
    length = sum(row.length for row in rows)
    query = replace(QUERY, output_parts=rows, output_length=length, **changes)
    return pb.QueryResponse.FromString(encode.answered(query, parts))


def test_an_answer_fills_a_message_to_its_last_byte_and_is_omitted_beyond() -> None:
    """The message counts, and not the text: a byte too many and no default client reads it."""

    def answered(length: int) -> pb.QueryResponse:
        return answered_with((text("a" * length),))

    rest = answered(4_000_000).ByteSize() - 4_000_000
    full = answered(MESSAGE_BYTES_MAX - rest)
    over = answered(MESSAGE_BYTES_MAX - rest + 1)

    assert MESSAGE_BYTES_MAX == full.ByteSize()
    assert not full.answer.output_omitted
    assert ("", True) == (over.answer.text, over.answer.output_omitted)


def test_an_empty_answer_is_not_one_that_was_omitted() -> None:
    """A model may say nothing."""
    answer = answered_with(()).answer

    assert ("", False) == (answer.text, answer.output_omitted)


def test_an_answer_whose_parts_were_not_even_loaded_was_omitted() -> None:
    """Of one that is too long for any message nothing is loaded, which is not to say nothing."""
    query = replace(QUERY, output_length=MESSAGE_BYTES_MAX + 1)

    answer = pb.GetQueryResponse.FromString(encode.answered(query, ())).answer

    assert ("", True) == (answer.text, answer.output_omitted)


def test_an_answer_of_one_text_has_no_parts() -> None:
    """Nearly every answer is its text, and costs no more than that."""
    response = answered_with((text("hi"),))

    assert ("hi", 0, "") == (response.answer.text, len(response.answer.parts), response.answer.json)
    assert [conversation_pb2.PART_KIND_TEXT] == [each.kind for each in response.query.output_parts]


def test_any_other_answer_is_its_parts_in_order() -> None:
    """What is given back in the next turn has to be what the model said, proofs and all."""
    thought = Part(kind=PartKind.REASONING, text="hm", signature="s", redacted="r")

    answer = answered_with((thought, text("a"), call('{"x": 1}'), text("b"))).answer

    assert "ab" == answer.text
    assert [
        conversation_pb2.Part(
            reasoning=conversation_pb2.Reasoning(text="hm", signature="s", redacted="r")
        ),
        conversation_pb2.Part(text="a"),
        conversation_pb2.Part(
            tool_call=conversation_pb2.ToolCall(
                call_id="c1", name="look", arguments_json='{"x": 1}'
            )
        ),
        conversation_pb2.Part(text="b"),
    ] == list(answer.parts)


def test_an_answer_that_is_only_a_call_is_not_an_empty_text() -> None:
    """Whoever looks at the text alone sees none; whoever looks at the parts sees the call."""
    answer = answered_with((call(),)).answer

    assert ("", ["tool_call"]) == (
        answer.text,
        [each.WhichOneof("content") for each in answer.parts],
    )


def test_a_value_that_was_asked_for_is_told_without_its_fence() -> None:
    """A program reads `json`, whatever the model wrote around it."""
    answer = answered_with((text('```json\n{"a": 1}\n```'),), output_format="json").answer

    assert ('```json\n{"a": 1}\n```', '{"a": 1}') == (answer.text, answer.json)


@pytest.mark.parametrize(
    ("parts", "stop_reason"), [((text("{}"), call()), "tool_calls"), ((text("no"),), "refusal")]
)
def test_what_was_not_held_to_the_format_is_no_value(
    parts: tuple[Part, ...], stop_reason: str
) -> None:
    """A model that calls tools first, or refuses, has not given what was asked for."""
    answer = answered_with(parts, output_format="json", stop_reason=stop_reason).answer

    assert (parts[0].text, "") == (answer.text, answer.json)


@pytest.mark.parametrize(
    ("parts", "output_format"),
    [
        ((text("a" * 2_090_000), call()), "text"),
        ((text("a" * 2_090_000),), "json"),
        ((text("a"), call("a" * 4_194_300)), "text"),
        ((text("a"), Part(kind=PartKind.REASONING, text="", redacted="r" * 4_194_300)), "text"),
    ],
)
def test_all_of_an_answer_counts_and_is_omitted_as_a_whole(
    parts: tuple[Part, ...], output_format: str
) -> None:
    """The text stands in its parts once more, and in the value; a proof has its weight too."""
    full = answered_with(parts, output_format=output_format)
    more = answered_with(
        (text("a" * 10_000 + parts[0].text), *parts[1:]), output_format=output_format
    )

    assert full.ByteSize() <= MESSAGE_BYTES_MAX
    assert full.answer.output_omitted or full.ByteSize() > 4_180_000
    assert ("", 0, "", True) == (
        more.answer.text,
        len(more.answer.parts),
        more.answer.json,
        more.answer.output_omitted,
    )
