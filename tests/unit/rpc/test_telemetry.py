"""What is logged, and what never is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.infra.telemetry import REDACTED, Redaction, _time_text
from tests.unit.identity.samples import token

PROGRAM = """
import logging, structlog
from chenu_server.infra import telemetry
from chenu_server.infra.rpc.context import CALL, Call
telemetry.configure(level="info", as_json=True, secrets=["provider-key-1"])
log = structlog.get_logger()
log.debug("quiet")
log.info("started", key="provider-key-1 was read", port=1)
CALL.set(Call("/s/M", "peer", {}, 0, None, trace_id="t", span_id="s"))
try:
    raise ValueError("the provider said provider-key-1 is bad")
except ValueError:
    log.exception("failed")
logging.getLogger("library").warning("connecting with %s", "provider-key-1")
log.info("odd", text=chr(0xD800), data=bytes([255]), error=KeyError("x"))
"""


ON_A_TERMINAL = """
import structlog
from chenu_server.infra import telemetry
telemetry.configure(as_json=False)
structlog.get_logger().info("token_refused", issuer=chr(27) + "[2J" + chr(0x202E) + "evil")
"""


def redacted(**event: Any) -> dict[str, Any]:
    """What is left of an event."""
    return dict(Redaction(["hunter2hunter2"])(None, "info", dict(event)))


@pytest.mark.parametrize(
    "name",
    ["authorization", "token", "access_token", "api_key", "x-api-key", "password", "client_secret"],
)
def test_text_under_a_secret_name_is_never_logged(name: str) -> None:
    """Whatever it looks like."""
    assert {name: REDACTED} == redacted(**{name: "plain"})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"got {token()} from peer", f"got {REDACTED} from peer"),
        ("authorization: Bearer abcdefgh12345678", f"authorization: {REDACTED}"),
        ("key sk-ant-REDACTED refused", f"key {REDACTED} refused"),
        ("AIzaSyA1234567890abcdefghij is bad", f"{REDACTED} is bad"),
        ("postgresql+psycopg://chenu:pw@db/chenu", f"postgresql+psycopg://{REDACTED}@db/chenu"),
        ("the key hunter2hunter2.", f"the key {REDACTED}."),
    ],
)
def test_text_that_looks_like_a_secret_is_never_logged(text: str, left: str) -> None:
    """Libraries put keys into messages of their own."""
    assert {"message": left} == redacted(message=text)


def test_secrets_are_found_inside_structures() -> None:
    """A header map or a list of arguments is logged as often as a text."""
    seen = redacted(
        headers={"api_key": "plain", "list": ["hunter2hunter2", 3]}, error=KeyError("x")
    )

    assert {
        "headers": {"api_key": REDACTED, "list": [REDACTED, 3]},
        "error": "'x'",
    } == seen


def test_numbers_and_words_are_left_alone() -> None:
    """Token counts are not tokens."""
    event = {"tokens_used": 12, "output_tokens": 3, "outcome": "OK", "estimated": False, "id": None}

    assert event == redacted(**event)


def test_every_line_is_json_with_its_call_and_without_secrets() -> None:
    """Also a stack, what a library logs by itself, and text that is none."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=50, check=True
    )

    lines = [json.loads(line) for line in run.stderr.splitlines()]
    said = ["started", "failed", "connecting with " + REDACTED, "odd"]
    assert said == [line["event"] for line in lines]
    assert ["info", "error", "warning", "info"] == [line["level"] for line in lines]
    assert [None, "t", "t", "t"] == [line.get("trace_id") for line in lines]
    assert "ValueError" in lines[1]["exception"]
    assert "provider-key-1" not in run.stderr


def test_a_log_that_nobody_reads_ends_no_call() -> None:
    """A call is paid for by the time it is logged: its line may be lost, the call may not."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", f"{PROGRAM}\nprint('served')"],
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
        check=False,
    )
    os.close(writing)

    assert "served\n" == done.stdout


def test_no_control_of_a_strangers_is_obeyed_on_a_terminal() -> None:
    """A token needs no signature to say who made it, and an operator reads what it says."""
    ran = subprocess.run([sys.executable, "-c", ON_A_TERMINAL], capture_output=True, check=True)
    line = ran.stderr.decode()

    assert r"\x1b[2J\u202eevil" in line
    assert "\u202e" not in line and "\x1b[2J" not in line


def test_no_control_is_left_in_a_line_but_in_a_stack() -> None:
    """Also of what is no text yet, and again when the same comes once more."""
    event = {"issuer": "\x1b[2J", "error": KeyError("a\u202e"), "exception": "one\ntwo"}

    for _ in range(2):
        shown = redacted(**event)
        assert {"issuer": r"\x1b[2J", "error": r"'a\u202e'", "exception": "one\ntwo"} == shown


def test_what_is_learned_later_is_left_out_of_texts_that_were_shown_before() -> None:
    """A reload brings a key that stood in a line already, as a text like any other."""
    redaction = Redaction()
    before = dict(redaction(None, "info", {"text": "hunter2hunter2"}))
    redaction.learn(["hunter2hunter2"])
    after = dict(redaction(None, "info", {"text": "hunter2hunter2"}))

    assert ("hunter2hunter2", REDACTED) == (before["text"], after["text"])


def test_a_word_is_secret_by_its_name_alone() -> None:
    """The same text stands under another name in the same line."""
    assert {"token": REDACTED, "kind": "plain"} == redacted(token="plain", kind="plain")


@given(st.integers(min_value=0, max_value=2**52))
def test_a_time_is_spelled_as_the_standard_library_spells_it(unix_us: int) -> None:
    """Whatever reads the log has read it so for as long as there are lines."""
    spelled = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=unix_us)).isoformat()

    assert spelled.replace("+00:00", "Z") == _time_text(unix_us)


def test_a_whole_second_has_no_fraction() -> None:
    """As it is spelled by the standard library."""
    assert "2026-01-01T00:00:00Z" == _time_text(1_767_225_600_000_000)
