"""Where the server's time goes: by py-spy if it is installed, else by cProfile."""

from __future__ import annotations

import pstats
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from loadtest.processes import SERVE, STOP_TIMEOUT_S

SAMPLES_PER_S: Final = 250
SHOWN: Final = 60


class Profile:
    """Does nothing without a file to write to.

    py-spy samples all threads from outside and costs the server little; its file holds one stack
    and its count a line. cProfile sees the event loop's thread only and slows it down.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._spy = shutil.which("py-spy") if file else None

    @property
    def command(self) -> Sequence[str]:
        """What starts the server."""
        if self._file is None or self._spy is not None:
            return SERVE
        return ("-m", "cProfile", "-o", str(self._raw), *SERVE)

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Sample a process meanwhile."""
        if self._file is None or self._spy is None:
            yield
            return
        options = ("--pid", str(pid), "--rate", str(SAMPLES_PER_S), "--format", "raw")
        sampler = subprocess.Popen([self._spy, "record", *options, "--output", str(self._file)])
        try:
            yield
        finally:
            # As Ctrl-C would: it then writes what it has sampled.
            sampler.send_signal(signal.SIGINT)
            sampler.wait(STOP_TIMEOUT_S)

    def finish(self) -> None:
        """Make what was recorded readable, once the server has ended."""
        if self._file is None or self._spy is not None:
            return
        with self._file.open("w") as stream:
            stats = pstats.Stats(str(self._raw), stream=stream)
            stats.sort_stats("tottime").print_stats(SHOWN)
        self._raw.unlink()

    @property
    def _raw(self) -> Path:
        assert self._file is not None
        return self._file.resolve().with_suffix(".pstats")
