"""Run a command and say how many CPU-minutes it took, with everything that it started.

    python -m scripts.cpu_minutes --at-most 20 make lint

The exit status is the command's; a command that took more than `--at-most` fails. Time on the
clock says little on a shared machine, and a suite that grows is paid for in CPU.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import time
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36
_ORPHANS_END_WITHIN_S: Final = 10


def main() -> int:
    """The command's status, or 1 where it passed and took too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-most", type=float, default=float("inf"), metavar="MINUTES")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    _adopt_orphans()
    status = subprocess.run(asked.command, check=False).returncode
    if not _reap():
        print("==> some of what was started still runs, and is not counted", file=sys.stderr)
    minutes = _minutes()
    print(f"==> {minutes:.1f} CPU-minutes", flush=True)
    if status == 0 and minutes > asked.at_most:
        print(f"that is more than {asked.at_most:g}; make tests cheaper", file=sys.stderr)
        return 1
    return status


def _adopt_orphans() -> None:
    """A database server that leaves its parent is counted too, once it has ended (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap() -> bool:
    """Wait for what outlived its parent, so that it is counted; whether all of it has ended."""
    until = time.monotonic() + _ORPHANS_END_WITHIN_S
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.05)
        except ChildProcessError:
            return True
    return False


def _minutes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / 60


if __name__ == "__main__":
    sys.exit(main())
