"""A server whose writer is given its commands so many at once.

`python -m loadtest.bench.store_served FIGURES SIZE`: the figures say which thread the writer's is,
and in the end how many batches there were of each size.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import runpy
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from chenu_server import engine
from chenu_server.infra.db.committer import Committer
from chenu_server.infra.db.intake import WriterLimits

# Callers that are fewer than a batch would wait for ever.
WAIT_S = 0.1


class Gathering:
    """Keeps commands back until they are as many as a batch is to have."""

    def __init__(self, intake: engine.Intake, size: int) -> None:
        self.intake, self._size = intake, size
        self._kept: list[tuple[engine.Command, Any]] = []
        self._bell: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.intake, name)

    def __len__(self) -> int:
        return len(self.intake)

    def put(self, command: engine.Command, whose: Any) -> bool:
        """Keep it, and put all that are kept once they are enough."""
        self._kept.append((command, whose))
        if len(self._kept) >= self._size:
            self._put_all()
        elif self._bell is None:
            self._bell = asyncio.get_running_loop().call_later(WAIT_S, self._put_all)
        return True

    def _put_all(self) -> None:
        if self._bell is not None:
            self._bell.cancel()
        kept, self._kept, self._bell = self._kept, [], None
        for command, whose in kept:
            assert self.intake.put(command, whose), "as many wait as may"


def main() -> None:
    """Serve until SIGTERM."""
    figures, size = Path(sys.argv[1]), int(sys.argv[2])
    batches: Counter[int] = Counter()
    told: dict[str, Any] = {"batches": batches}
    empty, run, served = WriterLimits.intake, Committer.run, Committer._served

    def tell() -> None:
        figures.write_text(json.dumps(told))

    def running(self: Any, gathering: Any, completions: engine.Completions) -> None:
        told["thread"] = threading.get_native_id()
        tell()
        run(self, gathering.intake, completions)

    def counted(self: Any, jobs: Any, *args: Any) -> None:
        # Notes ride along: they are part of what a call costs, but no command of the batch's size.
        batches[sum(job.future is not None for job in jobs)] += 1
        served(self, jobs, *args)

    # No knob of the writer's makes its batches alike. All behind the intake is left as it is, for
    # there is what is measured.
    patched: list[tuple[type, str, Any]] = [
        (WriterLimits, "intake", lambda self: Gathering(empty(self), size)),
        (Committer, "run", running),
        (Committer, "_served", counted),
    ]
    for owner, name, instead in patched:
        setattr(owner, name, instead)
    atexit.register(tell)
    sys.argv = ["chenu_server", "serve"]
    runpy.run_module("chenu_server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
