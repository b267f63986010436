"""Server processes that start fast: each is forked from one that has imported everything.

They are as real as `chenu serve`: a process, a port, a database, and `kill -9` ends them.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

START_TIMEOUT_S: Final = 30.0
END_TIMEOUT_S: Final = 20.0
POLL_S: Final = 0.01
LOG_TAIL: Final = 4_000

_FORKS = multiprocessing.get_context("forkserver")
# pytest too: every child looks at the main module before it does anything else.
_FORKS.set_forkserver_preload(["chenu_server.bootstrap", "chenu_server.config", "pytest", "uvloop"])


class Server:
    """A server process. What it writes is appended to `log`."""

    def __init__(self, settings: Mapping[str, Any], log: Path) -> None:
        """Start it; `settings` are by dotted key."""
        self._log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._process = _FORKS.Process(target=_serve, args=(dict(settings), str(log)), daemon=True)
        self._process.start()

    async def serving(self) -> int:
        """Its port, once it serves."""
        end_s = time.monotonic() + START_TIMEOUT_S
        while (port := self._logged_port()) is None:
            assert self._process.is_alive(), f"it ended before it served:\n{self.output()}"
            assert time.monotonic() < end_s, f"it does not serve:\n{self.output()}"
            await asyncio.sleep(POLL_S)
        return port

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself; negative: the signal that ended it."""
        end_s = time.monotonic() + END_TIMEOUT_S
        while self._process.is_alive():
            assert time.monotonic() < end_s, f"it does not end:\n{self.output()}"
            await asyncio.sleep(POLL_S)
        assert self._process.exitcode is not None
        return self._process.exitcode

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is tidied up."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        """SIGTERM: finish what runs, then end."""
        self._process.terminate()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop it, as a machine does that stalls, until the block ends."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    @contextmanager
    def without_room(self, bytes_max: int) -> Iterator[None]:
        """Let no file of its grow beyond this, as on a full disk, until the block ends."""
        before = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (bytes_max, before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, before)

    def output(self) -> str:
        """The end of what this process has written."""
        return self._written()[-LOG_TAIL:]

    def has_logged(self, event: str) -> bool:
        """Whether this process has said so by now."""
        return f'"{event}"' in self._written()

    def _written(self) -> str:
        written = self._log.read_bytes() if self._log.exists() else b""
        return written[self._log_start :].decode(errors="replace")

    def _logged_port(self) -> int | None:
        for line in self._written().splitlines():
            if '"listening"' in line and line.endswith("}"):
                return int(json.loads(line)["port"])
        return None


def _serve(settings: Mapping[str, Any], log: str) -> None:
    """What the process does: log to a file, then exactly what `chenu serve` does."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    import uvloop

    from chenu_server.bootstrap import serve
    from chenu_server.config import load_settings

    uvloop.run(serve(load_settings(None, settings), lambda: load_settings(None, settings)))
