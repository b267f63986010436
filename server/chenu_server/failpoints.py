"""Named points at which a test stops, delays or fails this process.

Nothing is armed unless configuration says so; an idle point costs one dictionary lookup.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from typing import Final

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
    for part in filter(None, (part.strip() for part in spec.split(";"))):
        name, _, action = part.partition("=")
        _armed[name] = _Failpoint(name, action)


def disarm() -> None:
    """Take every point off."""
    _armed.clear()
