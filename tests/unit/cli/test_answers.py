"""What is printed of an answer that is more than a text."""

from __future__ import annotations

import json

import pytest

from chenu.api.pipeline.v1 import conversation_pb2, message_pb2, pipeline_service_pb2
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Answer, Gateway, Shell
from tests.unit.sdk.gateway import called, completed, part_complete, piece, said_in, started

REQUEST_ID = "6f1f7c1e-7d3b-4f43-9d5e-6a4c2a0a5a10"
THOUGHT = conversation_pb2.Part(reasoning=conversation_pb2.Reasoning(text="hmm\x1b[2J"))
TEXT = conversation_pb2.Part(text="Hello")
LOOK, SAVE = (
    conversation_pb2.Part(
        tool_call=conversation_pb2.ToolCall(
            call_id=call_id, name=name, arguments_json='{"a":\n"\u202e"}'
        )
    )
    for name, call_id in (("look", "c1"), ("save\x1b[2J", "c2"))
)
PARTS = [THOUGHT, TEXT, LOOK, SAVE]
PRINTED = (
    'Hello\ntool call look c1 {"a":\\n"\\u202e"}\ntool call save\\x1b[2J c2 {"a":\\n"\\u202e"}\n'
)
LOG = [
    started(),
    called(),
    piece(THOUGHT, 0, 0, "hm"),
    piece(THOUGHT, 0, 2, "m\x1b[2J"),
    piece(TEXT, 1, 0, "Hello"),
    part_complete(3, 0, THOUGHT),
    part_complete(4, 1, TEXT),
    piece(LOOK, 2, 0, said_in(LOOK)[:4]),
    piece(LOOK, 2, 4, said_in(LOOK)[4:]),
    part_complete(5, 2, LOOK),
    piece(SAVE, 3, 0, said_in(SAVE)),
    part_complete(6, 3, SAVE),
    completed(7, 30, PARTS),
]
WHOLE = message_pb2.Answer(text="Hello", parts=PARTS)


@pytest.fixture
def chenu(gateway: Gateway, chenu: Shell) -> Shell:
    """The command line, pointed at a gateway that answers with all kinds of parts."""

    def log(kind: type[Answer]) -> list[Answer]:
        return [kind(event=event) for event in LOG]

    gateway.answers |= {
        "Run": log(pipeline_service_pb2.RunResponse),
        "Watch": log(pipeline_service_pb2.WatchResponse),
        "Continue": log(pipeline_service_pb2.ContinueResponse),
        "Query": pipeline_service_pb2.QueryResponse(answer=WHOLE),
        "GetQuery": pipeline_service_pb2.GetQueryResponse(answer=WHOLE),
    }
    return chenu


ASKS = {
    "streamed": ("query", "hello"),
    "whole": ("query", "hello", "--no-stream"),
    "continued": ("watch", REQUEST_ID, "--continue"),
    "stored": ("queries", "get", REQUEST_ID),
}


@pytest.mark.parametrize("asked", ASKS)
def test_calls_are_a_line_each_and_thoughts_are_kept_back(chenu: Shell, asked: str) -> None:
    """Whatever a model writes into a call obeys nobody's terminal."""
    result = chenu(*ASKS[asked])

    assert ExitCode.OK == result.exit_code
    assert result.stdout.endswith(PRINTED)
    assert "hm" not in result.stdout + result.stderr


@pytest.mark.parametrize("asked", ASKS)
def test_thoughts_are_printed_beside_the_answer(chenu: Shell, asked: str) -> None:
    """On standard error: a pipe still gets the answer alone."""
    result = chenu(*ASKS[asked], "--thoughts")

    assert result.stdout.endswith(PRINTED)
    assert "hmm\\x1b[2J\n" in result.stderr


def test_an_answer_that_is_only_a_call_is_that_line(gateway: Gateway, chenu: Shell) -> None:
    """No empty line stands for a text that there is not."""
    gateway.answers["Query"] = pipeline_service_pb2.QueryResponse(
        answer=message_pb2.Answer(parts=[LOOK])
    )

    assert PRINTED.splitlines()[1] + "\n" == chenu("query", "hello", "--no-stream").stdout


@pytest.mark.parametrize(("option", "thought"), [((), False), (("--thoughts",), True)])
def test_watch_shows_a_call_as_the_line_of_its_part(
    chenu: Shell, option: tuple[str, ...], thought: bool
) -> None:
    """Its pieces are none of their own; thoughts are there for who wants them."""
    lines = chenu("watch", REQUEST_ID, *option).stdout.splitlines()

    assert "   4  part.complete         attempt 1, part 1: text, 5 bytes" in lines
    calls = [line for line in lines if "tool call look" in line]
    assert [line.partition("  tool call")[0] for line in calls] == [
        "   5  part.complete         attempt 1, part 2: tool_call, 12 bytes"
    ]
    pieces = [line for line in lines if "llm_call.delta" in line]
    assert (3 if thought else 1) == len(pieces)
    assert pieces[-1].endswith("'Hello'")


def test_json_is_the_events_as_they_came(chenu: Shell) -> None:
    """Programs get everything, thoughts too."""
    lines = chenu("query", "hello", "--json").stdout.splitlines()

    assert len(LOG) == len(lines)
    assert "PART_KIND_REASONING" == json.loads(lines[2])["llm_call_delta"]["kind"]
