"""A server whose writer commits batches of one size, and says what each took of the processor.

`python -m loadtest.bench.store_served FIGURES SIZE`
"""

from __future__ import annotations

import atexit
import json
import runpy
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chenu_server import engine
from chenu_server.infra.db.committer import Committer
from chenu_server.infra.db.intake import Job

# Callers that are fewer than a batch would wait for ever.
WAIT_S = 0.1


def main() -> None:
    """Serve until SIGTERM."""
    figures, size = Path(sys.argv[1]), int(sys.argv[2])
    took: list[tuple[int, int]] = []
    # No knob of the writer's makes its batches alike, so each is gathered and committed from here.
    Committer._taken = _until(size)  # type: ignore[method-assign]  # see above
    Committer._commit = _timed(Committer._commit, took)  # type: ignore[method-assign]  # likewise
    atexit.register(lambda: figures.write_text(json.dumps(took)))
    sys.argv = ["chenu_server", "serve"]
    runpy.run_module("chenu_server", run_name="__main__", alter_sys=True)


def _until(size: int) -> Callable[..., Any]:
    """Wait for so many commands."""

    def taken(self: Any, intake: engine.Intake, _: engine.Completions) -> list[Job] | None:
        jobs, until_s = list[Job](), time.monotonic() + WAIT_S
        while _commands(jobs) < size and time.monotonic() < until_s:
            came = intake.take(WAIT_S / 10)
            if came is None:
                return jobs or None
            jobs += came
        return jobs

    return taken


def _commands(jobs: Sequence[Job]) -> int:
    """Notes ride along: they are part of what a call costs, but no command of the batch's size."""
    return sum(job.future is not None for job in jobs)


def _timed(commit: Callable[..., None], took: list[tuple[int, int]]) -> Callable[..., None]:
    """The nanoseconds of the writer's own thread, with the commands that they were for."""

    def timed(self: Any, jobs: Sequence[Job], begun: Any = None) -> None:
        before_ns = time.thread_time_ns()
        commit(self, jobs, begun)
        took.append((_commands(jobs), time.thread_time_ns() - before_ns))

    return timed


if __name__ == "__main__":
    main()
