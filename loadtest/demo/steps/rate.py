"""One hundred calls a minute to a provider, not one more; the next is told when to come back."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid

from chenu import errors
from loadtest.demo.proof import prove, refused, same
from loadtest.demo.stage import RATE_MODEL, RATE_PROVIDER, Stage, ask

LIMIT = 100
SHARES = (("hasty", 50), ("brisk", 50))  # and call 101 is one of hasty's
CALLS_PER_S = 15  # an identity's own limit is 20 in a second
SHORT_DEADLINE_S = 5.0
WINDOW_NS = 60 * 10**9


class RateLimit:
    """The step in two parts, so that its minute of waiting can pass while others are shown."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        # Under one id, so that what comes back is the very call that was refused.
        self._request = ask("And one more", RATE_MODEL, request_id=str(uuid.uuid4()))
        self._retry_at_s = 0.0
        self._told_s = 0.0

    async def fill(self) -> None:
        """One hundred calls run; the next one learns when there will be room."""
        await asyncio.gather(*(self._calls(name, count) for name, count in SHARES))
        call = self._stage["hasty"].pipeline.query(self._request, timeout_s=SHORT_DEADLINE_S)
        no = await refused(errors.RateRefused, call)
        same("DEADLINE_UNREACHABLE", no.reason, "why call 101 is refused")
        prove(no.retry_after is not None, "it is told when to come back")
        assert no.retry_after is not None
        self._told_s = no.retry_after.total_seconds()
        self._retry_at_s = time.monotonic() + self._told_s
        prove(self._told_s > SHORT_DEADLINE_S, "that is later than its deadline")

    async def come_back(self) -> list[str]:
        """At that time, and not before, the same call runs."""
        await self._wait()
        await self._stage["hasty"].pipeline.query(self._request, timeout_s=SHORT_DEADLINE_S)
        found = self._stage.upstream.arrivals(provider=RATE_PROVIDER)
        same(LIMIT + 1, len(found), "calls that reached the provider")
        span_ns = min(
            found[at + LIMIT]["mono_ns"] - found[at]["mono_ns"] for at in range(len(found) - LIMIT)
        )
        prove(span_ns >= WINDOW_NS, "no span of 60 s holds more than 100 of them")
        took_s = (found[LIMIT - 1]["mono_ns"] - found[0]["mono_ns"]) / 1e9
        return [
            f"{LIMIT} calls of two identities ran in {took_s:.1f} s",
            f"call 101, 5 s to its deadline -> DEADLINE_UNREACHABLE, retry in {self._told_s:.3f} s",
            f"called again then: it ran, {span_ns / 1e9:.3f} s after the first of the hundred",
        ]

    async def _calls(self, name: str, count: int) -> None:
        """So many calls at an even pace, each answered before the next goes out.

        A server that stands still for a second then finds one call waiting and not fifteen.
        """
        for number in range(count):
            request = ask(f"Call {number} of {name}", RATE_MODEL)
            call = self._stage[name].pipeline.query(request, timeout_s=SHORT_DEADLINE_S)
            await asyncio.gather(call, asyncio.sleep(1 / CALLS_PER_S))

    async def _wait(self) -> None:
        shows = sys.stdout.isatty()
        while (left_s := self._retry_at_s - time.monotonic()) > 0:
            if shows:
                print(f"\r    waiting for the slot: {left_s:4.0f} s ", end="", flush=True)
            await asyncio.sleep(min(left_s, 1.0))
        if shows:
            print("\r" + " " * 40 + "\r", end="", flush=True)
