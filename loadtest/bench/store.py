"""What the store costs a call: `python -m loadtest.bench.store [--json FILE] [--compare FILE]`.

Processor time of the writer's thread for a call's two commands (admit and settle), by the size of
the batches that they are decided and committed in; that of the thread beside it, which moves the
log's pages to the file; and what a call adds to the database file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from loadtest.bench.compare import Figure, compared
from loadtest.bench.gateway import gateway, load_of
from loadtest.bench.native import Spin, answer
from loadtest.bench.scene import LOAD_CORE
from loadtest.figures import table
from loadtest.processes import end_like_ctrl_c

BATCHES: Final = (1, 8, 32)
WARM_UP: Final = 256
CALLS: Final = 1_024
COMMANDS_OF_CALL: Final = 2
HEADS: Final = (
    "commands a batch",
    "writer us a call",
    "in spins",
    "beside it",
    "bytes a call",
    "alike",
)
# As the kernel's thread is called that moves the log's pages.
BESIDE: Final = "chenu-checkpoint"[:15]


def main() -> None:
    """Measure, print, and write the figures if they are wanted."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.store")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--compare", type=Path, help="figures of an earlier run, to compare with")
    options = parser.parse_args()
    before = json.loads(options.compare.read_text()) if options.compare else None
    end_like_ctrl_c()
    os.sched_setaffinity(0, {LOAD_CORE})
    with Spin() as spin:
        found = [_measured(size, spin) for size in BATCHES]
    rows = [
        (
            str(each["batch"]),
            f"{each['writer_us']:.0f}",
            f"{each['writer_us'] / each['spin_us']:.5f}",
            f"{each['beside_us']:.0f}",
            f"{each['bytes']:.0f}",
            f"{each['alike']:.0%}",
        )
        for each in found
    ]
    print(table(HEADS, rows))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    if before is not None:
        print("\n" + compared(_in_spins(before), _in_spins(found)))


def _in_spins(found: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    for each in found:
        for thread in ("writer", "beside"):
            if f"{thread}_us" in each:
                yield f"{thread} at {each['batch']}", each[f"{thread}_us"] / each["spin_us"]


def _measured(size: int, spin: Spin) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="chenu-bench-") as name:
        figures, database = Path(name) / "batches.json", Path(name) / "chenu.db"
        command = ("-m", "loadtest.bench.store_served", str(figures), str(size))
        with gateway(Path(name), command=command) as site:
            bytes_before = database.stat().st_size
            with load_of(site) as load:
                load.burst("query", size, WARM_UP, expected=answer())
                thread = json.loads(figures.read_text())["thread"]
                threads = (thread, _named(site.server.pid, BESIDE))
                spins_us, before = [spin.us()], _used_us(site.server.pid, threads)
                load.burst("query", size, CALLS, expected=answer())
                after = _used_us(site.server.pid, threads)
                spins_us.append(spin.us())
            site.server.terminate()
        batches, calls = json.loads(figures.read_text())["batches"], CALLS + WARM_UP
        return {
            "batch": size,
            "writer_us": (after[0] - before[0]) / CALLS,
            "beside_us": (after[1] - before[1]) / CALLS,
            "spin_us": fmean(spins_us),
            "bytes": (database.stat().st_size - bytes_before) / calls,
            # Of all commands, how many came in batches of this very size.
            "alike": size * batches.get(str(size), 0) / calls / COMMANDS_OF_CALL,
        }


def _named(pid: int, name: str) -> int:
    """The thread of that name."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return int(next(it.name for it in threads if (it / "comm").read_text().strip() == name))


def _used_us(pid: int, threads: Sequence[int]) -> list[float]:
    """The processor's time that threads have used: all of it, the writer's with waking the loop."""
    paths = (Path(f"/proc/{pid}/task/{thread}/schedstat") for thread in threads)
    return [int(path.read_text().split()[0]) / 1_000 for path in paths]


if __name__ == "__main__":
    main()
