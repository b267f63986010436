"""This machine's clocks: the one on the wall, and one that never steps."""

from __future__ import annotations

from time import monotonic_ns, time_ns
from typing import Final

from chenu_server import failpoints

# Read once: whatever is done to the clock on the wall later, this one goes on.
_AHEAD_NS: Final = time_ns() - monotonic_ns()


def steady_us() -> int:
    """Unix microseconds as they were at the start, by the monotonic clock since."""
    return (monotonic_ns() + _AHEAD_NS) // 1_000


def wall_us() -> int:
    """Unix microseconds as this machine has them now; never compared with the database's."""
    return time_ns() // 1_000 + failpoints.shift_us("clock.offset")
