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
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop

from chenu_server.caller import PrincipalType, Role
from loadtest.bench.callers import PROVIDER, Direct, EchoProcess, Gateway
from loadtest.bench.load import Measured, interleaved, measure
from loadtest.bench.profile import Profile
from loadtest.figures import percentile, table
from loadtest.site import Site, fund, running_site

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
CONCURRENCY: Final = 32
PAIRS: Final = 300
STREAM_DELTAS: Final = 50
BUDGET_NANOUSD: Final = 10**15
LIMITS: Final = {
    "provider_limit": 10_000_000,
    "identity_limit": 1_000_000,
    "identity_burst": 100_000,
    "calls_per_s": 100_000,
    "calls_burst": 100_000,
}
Result = dict[str, Any]


def main() -> None:
    """Measure, print, and write the figures if they are wanted."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each part of a round")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--profile", type=Path, help="write here where the server's time goes")
    options = parser.parse_args()
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
        found = uvloop.run(_measure(site, options.rounds, options.seconds, profile))
        site.server.terminate()
        profile.finish()
    print(_shown(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


async def _measure(site: Site, rounds: int, seconds: float, profile: Profile) -> Result:
    controller = site.client(PrincipalType.SERVICE, "bench", "bench", [Role.BUDGET_ADMIN])
    async with controller:
        await fund(controller, BUDGET_NANOUSD)
    token = site.mint.token(PrincipalType.SERVICE, "bench", {"bench": [Role.MEMBER]})
    unary, streams = [], []
    direct_s: list[float] = []
    gateway_s: list[float] = []
    async with Gateway(site.server.target, token) as gateway, Direct(site.upstream.base_url) as raw:
        with profile.of(site.server.pid):
            for _ in range(rounds):
                unary.append(await _unary(site, gateway, seconds))
                pair = await interleaved(raw.call, gateway.unary(), PAIRS)
                direct_s += pair[0]
                gateway_s += pair[1]
                streams.append(await _streams(site, gateway, seconds))
    return {
        "load_ceiling_per_s": (await _ceiling(site, token, seconds)).per_s,
        "unary": _summary(unary),
        "stream": _summary(streams) | {"deltas": STREAM_DELTAS},
        "latency_ms": _latency(direct_s, gateway_s),
    }


async def _unary(site: Site, gateway: Gateway, seconds: float) -> Measured:
    site.upstream.behave("*")
    return await measure(gateway.unary(), CONCURRENCY, seconds, site.server.pid)


async def _streams(site: Site, gateway: Gateway, seconds: float) -> Measured:
    site.upstream.behave("*", deltas=STREAM_DELTAS, answer_chars=20 * STREAM_DELTAS)
    measured = await measure(gateway.stream(), CONCURRENCY, seconds, site.server.pid)
    site.upstream.behave("*")
    return measured


async def _ceiling(site: Site, token: str, seconds: float) -> Measured:
    """What this load generator can ask of a server that does nothing."""
    with EchoProcess(site.directory, core=SERVER_CORE) as echo:
        async with Gateway(echo.target, token) as gateway:
            return await measure(gateway.unary(), CONCURRENCY, seconds, echo.pid)


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
    rows = []
    for name, title in (("unary", "governed calls"), ("stream", "governed streams")):
        part = found[name]
        span = f"{min(part['per_s_rounds']):.0f}-{max(part['per_s_rounds']):.0f}"
        rows.append((title, f"{part['per_s']:.0f}", span, f"{part['server_cpu_us']:.0f}"))
    header = (f"at concurrency {CONCURRENCY}", "per s", "rounds", "server CPU us each")
    latency = found["latency_ms"]
    times = [
        (name, f"{latency[name]['p50']:.2f}", f"{latency[name]['p99']:.2f}")
        for name in ("direct", "gateway", "added")
    ]
    ceiling = f"load generator: Python client, at most {found['load_ceiling_per_s']:.0f} calls/s"
    return "\n\n".join(
        (
            table(header, rows),
            table(("at concurrency 1, in turns", "p50 ms", "p99 ms"), times),
            f"{ceiling}; a stream has {STREAM_DELTAS} deltas",
        )
    )


if __name__ == "__main__":
    main()
