"""What is printed of an answer that is more than a text."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chenu.api.pipeline.v1 import (
    conversation_pb2,
    event_pb2,
    message_pb2,
    pipeline_service_pb2,
    tool_call_pb2,
)
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
HELD = conversation_pb2.Part(tool_call=conversation_pb2.ToolCall(call_id="c3", name="wipe"))
PASSED_CALL = tool_call_pb2.ProposedCall(
    call_id="t-1",
    part=0,
    tool="look",
    effect=conversation_pb2.TOOL_EFFECT_READ,
    state=tool_call_pb2.TOOL_CALL_STATE_PASSED,
)
HELD_CALL = tool_call_pb2.ProposedCall(
    call_id="t-2",
    part=1,
    tool="wipe\n\x1b[2J",
    effect=conversation_pb2.TOOL_EFFECT_DELETE,
    state=tool_call_pb2.TOOL_CALL_STATE_HELD,
    checkpoint_id="c-1",
    expire_time=Timestamp(seconds=1_795_262_400),
)
REFUSED_CALL = tool_call_pb2.ProposedCall(
    call_id="t-3",
    part=2,
    tool="pay",
    effect=conversation_pb2.TOOL_EFFECT_PAYMENT,
    state=tool_call_pb2.TOOL_CALL_STATE_REFUSED,
    reason="POLICY_DENIED",
)
CALLS = {
    "tool_call.passed": (
        PASSED_CALL,
        "look (read) passed, call t-1: `chenu tool-calls take t-1`",
    ),
    "tool_call.held": (
        HELD_CALL,
        "wipe\\n\\x1b[2J (delete) held, call t-2: `chenu checkpoints approve c-1`"
        " before 2026-11-21T12:00:00Z, then `chenu tool-calls take t-2`",
    ),
    "tool_call.refused": (REFUSED_CALL, "pay (payment) refused, call t-3: POLICY_DENIED"),
}
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


def proposing(sequence: int, name: str, call: tool_call_pb2.ProposedCall) -> event_pb2.Event:
    """The event of a proposed call."""
    kind = event_pb2.EventType.Value(f"EVENT_TYPE_{name.replace('.', '_').upper()}")
    return event_pb2.Event(sequence=sequence, type=kind, tool_call=call)


@pytest.fixture
def governed(gateway: Gateway, chenu: Shell) -> Shell:
    """The command line, pointed at a gateway that holds one call of an answer and refuses one."""
    refused = conversation_pb2.Part(tool_call=conversation_pb2.ToolCall(call_id="c4", name="pay"))
    parts, calls = [LOOK, HELD, refused], [call for call, _ in CALLS.values()]
    ended = completed(9, 12, parts)
    ended.pipeline_complete.answer.tool_calls.extend(calls)
    log = [
        started(),
        called(),
        piece(LOOK, 0, 0, said_in(LOOK)),
        *(part_complete(3 + number, number, part) for number, part in enumerate(parts)),
        *(proposing(6 + at, name, call) for at, (name, (call, _)) in enumerate(CALLS.items())),
        ended,
    ]
    whole = message_pb2.Answer(parts=parts, tool_calls=calls)
    gateway.answers |= {
        "Run": [pipeline_service_pb2.RunResponse(event=event) for event in log],
        "Watch": [pipeline_service_pb2.WatchResponse(event=event) for event in log],
        "Continue": [pipeline_service_pb2.ContinueResponse(event=event) for event in log],
        "Query": pipeline_service_pb2.QueryResponse(answer=whole),
        "GetQuery": pipeline_service_pb2.GetQueryResponse(answer=whole),
    }
    return chenu


@pytest.mark.parametrize("asked", ASKS)
@pytest.mark.parametrize("is_watched", [False, True])
def test_where_a_call_stands_is_told_once_beside_the_answer(
    governed: Shell, monkeypatch: pytest.MonkeyPatch, asked: str, *, is_watched: bool
) -> None:
    """Whoever asked learns what to do next; a call without arguments is lent none of another."""
    # Beside a person's answer the events are told, too.
    watched = SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: is_watched))
    monkeypatch.setattr("chenu_server.cli.query.sys", watched)
    result = governed(*ASKS[asked])

    calls = [PRINTED.splitlines()[1], "tool call wipe c3", "tool call pay c4"]
    assert calls == result.stdout.splitlines()[-3:]
    told = [line for line in result.stderr.splitlines() if ", call t-" in line]
    assert [f"proposed: {line}" for _, line in CALLS.values()] == told


def test_watch_shows_where_a_call_stands_as_an_event(governed: Shell) -> None:
    """The log of a query is the whole story, each event on its line."""
    lines = governed("watch", REQUEST_ID).stdout.splitlines()

    assert [
        "   4  part.complete         attempt 1, part 1: tool_call, 0 bytes  tool call wipe c3",
        "   5  part.complete         attempt 1, part 2: tool_call, 0 bytes  tool call pay c4",
        *(f"   {6 + at}  {name:<20}  {line}" for at, (name, (_, line)) in enumerate(CALLS.items())),
    ] == lines[-6:-1]


def test_what_is_no_call_or_was_told_before_is_shown_without_arguments(
    gateway: Gateway, chenu: Shell
) -> None:
    """A log that is read from its middle has none to show; a hidden thought has no text, too."""
    hidden = conversation_pb2.Part(reasoning=conversation_pb2.Reasoning(redacted="r"))
    log = [
        piece(LOOK, 2, 0, "{}"),
        part_complete(6, 3, SAVE),
        part_complete(7, 4, hidden),
        completed(8, 30, PARTS),
    ]
    gateway.answers["Watch"] = [pipeline_service_pb2.WatchResponse(event=event) for event in log]
    lines = chenu("watch", REQUEST_ID, "--after", "5").stdout.splitlines()

    assert [
        "   6  part.complete         attempt 1, part 3: tool_call, 12 bytes",
        "   7  part.complete         attempt 1, part 4: reasoning, 0 bytes",
    ] == lines[:2]
