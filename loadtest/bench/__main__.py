"""The whole gateway on one processor core: `python -m loadtest.bench [--rounds 3] [--json FILE]`.

Everything is on and durable: SQLite with `synchronous=FULL`, all layers, the access log, one
ledger. The server has core 0; the native load generator and the native provider share core 1.
Queries go to one model on the OpenAI wire, which answers at once; governed answers are checked.

A shared machine changes its speed from minute to minute. So a fixed loop runs on the server's core
beside what is timed, and what two runs say is compared in its terms (`--compare FILE`).
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

from loadtest.bench.compare import compared, in_spins
from loadtest.bench.gateway import gateway, load_of
from loadtest.bench.native import Echo, Load, Measured, Spin, answer
from loadtest.bench.profile import Profile
from loadtest.bench.scene import (
    CONCURRENCY,
    DELTAS,
    LOAD_CORE,
    SERVER_CORE,
    STREAM_CHARS,
    STREAM_DELTAS,
)
from loadtest.figures import percentile, table
from loadtest.processes import end_like_ctrl_c
from loadtest.site import Site

PAIRS: Final = 300
PARTS: Final = ("unary", "latency", "stream", "memory")
WAVE_STREAMS: Final = 200
WAVES: Final = 16
Result = dict[str, Any]


def main() -> None:
    """Measure, print, and write the figures if they are wanted."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each part of a round")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--compare", type=Path, help="figures of an earlier run, to compare with")
    parser.add_argument("--profile", type=Path, help="write here where the server's time goes")
    options = parser.parse_args()
    before = json.loads(options.compare.read_text()) if options.compare else None
    end_like_ctrl_c()
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        sys.exit(f"cores {SERVER_CORE} and {LOAD_CORE} are needed, one for the server")
    # This process waits on the load's core, so that the server has its own for itself.
    os.sched_setaffinity(0, {LOAD_CORE})
    profile = Profile(options.profile)
    with (
        tempfile.TemporaryDirectory(prefix="chenu-bench-") as name,
        gateway(Path(name), command=profile.command) as site,
        Spin() as spin,
    ):
        found = Bench(site, options.parts, options.seconds, spin).run(options.rounds, profile)
        site.server.terminate()
        profile.finish()
    print(_shown(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    if before is not None:
        print("\n" + compared(in_spins(before), in_spins(found)))


class Bench:
    """The parts, round by round, so that a change of the machine meets all of them."""

    def __init__(self, site: Site, parts: Sequence[str], seconds: float, spin: Spin) -> None:
        self._site, self._parts, self._seconds, self._spin = site, parts, seconds, spin
        self._rounds: dict[str, list[Measured]] = {"unary": [], "stream": []}
        self._spins: dict[str, list[int]] = {"unary": [], "stream": [], "latency": []}
        self._direct_us: list[int] = []
        self._gateway_us: list[int] = []
        self._first_us: list[int] = []
        self._held_kib: list[int] = []

    def run(self, rounds: int, profile: Profile) -> Result:
        """All rounds, and what came of them."""
        site = self._site
        with load_of(site) as load, profile.of(site.server.pid):
            for _ in range(rounds):
                self._round(load)
            if "memory" in self._parts:
                self._waves(load)
        found: Result = {"load_ceiling_per_s": self._ceiling().per_s}
        for name, measured in self._rounds.items():
            if measured:
                found[name] = _summary(measured, self._spins[name])
        if self._direct_us:
            found["latency_us"] = self._latency()
        if self._held_kib:
            found["held_kib"] = self._held_kib
        return found

    def _round(self, load: Load) -> None:
        # The streams of the round before were answered otherwise.
        self._answers(DELTAS)
        if "unary" in self._parts:
            self._note("unary", load.spell("query", CONCURRENCY, self._seconds, expected=answer()))
        if "latency" in self._parts:
            self._spins["latency"].append(self._spin.us())
            for number in range(PAIRS + PAIRS // 10):
                direct, through = (
                    load.burst("provider", 1, 1),
                    load.burst("query", 1, 1, expected=answer()),
                )
                first = load.burst("run", 1, 1, expected=answer())
                if number >= PAIRS // 10:  # the first tenth warms up
                    self._direct_us.append(direct.latency_us["p50"])
                    self._gateway_us.append(through.latency_us["p50"])
                    self._first_us.append(first.first_us["p50"])
        if "stream" in self._parts:
            self._answers(STREAM_DELTAS, STREAM_CHARS)
            expected = answer(STREAM_CHARS)
            self._note("stream", load.spell("run", CONCURRENCY, self._seconds, expected=expected))

    def _waves(self, load: Load) -> None:
        """Whether memory comes to rest: streams all at once, and what is held after them."""
        self._answers(STREAM_DELTAS, STREAM_CHARS)
        for _ in range(WAVES):
            load.burst("run", WAVE_STREAMS, WAVE_STREAMS, expected=answer(STREAM_CHARS))
            self._held_kib.append(_resident_kib(self._site.server.pid))

    def _note(self, part: str, measured: Measured) -> None:
        self._rounds[part].append(measured)
        # Right behind it: a minute later the machine may have another speed.
        self._spins[part].append(self._spin.us())

    def _answers(self, deltas: int, chars: int = 0) -> None:
        self._site.upstream.behave("*", deltas=deltas, answer_chars=chars)

    def _latency(self) -> Result:
        """Added: the difference of each pair, then its percentiles."""
        pairs = zip(self._direct_us, self._gateway_us, strict=True)
        series = {
            "direct": self._direct_us,
            "gateway": self._gateway_us,
            "added": [through - direct for direct, through in pairs],
            "first piece": self._first_us,
        }
        figures = {
            name: {f"p{percent}": percentile(values, percent) for percent in (50, 99)}
            for name, values in series.items()
        }
        return {"spin_us": median(self._spins["latency"]), **figures}

    def _ceiling(self) -> Measured:
        """What this load generator can ask of a server that does nothing."""
        with (
            Echo(self._site.directory) as echo,
            Load(echo.wait_listening(), "", core=LOAD_CORE, pid=echo.pid) as load,
        ):
            return load.spell("query", CONCURRENCY, self._seconds)


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def _summary(rounds: Sequence[Measured], spins: Sequence[int]) -> Result:
    return {
        "per_s": median(each.per_s for each in rounds),
        "per_s_rounds": [each.per_s for each in rounds],
        "cpu_us": median(each.cpu_us for each in rounds),
        "spin_us": median(spins),
        "calls": sum(each.calls for each in rounds),
    }


def _shown(found: Result) -> str:
    ceiling = f"load generator: at most {found['load_ceiling_per_s']:.0f} calls/s"
    blocks = [f"{ceiling}; a stream has {STREAM_DELTAS} deltas"]
    if latency := found.get("latency_us"):
        times = [
            (name, *(f"{us / 1e3:.2f}" for us in part.values()))
            for name, part in latency.items()
            if name != "spin_us"
        ]
        blocks.insert(0, table(("at concurrency 1, in turns", "p50 ms", "p99 ms"), times))
    if held := found.get("held_kib"):
        last = ", ".join(f"{kib / 1024:.0f}" for kib in held[WAVES // 2 - 1 :])
        blocks.append(f"MiB held after each of the last waves of {WAVE_STREAMS} streams: {last}")
    rows = [_row(name, found[name]) for name in ("unary", "stream") if name in found]
    if rows:
        header = (
            f"governed, at concurrency {CONCURRENCY}",
            "per s",
            "rounds",
            "CPU us each",
            "in spins",
        )
        blocks.insert(0, table(header, rows))
    return "\n\n".join(blocks)


def _row(name: str, part: Result) -> tuple[str, ...]:
    span = f"{min(part['per_s_rounds']):.0f}-{max(part['per_s_rounds']):.0f}"
    spins = f"{part['cpu_us'] / part['spin_us']:.4f}"
    return name, f"{part['per_s']:.0f}", span, f"{part['cpu_us']:.0f}", spins


if __name__ == "__main__":
    main()
