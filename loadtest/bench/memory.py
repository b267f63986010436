"""Whether a server's memory comes to rest: waves of streams, and what it holds after each."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from loadtest.bench.load import Call

STREAMS: Final = 200
WAVES: Final = 16


async def held_kib(call: Call, pid: int) -> list[int]:
    """Kibibytes of resident memory after each wave of streams, all of them at once."""
    held = []
    for _ in range(WAVES):
        async with asyncio.TaskGroup() as wave:
            for _ in range(STREAMS):
                wave.create_task(_one(call))
        held.append(_resident_kib(pid))
    return held


async def _one(call: Call) -> None:
    await call()


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
