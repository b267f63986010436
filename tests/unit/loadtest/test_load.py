"""The load generator counts what it says it counts."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from loadtest.bench import load


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second is enough here."""
    monkeypatch.setattr(load, "WARM_UP_S", 0.1)


async def test_no_more_calls_are_under_way_than_asked_for() -> None:
    """A rate without its concurrency is no figure."""
    running = most = total = 0

    async def call() -> None:
        nonlocal running, most, total
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        total += 1

    measured = await load.measure(call, 3, 0.2, os.getpid())

    assert 3 == most
    assert 0 < measured.calls < total  # those of the warm-up do not count


async def test_a_failed_call_ends_the_measurement() -> None:
    """A server that refuses is fast."""

    async def call() -> None:
        raise ConnectionError

    with pytest.raises(ExceptionGroup):
        await load.measure(call, 2, 5, os.getpid())
    with pytest.raises(ExceptionGroup):
        await load.burst(call, 2, 5)


@pytest.mark.parametrize(("concurrency", "calls"), [(3, 20), (8, 5)])
async def test_a_burst_makes_exactly_its_calls(concurrency: int, calls: int) -> None:
    """What they cost is divided by their number."""
    running = most = total = 0

    async def call() -> None:
        nonlocal running, most, total
        running, total = running + 1, total + 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await load.burst(call, concurrency, calls)

    assert (calls, min(concurrency, calls)) == (total, most)


def test_the_time_of_every_thread_counts() -> None:
    """The writer has a thread of its own."""
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        began_s = time.thread_time()
        while time.thread_time() - began_s < 0.05:
            pass
        done.set()
        go.wait()

    before_us = load.cpu_us(os.getpid())
    thread = threading.Thread(target=work)
    thread.start()
    done.wait()
    after_us = load.cpu_us(os.getpid())
    go.set()
    thread.join()

    assert 50_000 <= after_us - before_us


async def test_both_sides_are_called_in_turns() -> None:
    """So that a slow second of the machine meets both."""
    calls: list[str] = []

    async def call(name: str) -> None:
        calls.append(name)

    times = await load.interleaved(lambda: call("direct"), lambda: call("gateway"), 20)

    assert ["direct", "gateway"] * 22 == calls
    assert (20, 20) == (len(times[0]), len(times[1]))


def test_what_a_call_cost_is_the_servers_time_by_calls() -> None:
    """In microseconds."""
    measured = load.Measured(calls=1_000, seconds=2.0, server_cpu_s=0.5)

    assert (500.0, 500.0) == (measured.per_s, measured.cpu_us)
