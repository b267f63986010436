"""What `make test` says that it took: all of it, also what outlived its parent."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BURN = "import time\nwhile time.process_time() < 0.6: pass"


def counted(at_most: str, command: str) -> subprocess.CompletedProcess[str]:
    """The script on a shell's command, in which `$BURN` takes 0.01 CPU-minutes."""
    script = [sys.executable, "-m", "scripts.cpu_minutes", "--at-most", at_most]
    return subprocess.run(
        [*script, "sh", "-c", command.replace("$BURN", f"{sys.executable} -c '{BURN}'")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize("command", ["$BURN", "($BURN &) >/dev/null 2>&1"])
def test_a_command_that_takes_more_than_it_may_fails(command: str) -> None:
    """Whoever starts a server and leaves it is no cheaper for it."""
    said = counted("0.005", command)

    assert (1, True) == (said.returncode, "make tests cheaper" in said.stderr)


@pytest.mark.parametrize("status", [0, 3])
def test_the_status_is_the_commands(status: int) -> None:
    """And the last line says what it took."""
    said = counted("1", f"exit {status}")

    assert status == said.returncode
    assert re.fullmatch(r"==> \d+\.\d CPU-minutes\n", said.stdout)
