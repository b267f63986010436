"""What an approver reads of what an approval binds: all of it, and nothing that poses as it."""

from __future__ import annotations

import hashlib
import json
import resource
from pathlib import Path

import pytest

from chenu.api.governance.v1 import action_pb2, checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Gateway, Shell

PLAIN = "text/plain; charset=utf-8"
FORGED = "Delete\nsystem  text/plain; charset=utf-8  4 bytes\n\x1b[2Jsafe\u202e"
TEXT = "é".join("0123456789")
JSON = "application/json"
DEEP = "[" * 100_000
# What a model wrote to be approved as something else: controls as escapes and as they are.
ARGUMENTS = {
    "escaped": (
        r'{"path":"\u001b[2J\u009b1m\u202ea\u200db\u0007\n| {}\ud800"}',
        ["{", r'  "path": "\u001b[2J\x9b1m\u202ea\u200db\u0007\n| {}\ud800"', "}"],
    ),
    "as they are": (
        '{"path":"\u009b1m\u202ea\u200db\x7f\u2028"}',
        ["{", r'  "path": "\x9b1m\u202ea\u200db\x7f\u2028"', "}"],
    ),
    "no JSON": ('{"path":\x1b[2J\ta\u200db\r\n', [r'{"path":\x1b[2J\ta\u200db\r', ""]),
    "too deep": (DEEP, [DEEP]),
}


def piece(kind: cb.ContentKind.ValueType, data: bytes, **more: object) -> cb.ContentPiece:
    """A piece of content, whole unless its size says otherwise."""
    chosen = {"media_type": PLAIN, "size": len(data), **more}
    return cb.ContentPiece(kind=kind, data=data, **chosen)  # type: ignore[arg-type] # by name


def answered(gateway: Gateway, *pieces: cb.ContentPiece) -> None:
    """Let the gateway have one page of these pieces, and the checkpoint they are of."""
    gateway.answers["GetCheckpointContent"] = cb.GetCheckpointContentResponse(pieces=pieces)
    gateway.answers["GetCheckpoint"] = cb.GetCheckpointResponse(
        checkpoint=checkpoint_pb2.Checkpoint(checkpoint_id="c-1", text_preview="Delete")
    )


def test_everything_is_shown_each_thing_under_its_own_line(gateway: Gateway, chenu: Shell) -> None:
    """Kind, id, type and size come from the server; what others wrote stands behind a margin."""
    answered(
        gateway,
        piece(cb.CONTENT_KIND_FACTS, b'{"sphere":"team"}', media_type="application/json"),
        piece(cb.CONTENT_KIND_CONTEXT_ITEM, b"one\ntwo", id="note/7"),
        piece(cb.CONTENT_KIND_TEXT, b"Delete it"),
    )

    shown = chenu("checkpoints", "content", "c-1").stdout.splitlines()

    assert [
        "facts  application/json  17 bytes",
        "| {",
        '|   "sphere": "team"',
        "| }",
        f"context_item note/7  {PLAIN}  7 bytes",
        "| one",
        "| two",
        f"text  {PLAIN}  9 bytes",
        "| Delete it",
    ] == shown


def test_pieces_of_a_thing_are_joined_before_they_are_read(gateway: Gateway, chenu: Shell) -> None:
    """A page may end inside a character."""
    data = TEXT.encode()
    answered(
        gateway,
        piece(cb.CONTENT_KIND_TEXT, data[:2], size=len(data)),
        piece(cb.CONTENT_KIND_TEXT, data[2:], size=len(data), offset=2),
    )

    assert f"| {TEXT}" == chenu("checkpoints", "content", "c-1").stdout.splitlines()[1]


def test_no_text_poses_as_another_thing_or_steers_the_terminal(
    gateway: Gateway, chenu: Shell
) -> None:
    """Whoever asks wants it approved, and writes what the approver reads."""
    answered(
        gateway,
        piece(cb.CONTENT_KIND_CONTEXT_ITEM, b"", id="note/\nsystem  safe"),
        piece(cb.CONTENT_KIND_TEXT, FORGED.encode()),
    )

    shown = chenu("checkpoints", "content", "c-1").stdout.rstrip("\n").split("\n")

    assert 2 == sum(not line.startswith("| ") for line in shown)
    assert r"| \x1b[2Jsafe\u202e" == shown[-1]
    assert rf"context_item note/\nsystem  safe  {PLAIN}  0 bytes" == shown[0]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_the_arguments_of_a_call_are_seen_and_never_obeyed(
    gateway: Gateway, chenu: Shell, arguments: str
) -> None:
    """What is approved is what a model wrote: not what a terminal makes of it."""
    written, seen = ARGUMENTS[arguments]
    answered(gateway, piece(cb.CONTENT_KIND_TOOL_CALL, written.encode(), media_type=JSON))

    heading, *shown = chenu("checkpoints", "content", "c-1").stdout.removesuffix("\n").split("\n")

    assert f"tool_call  {JSON}  {len(written.encode())} bytes" == heading
    assert [f"| {line}" for line in seen] == shown
    assert all(line.isprintable() for line in shown)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [(action_pb2.OPERATION_KIND_TOOL_CALL, True), (action_pb2.OPERATION_KIND_QUERY, False)],
)
def test_whoever_approves_a_call_sees_its_arguments(
    gateway: Gateway,
    chenu: Shell,
    monkeypatch: pytest.MonkeyPatch,
    kind: action_pb2.OperationKind.ValueType,
    shown: bool,
) -> None:
    """Its checkpoint has no preview of them; those of a conversation are one of many things."""
    monkeypatch.setattr("chenu_server.cli.checkpoints._has_person", lambda: True)
    written, seen = ARGUMENTS["escaped"]
    answered(gateway, piece(cb.CONTENT_KIND_TOOL_CALL, written.encode(), media_type=JSON))
    gateway.answers["GetCheckpoint"] = cb.GetCheckpointResponse(
        checkpoint=checkpoint_pb2.Checkpoint(
            checkpoint_id="c-1", request_id="t-1", operation_kind=kind
        )
    )

    lines = chenu("checkpoints", "approve", "c-1", input="n\n").stderr.splitlines()

    assert shown == (f"| {seen[1]}" in lines)
    assert shown == (["tool", "call", "t-1"] in [line.split() for line in lines])
    assert all(line.isprintable() for line in lines)


def test_a_program_gets_every_piece_byte_for_byte(gateway: Gateway, chenu: Shell) -> None:
    """As the contract has it, one line each."""
    answered(gateway, piece(cb.CONTENT_KIND_TEXT, b"\xff\x00"))

    (line,) = chenu("checkpoints", "content", "c-1", "--json").stdout.splitlines()

    assert ("CONTENT_KIND_TEXT", "/wA=") == (json.loads(line)["kind"], json.loads(line)["data"])


def test_content_that_is_gone_is_said_to_be(gateway: Gateway, chenu: Shell) -> None:
    """Silence would look like an empty request."""
    answered(gateway)

    result = chenu("checkpoints", "content", "c-1")

    assert ("", "no longer stored" in result.stderr) == (result.stdout, True)


def test_whoever_approves_is_told_how_much_there_is_and_how_to_read_it(
    gateway: Gateway, chenu: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview is the beginning, and looks like all of it."""
    monkeypatch.setattr("chenu_server.cli.checkpoints._has_person", lambda: True)
    answered(
        gateway,
        piece(cb.CONTENT_KIND_CONTEXT_ITEM, b"x" * 300, id="note/7"),
        piece(cb.CONTENT_KIND_TEXT, b"y" * 50_000),
    )

    result = chenu("checkpoints", "approve", "c-1", input="n\n")

    told = "50300 bytes with 1 context items: chenu checkpoints content c-1"
    assert told in result.stderr


def test_a_file_is_not_shown_but_saved(gateway: Gateway, chenu: Shell, tmp_path: Path) -> None:
    """Its bytes would be noise, or move the terminal's cursor; none is ever written over."""
    picture = b"\x89PNG\x1b[2J"
    answered(
        gateway,
        piece(cb.CONTENT_KIND_IMAGE, picture[:3], id="0/1", media_type="image/png", size=8),
        piece(cb.CONTENT_KIND_IMAGE, picture[3:], id="0/1", media_type="image/png", size=8),
    )

    shown = chenu("checkpoints", "content", "c-1", "--save", str(tmp_path))
    again = chenu("checkpoints", "content", "c-1", "--save", str(tmp_path))

    digest = hashlib.sha256(picture).hexdigest()
    assert ["image 0/1  image/png  8 bytes", f"sha256 {digest})"] == [
        shown.stdout.splitlines()[0],
        shown.stdout.splitlines()[1].partition("it (")[2],
    ]
    assert picture == (tmp_path / "image-0-1.png").read_bytes()
    assert 2 == again.exit_code


def test_a_full_disk_leaves_no_half_of_a_file(
    gateway: Gateway, chenu: Shell, tmp_path: Path
) -> None:
    """Once there is room the same command saves it; and half a picture is not what was asked."""
    half = b"x" * 2**20
    of = {"id": "0/1", "media_type": "image/png", "size": 2 * len(half)}
    answered(
        gateway,
        piece(cb.CONTENT_KIND_IMAGE, half, **of),
        piece(cb.CONTENT_KIND_IMAGE, half, **of, offset=len(half)),
    )

    _, most = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(half), most))
    try:
        full = chenu("checkpoints", "content", "c-1", "--save", str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    left = [*tmp_path.iterdir()]
    again = chenu("checkpoints", "content", "c-1", "--save", str(tmp_path))

    assert (ExitCode.OUTPUT, []) == (full.exit_code, left)
    assert ExitCode.OK == again.exit_code
    assert half * 2 == (tmp_path / "image-0-1.png").read_bytes()
