"""Answers from files: what their first line steers, and that a slip in one is not passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.replay import cases_in, is_known
from tests.faults.script import Asks, Framing, Kind, Leave


def only_case(folder: Path, name: str, content: bytes) -> Kind:
    """The case of a folder that holds no other."""
    (folder / name).write_bytes(content)
    (case,) = cases_in(folder)
    return case


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    """Byte for byte: what a provider sends need not be UTF-8."""
    case = only_case(tmp_path, "plain.ant.txt", b"data: \xff\n\n")

    assert ("faulty_messages", Asks.TEXT) == (case.provider, case.asks)
    assert (b"data: \xff\n\n",) == case.script.body
    assert is_known(case)


def test_its_first_line_steers_and_is_not_sent(tmp_path: Path) -> None:
    """Status, headers, silence, line ends and pieces."""
    steering = b"#! status=429 type=application/json h-retry-after-ms=9 crlf=1 chunk=1 eof=hang\n"

    script = only_case(tmp_path, "tool-of-its-own.oai.txt", steering + b"a\nb").script

    assert (b"a", b"\r", b"\n", b"b") == script.body
    assert (429, Leave.SILENT, Framing.LENGTH) == (script.status, script.leave, script.framing)
    assert (("content-type", "application/json"), ("retry-after-ms", "9")) == script.headers


def test_a_name_that_is_not_known_is_met_and_not_judged_by_a_guess(tmp_path: Path) -> None:
    """Its name says what is asked for, and no more."""
    case = only_case(tmp_path, "json-of-its-own.oai.txt", b"data: 1\n\n")

    assert Asks.JSON is case.asks
    assert not is_known(case)


@pytest.mark.parametrize(
    ("name", "content"), [("a.oai.txt", b"#! colour=red\n"), ("notes.txt", b"nothing")]
)
def test_a_slip_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    """A folder that replays nothing, or in another way than it says, proves nothing."""
    with pytest.raises(ValueError, match=r"colour|holds no"):
        only_case(tmp_path, name, content)
