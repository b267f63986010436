"""What is printed reaches whoever reads it, in whatever encoding, or its loss is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import grpc
import pytest

from chenu.api.governance.v1 import audit_service_pb2, budget_service_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Gateway
from tests.unit.sdk.gateway import called, completed, delta, started, status

TEXT = "déjà … 😀"
ESCAPED = {"ascii": r"d\xe9j\xe0 \u2026 \U0001f600", "latin-1": r"déjà \u2026 \U0001f600"}
PLAIN_C = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
NARROW = [
    ("ascii", {"PYTHONIOENCODING": "ascii"}),
    ("ascii", {"PYTHONIOENCODING": "ascii:strict"}),
    ("latin-1", {"PYTHONIOENCODING": "latin-1"}),
    ("latin-1", {"PYTHONIOENCODING": "latin-1:strict"}),
]
WAIT_S = 60
MANY = 5_000  # their lines are more than a pipe holds


def chenu(
    gateway: Gateway, *arguments: str, env: dict[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes]:
    """The command itself, with real streams."""
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [sys.executable, "-m", "chenu_server", *arguments],
        env={**os.environ, "CHENUCLI_TARGET": gateway.target, **(env or {})},
        stdin=subprocess.DEVNULL,
        **given,
    )
    return process


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """Status, output and remarks of a process."""
    stdout, stderr = process.communicate(timeout=WAIT_S)
    return process.returncode, stdout or b"", stderr or b""


def closed_pipe() -> IO[bytes]:
    """The end to write to of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb", 0)


@pytest.fixture
def gateway(gateway: Gateway) -> Gateway:
    """A gateway whose answers are in no ASCII."""
    run = (started(), called(), delta(0, TEXT), completed(3, len(TEXT)))
    gateway.answers |= {
        "Run": [pipeline_service_pb2.RunResponse(event=each) for each in run],
        "ListBudgets": budget_service_pb2.ListBudgetsResponse(
            budgets=[budget_service_pb2.Budget(budget_id=TEXT)]
        ),
        "ExportEntries": [audit_service_pb2.ExportEntriesResponse(chunk=b"x" * 4_096)] * 16,
        "Watch": [
            pipeline_service_pb2.WatchResponse(event=event)
            for event in (started(), called(), *(delta(at, "x") for at in range(MANY)))
        ],
    }
    return gateway


@pytest.mark.parametrize(("encoding", "env"), NARROW, ids=lambda it: str(it))
@pytest.mark.parametrize("words", [("query", "hi"), ("budgets", "list")], ids=" ".join)
def test_what_a_stream_cannot_carry_is_escaped(
    gateway: Gateway, words: tuple[str, ...], encoding: str, env: dict[str, str]
) -> None:
    """The call is charged by then: a stack trace would lose the answer that was paid for."""
    code, stdout, stderr = ended(chenu(gateway, *words, env=env))

    assert ExitCode.OK == code
    assert ESCAPED[encoding] in stdout.decode(encoding)
    assert b"Traceback" not in stderr


def test_the_plain_c_locale_ends_no_command(gateway: Gateway) -> None:
    """What containers and cron have."""
    code, stdout, stderr = ended(chenu(gateway, "query", "hi", env=PLAIN_C))

    assert (ExitCode.OK, True) == (code, b"d" in stdout)
    assert b"Traceback" not in stderr


@pytest.mark.parametrize(("encoding", "env"), [("utf-8", {}), *NARROW], ids=lambda it: str(it))
def test_json_is_json_in_every_encoding(
    gateway: Gateway, encoding: str, env: dict[str, str]
) -> None:
    r"""`\xe9` is no escape of JSON: a program would fail on the line it waits for."""
    env = {"PYTHONIOENCODING": "utf-8"} | env
    _, listed, _ = ended(chenu(gateway, "budgets", "list", "--json", env=env))
    gateway.answers["GetBudget"] = status(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", id=TEXT)
    code, _, refused = ended(chenu(gateway, "budgets", "get", "b-1", "--json", env=env))

    assert TEXT == json.loads(listed.decode(encoding))["budget_id"]
    assert TEXT == json.loads(refused.decode(encoding))["error"]["metadata"]["id"]
    assert ExitCode.NOT_FOUND == code


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("query", "--help"),
        ("version",),
        ("version", "--json"),
        ("query", "hi"),
        ("query", "hi", "--json"),
        ("watch", "q-1"),
        ("budgets", "list"),
        ("audit", "export", "-o", "ledger"),
    ],
    ids=" ".join,
)
def test_a_reader_that_went_away_ends_it_in_silence(
    gateway: Gateway, words: tuple[str, ...], tmp_path: Path
) -> None:
    """As for any program in a pipe: the status of SIGPIPE, and nothing in the terminal."""
    with closed_pipe() as nobody:
        told = ended(chenu(gateway, *words, stdout=nobody, cwd=tmp_path))

    assert (ExitCode.PIPE, b"", b"") == told


def test_head_ends_a_stream_that_goes_on(gateway: Gateway) -> None:
    """`chenu watch ... | head -1` ends when `head` does, in the middle of the stream."""
    process = chenu(gateway, "watch", "q-1")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None

    assert (ExitCode.PIPE, b"", b"") == ended(process)


@pytest.mark.parametrize(
    "words", [("query", "hi"), ("audit", "export", "-o", "ledger"), ("query",)], ids=" ".join
)
def test_remarks_that_nobody_reads_end_it_likewise(
    gateway: Gateway, words: tuple[str, ...], tmp_path: Path
) -> None:
    """Standard error is a pipe as often as not."""
    with closed_pipe() as nobody:
        code, _, _ = ended(chenu(gateway, *words, stderr=nobody, cwd=tmp_path))

    assert ExitCode.PIPE == code


@pytest.mark.parametrize(
    "words", [("--help",), ("version",), ("query", "hi"), ("budgets", "list")], ids=" ".join
)
def test_a_full_disk_is_told(gateway: Gateway, words: tuple[str, ...]) -> None:
    """Half an answer in a file must not look like a whole one."""
    with Path("/dev/full").open("wb") as full:
        code, _, stderr = ended(chenu(gateway, *words, stdout=full))

    assert ExitCode.OUTPUT == code
    assert b"cannot write standard output: No space left on device" in stderr
    assert b"Traceback" not in stderr


def test_remarks_on_a_full_disk_fail(gateway: Gateway) -> None:
    """There is nowhere left to say so."""
    with Path("/dev/full").open("wb") as full:
        code, stdout, _ = ended(chenu(gateway, "query", "hi", stderr=full))

    assert (ExitCode.OUTPUT, True) == (code, TEXT.encode() in stdout)


def test_an_export_that_does_not_fit_is_told_and_removed(gateway: Gateway, tmp_path: Path) -> None:
    """Part of a ledger that verifies up to its last line would be taken for all of it."""
    command = [sys.executable, "-m", "chenu_server", "audit", "export", "-o", "ledger"]
    # The shell sets the limit before the first byte, and no code of ours runs between fork and
    # exec, which can abort under gRPC. Python would keep bytecode cut off at the limit.
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 20; exec "$@"', "sh", *command],
        env={**os.environ, "CHENUCLI_TARGET": gateway.target, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        timeout=WAIT_S,
        check=False,
    )

    assert (ExitCode.OUTPUT, []) == (done.returncode, list(tmp_path.iterdir()))
    assert b"cannot write ledger: File too large" in done.stderr


def test_closed_descriptors_end_no_command(gateway: Gateway) -> None:
    """`>&- 2>&-` asks for nothing to be told, and must not hand a socket's number to print."""
    command = f"{sys.executable} -m chenu_server budgets list >&- 2>&-"
    done = subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, "CHENUCLI_TARGET": gateway.target},
        timeout=WAIT_S,
        check=False,
    )

    assert (ExitCode.OK, 1) == (done.returncode, len(gateway.asked))
