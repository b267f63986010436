"""Named points at which a test stops, delays or fails this process.

Nothing is armed unless configuration says so; an idle point costs one dictionary lookup.
"""

from __future__ import annotations

import difflib
import os
import re
import signal
import threading
import time
from typing import Final

UNITS: Final = (
    *("admit", "validate", "retry", "consume", "settle", "resolve", "expire", "cancel", "recover"),
    *("dispatched", "held_back", "let_go", "readmitted", "violation", "hold_files", "keep_chunk"),
    *("create_budget", "update_budget", "unfreeze_budget", "delete_budget"),
)
POINTS: Final = frozenset(
    {f"{unit}.{edge}" for unit in UNITS for edge in ("before_commit", "after_commit")}
    | {"execution.before_dispatch", "execution.streaming", "execution.after_answer"}
    | {"settle.before_submit"}
)
"""Every point that the server passes."""

_ACTION: Final = re.compile(r"(?P<verb>kill|error|sleep(?=:))(:(?P<ms>\d+))?(@(?P<hit>[1-9]\d*))?")
_armed: dict[str, _Failpoint] = {}


class FailpointError(Exception):
    """Raised at a point that is armed with `error`."""


class _Failpoint:
    """What happens at a point, once, on its n-th hit."""

    def __init__(self, name: str, action: str) -> None:
        parsed = _ACTION.fullmatch(action)
        if parsed is None:
            raise ValueError(f"failpoint {name}: {action!r} is not kill, error or sleep:<ms>, @<n>")
        self._name = name
        self._verb = parsed["verb"]
        self._delay_s = int(parsed["ms"] or 0) / 1_000
        self._left = int(parsed["hit"] or 1)
        self._lock = threading.Lock()

    def act(self) -> None:
        """Count this hit, and act on it if it is the one."""
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if not due:
            return
        if self._verb == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._verb == "error":
            raise FailpointError(self._name)
        time.sleep(self._delay_s)


def hit(name: str) -> None:
    """Pass the point `name`; does nothing unless it is armed."""
    point = _armed.get(name)
    if point is not None:
        point.act()


def arm(spec: str) -> None:
    """Arm points: `admit.before_commit=kill@2;settle.after_commit=sleep:50`.

    `@n` acts on the n-th hit (default: the first), once.
    """
    _armed.update(_points(spec))


def checked(spec: str) -> str:
    """The same text, if it names points that the server passes and what happens there.

    Raises:
        ValueError: It does not; a point that is never passed would let a crash test pass for ever.
    """
    for name in _points(spec):
        if name not in POINTS:
            close = difflib.get_close_matches(name, POINTS, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"failpoint {name}: there is no such point{hint}")
    return spec


def _points(spec: str) -> dict[str, _Failpoint]:
    parts = [part.strip().partition("=") for part in spec.split(";") if part.strip()]
    return {name: _Failpoint(name, action) for name, _, action in parts}


def disarm() -> None:
    """Take every point off."""
    _armed.clear()
