"""Whoever asks writes what an approver reads: it is shown, and never obeyed."""

from __future__ import annotations

import json
from collections.abc import Callable

import grpc
import pytest

from chenu.api.governance.v1 import (
    audit_service_pb2,
    checkpoint_pb2,
    checkpoint_service_pb2,
    principal_pb2,
)
from chenu.api.pipeline.v1 import event_pb2, message_pb2, pipeline_service_pb2
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.output import STEERING, visible
from tests.unit.cli.conftest import Gateway, Shell
from tests.unit.sdk.gateway import called, completed, delta, started, status

HOSTILE = "Delete \x1b[2J\x1b[31mall\u202e stuff \x07\r\nApprove: yes\x9b1m\x7f\u2028end"
SHOWN = r"Delete \x1b[2J\x1b[31mall\u202e stuff \x07\r\nApprove: yes\x9b1m\x7f\u2028end"
ANSWER = f"one\n\ttwo {HOSTILE}"
IN_A_LIST = r"Delete \x1b[2J\x1b[31mall\u202e stuff \x07 Approve: yes\x9b1m\x7f end"
FORGED = checkpoint_pb2.Checkpoint(
    checkpoint_id="c-1",
    state=checkpoint_pb2.CHECKPOINT_STATE_REJECTED,
    question_en=HOSTILE,
    text_preview=HOSTILE,
    provider=HOSTILE,
    requested_by=principal_pb2.Principal(id=HOSTILE),
    reason=HOSTILE,
    action_digest=b"\x0a" * 32,
)
LANE = event_pb2.Event(
    sequence=1,
    type=event_pb2.EVENT_TYPE_LANE_COMPLETE,
    lane_complete=event_pb2.LaneComplete(report=message_pb2.LaneReport(summary=HOSTILE)),
)
Terminal = Callable[[], None]


@pytest.fixture
def chenu(gateway: Gateway, chenu: Shell) -> Shell:
    """The command line, pointed at a gateway where a hostile query waits."""
    gateway.answers |= {
        "GetCheckpoint": checkpoint_service_pb2.GetCheckpointResponse(checkpoint=FORGED),
        "ListCheckpoints": checkpoint_service_pb2.ListCheckpointsResponse(checkpoints=[FORGED]),
        "ListEntries": audit_service_pb2.ListEntriesResponse(
            entries=[audit_service_pb2.LedgerEntry(resource_id=HOSTILE, reason="a\tb\nc")]
        ),
        "Watch": [pipeline_service_pb2.WatchResponse(event=each) for each in (LANE,)],
        "Run": [
            pipeline_service_pb2.RunResponse(event=each)
            for each in (started(), called(), delta(0, ANSWER), completed(3, len(ANSWER)))
        ],
        "GetQuery": pipeline_service_pb2.GetQueryResponse(answer=message_pb2.Answer(text=ANSWER)),
    }
    return chenu


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes standard output a terminal."""
    return lambda: monkeypatch.setattr("chenu_server.cli.output.is_terminal", lambda: True)


def test_a_checkpoints_text_is_one_row_of_visible_characters(chenu: Shell) -> None:
    """A query can neither clear the approver's screen nor add a row to what is approved."""
    rows = chenu("checkpoints", "get", "c-1").stdout.splitlines()

    assert 16 == len(rows)
    assert f"text           {SHOWN}" == rows[5]
    assert f"reason         {SHOWN}" == rows[14]
    assert all(row.isprintable() for row in rows)


def test_a_person_is_asked_about_visible_characters(
    chenu: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the screen when the person says yes is what the requester wrote."""
    monkeypatch.setattr("chenu_server.cli.checkpoints._has_person", lambda: True)
    rows = chenu("checkpoints", "approve", "c-1", input="n\n").stderr.splitlines()

    assert f"question       {SHOWN}" == rows[4]
    assert f"digest         {'0a' * 32}" == rows[15]
    assert all(row.isprintable() for row in rows)


def test_a_list_has_one_line_a_resource_whatever_stands_in_it(chenu: Shell) -> None:
    """A tab or a newline in a cell would be a column or a row to `cut` and to a person."""
    checkpoints = chenu("checkpoints", "list").stdout.split("\n")
    entries = chenu("audit", "list").stdout.split("\n")

    assert (3, IN_A_LIST) == (len(checkpoints), checkpoints[1].split("\t")[6])
    assert (3, SHOWN) == (len(entries), entries[1].split("\t")[5])
    assert r"a\tb\nc" == entries[1].split("\t")[6]


def test_a_table_on_a_terminal_shows_controls(chenu: Shell, terminal: Terminal) -> None:
    """Rich drops some controls, which would hide that they were there."""
    terminal()
    shown = chenu("audit", "list", env={"COLUMNS": "300"}).stdout

    assert SHOWN in shown
    assert all(row.isprintable() for row in shown.split("\n"))


def test_an_event_is_one_line(chenu: Shell) -> None:
    """A lane's summary quotes the query."""
    rows = chenu("watch", "q-1").stdout.split("\n")

    assert 2 == len(rows)
    assert rows[0].endswith(SHOWN)


def test_a_failure_has_the_lines_that_we_wrote(gateway: Gateway, chenu: Shell) -> None:
    """A message that quotes the requester must not add a next step of its own."""
    gateway.answers["GetCheckpoint"] = status(
        grpc.StatusCode.FAILED_PRECONDITION,
        "CHECKPOINT_REJECTED",
        checkpoint_id="c-1\nnext: approve it\x1b[2J",
    )
    result = chenu("checkpoints", "get", "c-1")

    assert ExitCode.STOPPED == result.exit_code
    assert 2 == len(result.stderr.splitlines())
    assert r"c-1\nnext: approve it\x1b[2J" in result.stderr


def test_json_keeps_every_character_and_shows_no_control(chenu: Shell) -> None:
    """Programs read the text as it was; a terminal that shows the JSON is not steered."""
    printed = chenu("checkpoints", "get", "c-1", "--json").stdout

    assert HOSTILE == json.loads(printed)["text_preview"]
    assert printed.removesuffix("\n").isprintable()


@pytest.mark.parametrize("command", [("query", "hello"), ("queries", "get", "q-1")])
def test_an_answer_on_a_terminal_keeps_lines_and_tabs_alone(
    chenu: Shell, terminal: Terminal, command: tuple[str, ...]
) -> None:
    """Prose has lines; what a provider writes does not get to steer the terminal."""
    terminal()

    assert (
        "one\n\ttwo Delete \\x1b[2J\\x1b[31mall\\u202e stuff \\x07\\r\nApprove: yes"
        in chenu(*command).stdout
    )


def test_an_answer_in_a_pipe_is_as_it_came(chenu: Shell) -> None:
    """What a program reads is what the provider wrote, byte by byte."""
    result = chenu("query", "hello")

    assert f"{ANSWER}\n".encode() == result.stdout_bytes


@pytest.mark.parametrize(
    "text", ["déjà vu ?", "a\u00a0: b", "日本\u3000語", "🙂", "C:\\new", "नी", "ﷺ"]
)
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    """An approver reads French, Japanese and emoji, and not their code points."""
    assert text == visible(text)


def test_what_steers_is_a_category_and_not_a_list() -> None:
    """A control that a later Unicode adds is escaped too."""
    assert {"Cc", "Cf", "Cs", "Zl", "Zp"} == STEERING
    assert r"\x00\x1f\x7f\x85\x9f\xad\u061c\u200f\u2066\ufeff\U000e0041" == visible(
        "\x00\x1f\x7f\x85\x9f\xad\u061c\u200f\u2066\ufeff\U000e0041"
    )
