"""The ledger leaves the house: it verifies without a server, and not after one byte is changed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from chenu.api.governance.v1 import audit_service_pb2
from chenu_server.cli.exit_codes import ExitCode
from loadtest.demo.proof import prove, same
from loadtest.demo.stage import Stage

VERIFY = (sys.executable, "-m", "chenu_server", "audit", "verify")


async def exported(stage: Stage) -> list[str]:
    """Export, verify, change one byte, verify again."""
    whole, changed = stage.directory / "ledger.jsonl", stage.directory / "changed.jsonl"
    verdict = await stage["olga"].audit.verify()
    same(audit_service_pb2.LEDGER_VERDICT_HOLDS, verdict.verdict, "the server's own verdict")
    data = b"".join([chunk async for chunk in stage["olga"].audit.export()])
    prove(data.count(b"\n") > verdict.entries > 0, "every entry and the tail are exported")
    whole.write_bytes(data)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    changed.write_bytes(flipped)
    same(ExitCode.OK, (await _verify(whole))[0], "exit status for the export")
    code, complaint = await _verify(changed)
    same(ExitCode.BROKEN, code, "exit status after one flipped bit")
    return [
        f"{verdict.entries} entries, {len(data)} bytes: `chenu audit verify` says it holds",
        f"one bit of byte {len(data) // 2} flipped: {complaint}",
    ]


async def _verify(file: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *VERIFY,
        file.name,
        cwd=file.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode().strip().splitlines()[-1]
