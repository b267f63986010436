"""What the store costs a call: `python -m loadtest.bench.store [--json FILE]`.

Processor time of the writer's thread for a call's two commands (admit and settle), by the size of
the batches that they are decided and committed in, and what a call adds to the database file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from loadtest.bench.gateway import gateway, load_of
from loadtest.bench.native import Spin, answer
from loadtest.bench.scene import LOAD_CORE
from loadtest.figures import table
from loadtest.processes import end_like_ctrl_c

BATCHES: Final = (1, 8, 32)
WARM_UP: Final = 256
CALLS: Final = 1_024
COMMANDS_OF_CALL: Final = 2


def main() -> None:
    """Measure, print, and write the figures if they are wanted."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.store")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    end_like_ctrl_c()
    os.sched_setaffinity(0, {LOAD_CORE})
    with Spin() as spin:
        found = [_measured(size, spin) for size in BATCHES]
    rows = [
        (
            str(each["batch"]),
            f"{each['writer_us']:.0f}",
            f"{each['writer_us'] / each['spin_us']:.5f}",
            f"{each['bytes']:.0f}",
            f"{each['alike']:.0%}",
        )
        for each in found
    ]
    print(
        table(("commands a batch", "writer us a call", "in spins", "bytes a call", "alike"), rows)
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def _measured(size: int, spin: Spin) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="chenu-bench-") as name:
        figures, database = Path(name) / "batches.json", Path(name) / "chenu.db"
        command = ("-m", "loadtest.bench.store_served", str(figures), str(size))
        with gateway(Path(name), command=command) as site:
            bytes_before = database.stat().st_size
            with load_of(site) as load:
                load.burst("query", size, WARM_UP, expected=answer())
                thread = json.loads(figures.read_text())["thread"]
                spins_us, before_ns = [spin.us()], _used_ns(site.server.pid, thread)
                load.burst("query", size, CALLS, expected=answer())
                used_ns = _used_ns(site.server.pid, thread) - before_ns
                spins_us.append(spin.us())
            site.server.terminate()
        batches, calls = json.loads(figures.read_text())["batches"], CALLS + WARM_UP
        return {
            "batch": size,
            "writer_us": used_ns / 1_000 / CALLS,
            "spin_us": fmean(spins_us),
            "bytes": (database.stat().st_size - bytes_before) / calls,
            # Of all commands, how many came in batches of this very size.
            "alike": size * batches.get(str(size), 0) / calls / COMMANDS_OF_CALL,
        }


def _used_ns(pid: int, thread: int) -> int:
    """The processor's time that a thread has used: all of it, with what wakes the event loop."""
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])


if __name__ == "__main__":
    main()
