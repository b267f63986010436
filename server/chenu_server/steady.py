"""A clock that tells this machine's time as it was at the start, and never steps."""

from __future__ import annotations

from time import monotonic_ns, time_ns
from typing import Final

_AHEAD_NS: Final = time_ns() - monotonic_ns()


def steady_us() -> int:
    """Unix microseconds, by the monotonic clock since the process began."""
    return (monotonic_ns() + _AHEAD_NS) // 1_000
