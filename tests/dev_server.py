"""Runs `chenu dev` as a newcomer does, and reads what it says to paste."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_S = 180


@contextmanager
def dev_server(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    options: Sequence[str] = (),
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """
    The process that `command`, followed by `dev`, starts in a folder, and what it exports.

    It must end well on Ctrl-C, unless the block ended it.
    """
    process = subprocess.Popen(
        [*command, "dev", "--listen", "127.0.0.1:0", *options],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    giving_up = threading.Timer(START_S, process.kill)
    giving_up.start()
    try:
        yield process, _exports(process)
        process.send_signal(signal.SIGINT)
        code = process.wait(START_S)
    finally:
        giving_up.cancel()
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
    assert 0 == code


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stderr is not None
    said: list[str] = []
    exports: dict[str, str] = {}
    for line in process.stderr:
        said.append(line)
        if line.strip().startswith("export "):
            exports = dict(word.split("=", 1) for word in line.split()[1:])
        if "Ctrl-C" in line:
            return exports
    raise AssertionError(f"`chenu dev` did not start: {''.join(said)}")
