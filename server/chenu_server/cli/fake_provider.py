"""The fake provider's process, beside the server of `chenu dev`."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from chenu_server.cli.exit_codes import ExitCode, fail

START_S: Final = 60.0


@asynccontextmanager
async def fake_provider(log: Path) -> AsyncIterator[str]:
    """Run it while the block runs; gives its address. What it complains of goes to a file."""
    with log.open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # whatever modules lie in the current folder are not ours
            "-m",
            "chenu_server.upstream",
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,  # Ctrl-C is for the server, which drains first
        )
    try:
        yield await _address(process, log)
    finally:
        with suppress(ProcessLookupError):
            # Also when the server fails to start: nobody else knows of this process, and it would
            # keep its port.
            process.terminate()
        await process.wait()


async def _address(process: Process, log: Path) -> str:
    """Where the fake provider listens: the last word of the first line that it prints."""
    line = b""
    if process.stdout is not None:
        with suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), START_S)
    words = line.decode().split()
    if not words:
        raise fail(ExitCode.FAILED, f"the fake provider did not start; see {log}")
    return words[-1]
