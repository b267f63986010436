"""What stands on the command line: which of two wins, and what is refused before it is sent."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from typer.testing import CliRunner

from chenu.api.governance.v1 import (
    audit_service_pb2,
    budget_service_pb2,
    checkpoint_pb2,
    checkpoint_service_pb2,
)
from chenu.api.pipeline.v1 import event_pb2, message_pb2, pipeline_service_pb2
from chenu_server.cli.app import app
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Gateway, Shell
from tests.unit.sdk.gateway import completed, started, status

NOT_UTF8 = os.fsdecode(b"caf\xe9")
PERSON_S = 1  # after which a person whose key had no effect presses it again
WAIT_S = 20
# A process gives itself a terminal, for code of ours between fork and exec can abort under gRPC.
ON_TERMINAL = (
    "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
PENDING = checkpoint_service_pb2.GetCheckpointResponse(
    checkpoint=checkpoint_pb2.Checkpoint(checkpoint_id="c-1")
)


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    """A file that holds a token."""
    (tmp_path / "token").write_text("a-token-of-a-file\n")
    return str(tmp_path / "token")


@pytest.mark.parametrize(
    ("arguments", "from_file", "sent"),
    [
        ((), False, "a-token"),
        ((), True, "a-token-of-a-file"),
        (("--token", "mine"), False, "mine"),
        (("--token", "mine"), True, "mine"),
        (("--token-file", "FILE"), False, "a-token-of-a-file"),
        (("--token-file", "FILE"), True, "a-token-of-a-file"),
    ],
)
def test_the_command_line_wins_over_the_environment(
    gateway: Gateway,
    chenu: Shell,
    token_file: str,
    arguments: tuple[str, ...],
    from_file: bool,
    sent: str,
) -> None:
    """Who names a token must not act as whoever the environment names."""
    gateway.answers["GetBudget"] = budget_service_pb2.GetBudgetResponse()
    words = [token_file if word == "FILE" else word for word in arguments]
    chenu(
        "budgets",
        "get",
        "b-1",
        *words,
        env={"CHENUCLI_TOKEN_FILE": token_file} if from_file else {},
    )

    assert f"Bearer {sent}" == gateway.headers[0]["authorization"]


def test_two_tokens_on_the_command_line_are_refused(
    gateway: Gateway, chenu: Shell, token_file: str
) -> None:
    """Neither is more explicit than the other, and a guess acts as the wrong principal."""
    result = chenu("budgets", "get", "b-1", "--token", "mine", "--token-file", token_file)

    assert (ExitCode.USAGE, []) == (result.exit_code, gateway.asked)
    assert "leave one out" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("query", "hi", "--max-output-tokens", "999999999999"), "more than 2147483647"),
        (("route", "hi", "--max-output-tokens", "999999999999"), "more than 2147483647"),
        (("watch", "q-1", "--after", "99999999999999999999"), "--after"),
        (("query", NOT_UTF8), "TEXT: it is not UTF-8"),
        (("route", NOT_UTF8), "TEXT: it is not UTF-8"),
        (("query", "hi", "--request-id", NOT_UTF8), "--request-id: it is not UTF-8"),
        (("query", "hi", "--region", NOT_UTF8), "--region: it is not UTF-8"),
        (("queries", "cancel", "q-1", "--reason", NOT_UTF8), "--reason: it is not UTF-8"),
        (("query", "hi", "--identity", "a\nb"), "a line break as character 2"),
        (("query", "hi", "--identity", "é"), "U+00E9 as character 1"),
        (("query", "hi", "--timeout", "inf"), "--timeout"),
        (("query", "hi", "--timeout", "1e300"), "--timeout"),
        (("query", "hi", "--timeout", "nan"), "--timeout"),
        (("query", "hi", "--max-cost-usd", "1e999999"), "not an amount"),
        (("query", "hi", "--max-cost-usd", "1e999999999"), "not an amount"),
    ],
)
def test_what_cannot_be_sent_is_told(
    gateway: Gateway, chenu: Shell, arguments: tuple[str, ...], told: str
) -> None:
    """A stack trace and status 1 say that there is a bug here; a wrong option is none."""
    result = chenu(*arguments)

    assert (ExitCode.USAGE, []) == (result.exit_code, gateway.asked)
    assert told in " ".join(result.stderr.split())


def test_standard_input_that_is_not_utf8_is_told(gateway: Gateway, chenu: Shell) -> None:
    """A file in another encoding is found out before it is sent, at the byte."""
    result = chenu("query", "-", input=b"caf\xe9")

    assert (ExitCode.USAGE, []) == (result.exit_code, gateway.asked)
    assert "not UTF-8 at byte 3" in " ".join(result.stderr.split())


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_an_interrupted_prompt_ends_with_130(gateway: Gateway, key: str) -> None:
    """On a real terminal: one key ends it, nothing is approved, and the table says the status."""
    gateway.answers["GetCheckpoint"] = PENDING
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, "-m", "chenu_server", "checkpoints", "approve", "c-1"],
        env={**os.environ, "CHENUCLI_TARGET": gateway.target},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    try:
        read_until(terminal, "[y/N]: ")
        read_until(terminal, "not approved; the checkpoint waits on", key)
        code = process.wait(WAIT_S)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)

    asked = [type(request).__name__ for request in gateway.asked]
    assert (ExitCode.INTERRUPTED, False) == (code, "ResolveCheckpointRequest" in asked)


def read_until(terminal: int, text: str, key: str = "") -> None:
    """Press a key, if any, and read a terminal until it shows a text.

    A key that shows nothing is pressed again: the prompt is shown before it is read, and `input`
    heeds no signal that comes between the two.
    """
    shown = b""
    for _ in range(WAIT_S // PERSON_S):
        os.write(terminal, key.encode())
        while select.select([terminal], [], [], PERSON_S)[0]:
            shown += os.read(terminal, 4_096)
            if text.encode() in shown:
                return
    raise AssertionError(f"{shown!r} and nothing more")


@pytest.mark.parametrize(
    ("words", "method"), [("budgets", "ListBudgets"), ("audit", "ListEntries")]
)
def test_a_refused_list_prints_nothing(
    gateway: Gateway, chenu: Shell, words: str, method: str
) -> None:
    """A header on standard output looks like an empty list to a pipe."""
    gateway.answers[method] = status(grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED")
    result = chenu(words, "list")

    assert (ExitCode.DENIED, "") == (result.exit_code, result.stdout)


def test_an_empty_list_is_its_header(gateway: Gateway, chenu: Shell) -> None:
    """There is nothing, which is an answer."""
    gateway.answers["ListEntries"] = audit_service_pb2.ListEntriesResponse()

    assert (
        "sequence\ttime\tdecision\taction\tprincipal\tresource\treason\n"
        == chenu("audit", "list").stdout
    )


def test_a_lane_is_printed_with_how_it_ended(gateway: Gateway, chenu: Shell) -> None:
    """A lane that blocks and runs after the approval completes twice, and not in the same way."""
    statuses = (message_pb2.LANE_STATUS_BLOCKED, message_pb2.LANE_STATUS_COMPLETED)
    reports = [
        message_pb2.LaneReport(
            lane=message_pb2.LANE_E_CHECKPOINT,
            status=one,
            summary="seen",
            duration=Duration(nanos=1_500_000),
        )
        for one in statuses
    ]
    events = [
        event_pb2.Event(
            sequence=sequence,
            type=event_pb2.EVENT_TYPE_LANE_COMPLETE,
            lane_complete=event_pb2.LaneComplete(report=report),
        )
        for sequence, report in enumerate(reports, 2)
    ]
    gateway.answers["Watch"] = [
        pipeline_service_pb2.WatchResponse(event=each)
        for each in (started(), *events, completed(4, 0))
    ]
    lines = chenu("watch", "q-1").stdout.splitlines()[1:3]

    assert [
        "   2  lane.complete         lane_e_checkpoint blocked in 1.5 ms: seen",
        "   3  lane.complete         lane_e_checkpoint completed in 1.5 ms: seen",
    ] == lines


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("key a.key", "CONFLICT"),
        ("key /dev/null/a/b.key", "CONFIG"),
        ("issue --subject a --identity acme=member", "CONFIG"),
        ("issue --subject a --identity ACME=member --set=identity.issuers=ISSUERS", "USAGE"),
    ],
)
def test_a_token_that_fails_is_told_to_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, reason: str
) -> None:
    """With --json a failure is JSON of the same shape, server or not."""
    monkeypatch.chdir(tmp_path)
    issuers = '[{"name":"a","key_file":"a.key"}]'
    CliRunner().invoke(app, ["token", "key", "a.key"])
    arguments = words.replace("ISSUERS", issuers).split()
    result = CliRunner().invoke(app, ["token", *arguments, "--json"])
    error = json.loads(result.stderr)["error"]

    assert ExitCode[reason] == result.exit_code
    assert {
        "reason": reason,
        "status": "",
        "message": error["message"],
        "metadata": {},
        "fields": [],
        "retry_after_ms": None,
        "next": error["next"],
    } == error
    assert error["message"] and error["next"]
