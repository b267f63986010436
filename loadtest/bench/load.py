"""The load generator: so many calls at a time, for so long, without decoding a message."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WARM_UP_S: Final = 1.0
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: how many calls ended in it, and what the server's process used for them."""

    calls: int
    seconds: float
    server_cpu_s: float

    @property
    def per_s(self) -> float:
        """Calls in a second."""
        return self.calls / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's processor time for one call."""
        return self.server_cpu_s * 1e6 / self.calls


async def measure(call: Call, concurrency: int, seconds: float, server_pid: int) -> Measured:
    """Keep `concurrency` calls under way; count those that end after a second of warm-up.

    Raises:
        Exception: A call failed; figures of a server that fails are worth nothing.
    """
    ended = 0

    async def repeat() -> None:
        nonlocal ended
        while True:
            await call()
            ended += 1

    async with asyncio.TaskGroup() as running:
        tasks = [running.create_task(repeat()) for _ in range(concurrency)]
        await asyncio.sleep(WARM_UP_S)
        before, cpu_before, started = ended, cpu_s(server_pid), time.perf_counter()
        await asyncio.sleep(seconds)
        took_s = time.perf_counter() - started
        measured = Measured(ended - before, took_s, cpu_s(server_pid) - cpu_before)
        for task in tasks:
            task.cancel()
    return measured


async def burst(call: Call, concurrency: int, calls: int) -> None:
    """Make so many calls, with as many under way as that allows.

    Raises:
        Exception: A call failed; figures of a server that fails are worth nothing.
    """
    left = iter(range(calls))

    async def repeat() -> None:
        for _ in left:
            await call()

    async with asyncio.TaskGroup() as running:
        for _ in range(concurrency):
            running.create_task(repeat())


async def interleaved(one: Call, other: Call, pairs: int) -> tuple[list[float], list[float]]:
    """Seconds of each call, one at a time, in turns, so that both see the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs + pairs // 10):
        for call, taken in zip((one, other), times, strict=True):
            started = time.perf_counter()
            await call()
            if number >= pairs // 10:  # the first tenth warms up
                taken.append(time.perf_counter() - started)
    return times


def cpu_us(pid: int) -> float:
    """Processor microseconds that a process's threads have used, those that ended left out."""
    spent_ns = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has just ended
            spent_ns += int((thread / "schedstat").read_text().split()[0])
    return spent_ns / 1_000


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used, in all its threads (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / TICKS_PER_S
