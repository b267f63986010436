"""Whether a call has become dearer: `python -m loadtest.bench.pairs --before CHECKOUT`.

A server of this tree and one of another checkout, which is set up, run side by side on core 0 and
are loaded in short turns: whatever the machine does meanwhile meets both. Two starts of one tree
differ by some percent, by where their memory came to lie: so both are started several times.

What is compared is the server's processor time for a call (`unary`, `stream`); the time in which a
call is done when many are asked for at once (`rate`: calls/s, the other way round); what a call of
one caller takes longer than one of the provider (`added`); or the time until a stream's first piece
is there, one stream at a time (`first`). The interval is that of the ratios' median.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from loadtest.bench.gateway import gateway, load_of
from loadtest.bench.native import answer
from loadtest.bench.scene import CONCURRENCY, DELTAS, LOAD_CORE, STREAM_CHARS, STREAM_DELTAS
from loadtest.processes import end_like_ctrl_c
from loadtest.site import Site

# How many of each start: one stream alone says less than 64 calls, and takes less long.
PAIRS: Final = {"unary": 20, "stream": 20, "rate": 20, "added": 20, "first": 150}
# Of the provider and through the server, one behind the other: their difference is small beside
# what a machine does to either.
ADDED_TURNS: Final = 24
CONFIDENCE: Final = 0.9
# Until caches, connections and the interpreter's own counters have settled.
WARM_UP_CALLS: Final = 256

Half = Callable[[], float]


def main() -> int:
    """0, or 1 where the whole interval lies above what a call may cost."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.pairs")
    parser.add_argument("--before", type=Path, required=True, help="the checkout to compare with")
    parser.add_argument("--part", choices=list(PAIRS), default="unary")
    parser.add_argument("--starts", type=int, default=4, help="times that both are started anew")
    parser.add_argument("--pairs", type=int, help="of each start")
    parser.add_argument(
        "--calls", type=int, default=64, help="of each half, where many are asked for"
    )
    parser.add_argument("--at-most", type=float, default=1.03, help="what the ratio may be")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    end_like_ctrl_c()
    os.sched_setaffinity(0, {LOAD_CORE})
    pythons = [str(options.before.resolve() / ".venv/bin/python"), sys.executable]
    pairs: list[tuple[float, float]] = []
    for _ in range(options.starts):
        with _sites(pythons) as sites:
            count = options.pairs or PAIRS[options.part]
            pairs += _pairs(sites, options.part, count, options.calls)
    ratios = [after / before for before, after in pairs]
    low, high = interval(ratios)
    for before, after in pairs:
        print(f"before {before:7.0f} us  after {after:7.0f} us  ratio {after / before:.3f}")
    print(f"{len(ratios)} pairs: median {median(ratios):.3f}, 90 % in {low:.3f} to {high:.3f}")
    if options.json:
        options.json.write_text(json.dumps({"pairs_us": pairs, "interval": [low, high]}) + "\n")
    return int(low > options.at_most)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with nine in ten, whatever the values are spread like.

    Ranks, from the binomial distribution: of n values, how many fall below it by chance.
    """
    ordered, count = sorted(values), len(values)
    below, rank = 0.0, 0
    while rank < (count - 1) // 2:
        below += math.comb(count, rank) / 2**count
        if 2 * below > 1 - CONFIDENCE:
            break
        rank += 1
    place = max(rank - 1, 0)
    return ordered[place], ordered[count - 1 - place]


@contextmanager
def _sites(pythons: Sequence[str]) -> Iterator[list[Site]]:
    """A server of each tree, each with a database and an upstream of its own."""
    with ExitStack() as stack:
        sites = []
        for python in pythons:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="chenu-pairs-"))
            sites.append(stack.enter_context(gateway(Path(name), python=python)))
        yield sites


def _pairs(sites: Sequence[Site], part: str, count: int, calls: int) -> list[tuple[float, float]]:
    """Microseconds of both servers for a call."""
    with ExitStack() as stack:
        halves = [_half(site, part, calls, stack) for site in sites]
        pairs = []
        for number in range(count):
            used = {}
            # Each is first as often as the other: whatever a half leaves behind meets both.
            for place in (0, 1) if number % 2 else (1, 0):
                used[place] = halves[place]()
            pairs.append((used[0], used[1]))
        return pairs


def _half(site: Site, part: str, calls: int, stack: ExitStack) -> Half:
    """What measures a server once, warm."""
    is_long = part == "stream"
    deltas, chars = (STREAM_DELTAS, STREAM_CHARS) if is_long else (DELTAS, 0)
    site.upstream.behave("*", deltas=deltas, answer_chars=chars)
    load = stack.enter_context(load_of(site))
    method, expected = "run" if part in ("stream", "first") else "query", answer(chars)
    load.burst(method, CONCURRENCY, WARM_UP_CALLS, expected=expected)

    def spent() -> float:
        return load.burst(method, CONCURRENCY, calls, expected=expected).cpu_us

    def waited() -> float:
        return load.burst(method, 1, 1, expected=expected).first_us["p50"]

    def done() -> float:
        return 1e6 / load.burst(method, CONCURRENCY, calls, expected=expected).per_s

    def added() -> float:
        return median(
            load.burst(method, 1, 1, expected=expected).latency_us["p50"]
            - load.burst("provider", 1, 1).latency_us["p50"]
            for _ in range(ADDED_TURNS)
        )

    return {"first": waited, "rate": done, "added": added}.get(part, spent)


if __name__ == "__main__":
    sys.exit(main())
