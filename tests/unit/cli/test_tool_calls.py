"""`chenu tool-calls`: what is released is kept byte for byte, and steers no terminal."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chenu.api.annotations.v1 import access_pb2
from chenu.api.governance.v1 import principal_pb2
from chenu.api.pipeline.v1 import conversation_pb2, tool_call_pb2
from chenu.api.pipeline.v1 import tool_call_service_pb2 as pb
from chenu_server.cli.exit_codes import ExitCode
from tests.unit.cli.conftest import Gateway, Shell
from tests.unit.sdk.gateway import status, unexplained

ID = "6f1f7c1e-7d3b-4f43-9d5e-6a4c2a0a5a10"
NOON = Timestamp(seconds=1_795_262_400)
ANA = principal_pb2.Principal(type=access_pb2.PRINCIPAL_TYPE_USER, id="ana")
CALL = tool_call_pb2.ToolCallRecord(
    call_id=ID,
    request_id="q-1",
    principal=ANA,
    tool="delete_file",
    effect=conversation_pb2.TOOL_EFFECT_DELETE,
    audience="files",
    state=tool_call_pb2.TOOL_CALL_STATE_RELEASED,
    checkpoint_id="c-1",
    action_digest=b"\x0a" * 32,
    create_time=NOON,
)
ARGUMENTS = '{"path":\r\n "é\x1b[2J\u202e\x9b1m"}'
TAKEN = pb.TakeToolCallResponse(
    call=CALL, arguments_json=ARGUMENTS, release="head.payload.signature", expire_time=NOON
)
REDEEMED = pb.RedeemReleaseResponse(
    call_id=ID,
    principal=ANA,
    acting_for=["service:desk", "user:bo"],
    effect=conversation_pb2.TOOL_EFFECT_DELETE,
    basis=tool_call_pb2.RELEASE_BASIS_PERSON,
)


@pytest.fixture
def chenu(gateway: Gateway, chenu: Shell) -> Shell:
    """The command line, pointed at a gateway with one call."""
    gateway.answers |= {
        "GetToolCall": pb.GetToolCallResponse(call=CALL),
        "TakeToolCall": TAKEN,
        "RedeemRelease": REDEEMED,
        "GetReleaseKeys": pb.GetReleaseKeysResponse(issuer="gate", jwks_json='{"keys":[]}'),
    }
    return chenu


@pytest.fixture
def redeem(tmp_path: Path) -> tuple[str, ...]:
    """The command that redeems what two files hold."""
    release, arguments = tmp_path / "release", tmp_path / "arguments"
    release.write_text("head.payload.signature\n")
    arguments.write_bytes(ARGUMENTS.encode())
    files = ("--release-file", str(release), "--arguments-file", str(arguments))
    return ("tool-calls", "redeem", *files, "--tool", "delete_file", "--audience", "files")


def test_a_call_is_shown_as_it_stands(gateway: Gateway, chenu: Shell) -> None:
    """Who may take it, where it waited and what was approved; its arguments are nobody's here."""
    result = chenu("tool-calls", "get", ID)

    told = {
        "call": ID,
        "state": "released",
        "tool": "delete_file",
        "effect": "delete",
        "asked by": "user:ana",
        "checkpoint": "c-1",
        "created": "2026-11-21T12:00:00Z",
        "redeemed": "",
        "digest": "0a" * 32,
    }
    shown = {line[:10].strip(): line[12:] for line in result.stdout.splitlines()}
    assert (ExitCode.OK, pb.GetToolCallRequest(call_id=ID)) == (result.exit_code, gateway.asked[0])
    assert told == {name: shown[name] for name in told}


def test_what_is_taken_is_shown_and_steers_nothing(chenu: Shell) -> None:
    """A model writes the arguments: they must not move the cursor over what stands above."""
    lines = chenu("tool-calls", "take", ID).stdout.split("\n")

    assert [
        f"call       {ID}",
        "state      released",
        "tool       delete_file",
        "effect     delete",
        "audience   files",
        "expires    2026-11-21T12:00:00Z",
        r'arguments  {"path":\r\n "é\x1b[2J\u202e\x9b1m"}',
        "release    head.payload.signature",
        "",
    ] == lines
    assert all(line.isprintable() for line in lines)


def test_what_is_taken_is_kept_byte_for_byte(chenu: Shell, tmp_path: Path) -> None:
    """Arguments with one byte more have no release; and both are nobody else's to read."""
    arguments, release = tmp_path / "arguments.json", tmp_path / "release"
    files = ("--arguments-file", str(arguments), "--release-file", str(release))
    result = chenu("tool-calls", "take", ID, *files)

    assert (ARGUMENTS.encode(), b"head.payload.signature") == (
        arguments.read_bytes(),
        release.read_bytes(),
    )
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (arguments, release)}
    assert [f"arguments  in {arguments}", f"release    in {release}"] == (
        result.stdout.splitlines()[-2:]
    )


def test_programs_get_the_whole_answer(chenu: Shell) -> None:
    """As the contract has it, and on one line that a terminal can show."""
    printed = chenu("tool-calls", "take", ID, "--json").stdout.removesuffix("\n")

    assert printed.isprintable()
    assert (ARGUMENTS, "TOOL_CALL_STATE_RELEASED") == (
        json.loads(printed)["arguments_json"],
        json.loads(printed)["call"]["state"],
    )


def test_nothing_is_taken_that_cannot_be_kept(
    gateway: Gateway, chenu: Shell, tmp_path: Path
) -> None:
    """A file that is there may be another call's; its release must not be lost for it."""
    kept = tmp_path / "release"
    kept.write_text("another")
    files = ("--arguments-file", str(tmp_path / "arguments"), "--release-file", str(kept))
    result = chenu("tool-calls", "take", ID, *files)

    assert (ExitCode.USAGE, []) == (result.exit_code, gateway.asked)
    assert [kept] == [*tmp_path.iterdir()]
    assert "another" == kept.read_text()


def test_who_has_to_wait_is_told_how_to_go_on_and_left_no_file(
    gateway: Gateway, chenu: Shell, tmp_path: Path
) -> None:
    """The advice for a query would have it continued; and an empty file looks like no arguments."""
    gateway.answers["TakeToolCall"] = status(
        grpc.StatusCode.FAILED_PRECONDITION,
        "CHECKPOINT_PENDING",
        checkpoint_id="c-1",
        request_id=ID,
    )
    result = chenu("tool-calls", "take", ID, "--arguments-file", str(tmp_path / "arguments"))

    assert (ExitCode.BLOCKED, []) == (result.exit_code, [*tmp_path.iterdir()])
    assert "next: `chenu checkpoints approve c-1`, then the same again\n" in result.stderr


def test_a_release_is_redeemed_for_what_the_files_hold(
    gateway: Gateway, chenu: Shell, redeem: tuple[str, ...]
) -> None:
    """The arguments as they are; a release has no line break, whatever wrote its file."""
    result = chenu(*redeem)

    expected = pb.RedeemReleaseRequest(
        release="head.payload.signature",
        tool="delete_file",
        audience="files",
        arguments_json=ARGUMENTS,
    )
    assert ([expected], ExitCode.OK) == (gateway.asked, result.exit_code)
    assert [
        f"call         {ID}",
        "effect       delete",
        "taken by     user:ana",
        "acting for   service:desk, user:bo",
        "released by  person",
    ] == result.stdout.splitlines()


@pytest.mark.parametrize(
    ("refusal", "code", "told"),
    [
        (
            unexplained(grpc.StatusCode.UNAVAILABLE),
            ExitCode.UNAVAILABLE,
            "whether it is used up is unknown",
        ),
        (
            status(grpc.StatusCode.UNAVAILABLE, "GOVERNANCE_UNAVAILABLE"),
            ExitCode.UNAVAILABLE,
            "whether it is used up is unknown",
        ),
        (
            status(grpc.StatusCode.FAILED_PRECONDITION, "RELEASE_USED", call_id=ID),
            ExitCode.CONFLICT,
            "execute nothing",
        ),
    ],
    ids=["lost", "unrecorded", "used"],
)
def test_who_was_not_answered_is_told_what_that_means(
    gateway: Gateway,
    chenu: Shell,
    redeem: tuple[str, ...],
    refusal: object,
    code: ExitCode,
    told: str,
) -> None:
    """Whoever takes a lost answer for a yes executes twice; for a no, never."""
    gateway.answers["RedeemRelease"] = refusal  # type: ignore[assignment] # a status has no stubs
    result = chenu(*redeem)

    assert (code, 1) == (result.exit_code, len(gateway.asked))
    assert told in result.stderr


@pytest.mark.parametrize("broken", ["release", "arguments"])
def test_a_file_that_is_no_text_or_not_there_is_told_before_anything_is_sent(
    gateway: Gateway, chenu: Shell, redeem: tuple[str, ...], tmp_path: Path, broken: str
) -> None:
    """What the command line can see is not left to the server."""
    (tmp_path / broken).write_bytes(b'{"a":"\xff"}')
    no_text = chenu(*redeem)
    (tmp_path / broken).unlink()
    absent = chenu(*redeem)

    assert [ExitCode.USAGE] * 2 == [no_text.exit_code, absent.exit_code]
    assert "is not UTF-8 at byte 6" in " ".join(no_text.stderr.split())
    assert f"--{broken}-file" in absent.stderr
    assert [] == gateway.asked


def test_keys_are_a_set_that_can_be_kept_as_it_is(chenu: Shell) -> None:
    """`> keys.json` is all that a stock library needs; whose they are stands beside it."""
    result = chenu("tool-calls", "keys")

    assert ('{"keys":[]}\n', "issuer gate\n") == (result.stdout, result.stderr)
    assert "gate" == json.loads(chenu("tool-calls", "keys", "--json").stdout)["issuer"]
