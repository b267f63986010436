"""The whole gateway on one processor core: `python -m loadtest.bench [--rounds 3] [--json FILE]`.

Everything is on and durable: SQLite with `synchronous=FULL`, all interceptors, the access log, one
ledger. The server has core 0; the load generator and the fake upstream share core 1. Queries go to
one model on the OpenAI wire, which answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop

from chenu_server.caller import PrincipalType, Role
from loadtest.bench.callers import PROVIDER, Direct, EchoProcess, Gateway
from loadtest.bench.load import Call, Measured, interleaved, measure
from loadtest.bench.memory import STREAMS, WAVES, held_kib
from loadtest.bench.profile import Profile
from loadtest.bench.scene import (
    BUDGET_NANOUSD,
    CONCURRENCY,
    LIMITS,
    LOAD_CORE,
    SERVER_CORE,
    STREAM_DELTAS,
)
from loadtest.figures import percentile, table
from loadtest.processes import end_like_ctrl_c
from loadtest.site import Site, fund, running_site

PAIRS: Final = 300
PARTS: Final = ("unary", "latency", "stream", "memory")
Result = dict[str, Any]


def main() -> None:
    """Measure, print, and write the figures if they are wanted."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each part of a round")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--profile", type=Path, help="write here where the server's time goes")
    options = parser.parse_args()
    end_like_ctrl_c()
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        sys.exit(f"cores {SERVER_CORE} and {LOAD_CORE} are needed, one for the server")
    os.sched_setaffinity(0, {LOAD_CORE})
    profile = Profile(options.profile)
    with (
        tempfile.TemporaryDirectory(prefix="chenu-bench-") as name,
        running_site(
            Path(name),
            "sqlite",
            [PROVIDER],
            {"limits": LIMITS},
            server_core=SERVER_CORE,
            upstream_core=LOAD_CORE,
            command=profile.command,
        ) as site,
    ):
        bench = Bench(site, options.parts, options.seconds)
        found = uvloop.run(bench.run(options.rounds, profile))
        site.server.terminate()
        profile.finish()
    print(_shown(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


class Bench:
    """The parts, round by round, so that a change of the machine meets all of them."""

    def __init__(self, site: Site, parts: Sequence[str], seconds: float) -> None:
        self._site, self._parts, self._seconds = site, parts, seconds
        self._token = site.mint.token(PrincipalType.SERVICE, "bench", {"bench": [Role.MEMBER]})
        self._unary: list[Measured] = []
        self._streams: list[Measured] = []
        self._direct_s: list[float] = []
        self._gateway_s: list[float] = []
        self._held_kib: list[int] = []

    async def run(self, rounds: int, profile: Profile) -> Result:
        """All rounds, and what came of them."""
        site = self._site
        controller = site.client(PrincipalType.SERVICE, "bench", "bench", [Role.BUDGET_ADMIN])
        async with controller:
            await fund(controller, BUDGET_NANOUSD)
        async with (
            Gateway(site.server.target, self._token) as gateway,
            Direct(site.upstream.base_url) as direct,
        ):
            with profile.of(site.server.pid):
                for _ in range(rounds):
                    await self._round(gateway, direct)
                if "memory" in self._parts:
                    self._pieces(STREAM_DELTAS)
                    self._held_kib = await held_kib(gateway.stream(), site.server.pid)
        found: Result = {"load_ceiling_per_s": (await self._ceiling()).per_s}
        if self._unary:
            found["unary"] = _summary(self._unary)
        if self._streams:
            found["stream"] = _summary(self._streams) | {"deltas": STREAM_DELTAS}
        if self._direct_s:
            found["latency_ms"] = _latency(self._direct_s, self._gateway_s)
        if self._held_kib:
            found["held_kib"] = self._held_kib
        return found

    async def _round(self, gateway: Gateway, direct: Direct) -> None:
        if "unary" in self._parts:
            self._unary.append(await self._loaded(gateway.unary()))
        if "latency" in self._parts:
            pair = await interleaved(direct.call, gateway.unary(), PAIRS)
            self._direct_s += pair[0]
            self._gateway_s += pair[1]
        if "stream" in self._parts:
            self._pieces(STREAM_DELTAS)
            self._streams.append(await self._loaded(gateway.stream()))
            self._site.upstream.behave("*")

    def _pieces(self, count: int) -> None:
        self._site.upstream.behave("*", deltas=count, answer_chars=20 * count)

    async def _loaded(self, call: Call) -> Measured:
        return await measure(call, CONCURRENCY, self._seconds, self._site.server.pid)

    async def _ceiling(self) -> Measured:
        """What this load generator can ask of a server that does nothing."""
        with EchoProcess(self._site.directory, core=SERVER_CORE) as echo:
            async with Gateway(echo.wait_listening(), self._token) as gateway:
                return await measure(gateway.unary(), CONCURRENCY, self._seconds, echo.pid)


def _summary(rounds: list[Measured]) -> Result:
    return {
        "per_s": median(each.per_s for each in rounds),
        "per_s_rounds": [each.per_s for each in rounds],
        "server_cpu_us": median(each.cpu_us for each in rounds),
        "calls": sum(each.calls for each in rounds),
    }


def _latency(direct_s: list[float], gateway_s: list[float]) -> Result:
    """Added: the difference of each pair, then its percentiles."""
    added_s = [through - direct for direct, through in zip(direct_s, gateway_s, strict=True)]
    series = {"direct": direct_s, "gateway": gateway_s, "added": added_s}
    return {
        name: {f"p{percent}": percentile(values, percent) * 1e3 for percent in (50, 99)}
        for name, values in series.items()
    }


def _shown(found: Result) -> str:
    ceiling = f"load generator: Python client, at most {found['load_ceiling_per_s']:.0f} calls/s"
    blocks = [f"{ceiling}; a stream has {STREAM_DELTAS} deltas"]
    if latency := found.get("latency_ms"):
        times = [(name, *(f"{ms:.2f}" for ms in part.values())) for name, part in latency.items()]
        blocks.insert(0, table(("at concurrency 1, in turns", "p50 ms", "p99 ms"), times))
    if held := found.get("held_kib"):
        last = [f"{kib / 1024:.0f}" for kib in held[WAVES // 2 - 1 :]]
        blocks.append(
            f"MiB held after each of the last waves of {STREAMS} streams at once: {', '.join(last)}"
        )
    rows = [_row(name, found[name]) for name in ("unary", "stream") if name in found]
    if rows:
        header = (f"governed, at concurrency {CONCURRENCY}", "per s", "rounds", "CPU us each")
        blocks.insert(0, table(header, rows))
    return "\n\n".join(blocks)


def _row(name: str, part: Result) -> tuple[str, ...]:
    span = f"{min(part['per_s_rounds']):.0f}-{max(part['per_s_rounds']):.0f}"
    return name, f"{part['per_s']:.0f}", span, f"{part['server_cpu_us']:.0f}"


if __name__ == "__main__":
    main()
