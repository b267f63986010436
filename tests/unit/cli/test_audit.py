"""An export is written whole or not at all, and verified without the server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import grpc
import pytest

from chenu.api.governance.v1 import audit_service_pb2
from chenu_server.cli import audit
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.engine import EntryDraft, export_line, export_tail, seal
from tests.unit.cli.conftest import Gateway, Shell
from tests.unit.sdk.gateway import status

ERASED = b'"salt":null,"payload":null'


def exported(count: int = 3) -> bytes:
    """An export of a small ledger."""
    drafts = [
        EntryDraft(
            entry_id=f"00000000-0000-4000-8000-{number:012d}",
            decision="allow",
            action="execute",
            identity_id="acme",
            principal_type="user",
            principal_id="ana",
            acting_for=[],
            resource_kind="query",
            resource_id="q-1",
            reason="",
            salt=b"s" * 32,
            payload=b"{}",
        )
        for number in range(count)
    ]
    sealed = seal(
        origin="test",
        ledger_number=0,
        batch_id="00000000-0000-4000-8000-00000000000b",
        time_us=1,
        size=0,
        head=bytes(32),
        drafts=drafts,
    )
    lines = [
        export_line(
            sequence=entry.sequence,
            canonical=entry.canonical,
            entry_hash=entry.entry_hash,
            salt=b"s" * 32,
            payload=b"{}",
        )
        for entry in sealed
    ]
    tail = export_tail("test", 0, count, sealed[-1].entry_hash)
    return "".join(f"{line}\n" for line in (*lines, tail)).encode()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A good export."""
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(exported())
    return path


def test_a_good_export_verifies(chenu: Shell, export: Path) -> None:
    """Anyone who has the file can check it, without the server and without trust in it."""
    result = chenu("audit", "verify", str(export))

    assert ExitCode.OK == result.exit_code
    assert "holds, 3 entries" in result.stdout


def test_a_changed_byte_is_found(chenu: Shell, export: Path) -> None:
    """The status is what a nightly job looks at."""
    content = bytearray(export.read_bytes())
    content[content.index(b"ana", 600)] ^= 1
    export.write_bytes(content)
    result = chenu("audit", "verify", str(export), "--json")

    assert ExitCode.BROKEN == result.exit_code
    assert "broken" == json.loads(result.stdout)["verdict"]
    assert "does not verify after" in result.stderr


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_a_cut_export_is_found(chenu: Shell, export: Path, lines: int) -> None:
    """A file without its last line may lack anything."""
    export.write_bytes(b"".join(export.read_bytes().splitlines(keepends=True)[:lines]))

    assert ExitCode.BROKEN == chenu("audit", "verify", str(export)).exit_code


def test_a_carriage_return_is_a_change(chenu: Shell, export: Path) -> None:
    """A tool that rewrote the line ends has rewritten the file."""
    export.write_bytes(export.read_bytes().replace(b"\n", b"\r\n"))

    assert ExitCode.BROKEN == chenu("audit", "verify", str(export)).exit_code


@pytest.mark.parametrize("end", [b"", b"\n\n", b"\r\n", b"\n ", b"\n\0"])
def test_another_end_of_the_file_is_a_change(chenu: Shell, export: Path, end: bytes) -> None:
    """Every byte is checked, and the last newline is one of them."""
    export.write_bytes(export.read_bytes().removesuffix(b"\n") + end)

    assert ExitCode.BROKEN == chenu("audit", "verify", str(export)).exit_code


def test_a_payload_that_is_gone_is_found(chenu: Shell, export: Path) -> None:
    """Nothing in the file says that it was erased."""
    salt = (b"s" * 32).hex().encode()
    gone = export.read_bytes().replace(b'"salt":"' + salt + b'","payload":"{}"', ERASED, 1)
    export.write_bytes(gone)
    result = chenu("audit", "verify", str(export))

    assert ERASED in gone
    assert ExitCode.BROKEN == result.exit_code
    assert "entry 1 has no payload" in result.stderr


def test_a_line_without_end_fills_no_memory(
    chenu: Shell, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is no export may be of any size; it is read in pieces."""
    monkeypatch.setattr(audit, "LINE_BYTES_MAX", 100)
    result = chenu("audit", "verify", str(export))

    assert ExitCode.BROKEN == result.exit_code
    assert "line 1 does not end with a newline" in result.stderr


def test_a_missing_file_is_told(chenu: Shell, tmp_path: Path) -> None:
    """No traceback for a mistyped name."""
    result = chenu("audit", "verify", str(tmp_path / "none"))

    assert ExitCode.USAGE == result.exit_code
    assert "cannot read" in result.stderr


def chunks(content: bytes) -> list[audit_service_pb2.ExportEntriesResponse]:
    """An export as the server sends it, cut anywhere."""
    return [
        audit_service_pb2.ExportEntriesResponse(chunk=content[at : at + 100])
        for at in range(0, len(content), 100)
    ]


def test_an_export_is_written_byte_for_byte(gateway: Gateway, chenu: Shell, tmp_path: Path) -> None:
    """What is verified later is what the server sent."""
    gateway.answers["ExportEntries"] = [*chunks(exported())]
    file = tmp_path / "out.jsonl"
    result = chenu("audit", "export", "-o", str(file))

    assert ExitCode.OK == result.exit_code
    assert exported() == file.read_bytes()
    assert f"next: chenu audit verify {file}\n" == result.stderr


def test_an_export_is_durable_with_its_name(
    gateway: Gateway, chenu: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose directory was not written is gone after a power cut, whatever is in it."""
    gateway.answers["ExportEntries"] = [*chunks(exported())]
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    file = tmp_path / "out.jsonl"
    chenu("audit", "export", "-o", str(file))

    assert [file.stat().st_ino, tmp_path.stat().st_ino] == synced


def test_a_broken_export_leaves_no_file(gateway: Gateway, chenu: Shell, tmp_path: Path) -> None:
    """Half a ledger must not lie where a whole one is expected."""
    cut = status(grpc.StatusCode.UNAVAILABLE, "GOVERNANCE_UNAVAILABLE")
    gateway.answers["ExportEntries"] = [*chunks(exported())[:2], cut]
    file = tmp_path / "out.jsonl"

    assert ExitCode.UNAVAILABLE == chenu("audit", "export", "-o", str(file)).exit_code
    assert [] == list(tmp_path.iterdir())


def test_an_export_overwrites_nothing(gateway: Gateway, chenu: Shell, export: Path) -> None:
    """The older export may be the only proof of what was there."""
    gateway.answers["ExportEntries"] = [*chunks(b"other")]
    result = chenu("audit", "export", "-o", str(export))

    assert ExitCode.USAGE == result.exit_code
    assert exported() == export.read_bytes()


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (audit_service_pb2.LEDGER_VERDICT_HOLDS, ExitCode.OK),
        (audit_service_pb2.LEDGER_VERDICT_BROKEN, ExitCode.BROKEN),
    ],
)
def test_the_servers_own_check_ends_with_its_verdict(
    gateway: Gateway,
    chenu: Shell,
    verdict: audit_service_pb2.LedgerVerdict.ValueType,
    code: ExitCode,
) -> None:
    """A broken ledger is never a success."""
    gateway.answers["VerifyLedger"] = audit_service_pb2.VerifyLedgerResponse(verdict=verdict)

    assert code == chenu("audit", "check").exit_code
