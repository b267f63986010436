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
from pathlib import Path
from typing import Final

from chenu_server import engine

COMMANDS: Final = (
    *("admit", "validate", "retry", "consume", "settle", "expire", "cancel", "recover"),
    *("resolve", "resolve_all"),
    *("dispatched", "held_back", "let_go", "readmitted", "violation", "hold_files", "keep_chunk"),
    *("create_budget", "update_budget", "unfreeze_budget", "delete_budget"),
    *("reserve", "post", "void", "lapse"),
    *("take", "redeem"),
)
POINTS: Final = frozenset(
    {f"{command}.{edge}" for command in COMMANDS for edge in ("before_commit", "after_commit")}
    | {"execution.before_dispatch", "execution.streaming", "execution.after_answer"}
    | {"settle.before_submit"}
)
"""Every point that the server passes."""

CLOCKS: Final = frozenset({"clock.offset", "clock.database"})
"""Clocks that can be wrong: this process's own, and the database's as this process reads it."""

_ACTION: Final = re.compile(
    r"(?P<verb>kill|error|sleep(?=:\d)|shift(?=:))(:(?P<ms>-?\d+))?"
    r"(@((?P<hit>[1-9]\d*)|(?P<file>/.+)))?"
)
_armed: dict[str, _Failpoint] = {}


class FailpointError(Exception):
    """Raised at a point that is armed with `error`."""


class _Failpoint:
    """What happens at a point, once, on its n-th hit."""

    def __init__(self, name: str, action: str) -> None:
        parsed = _ACTION.fullmatch(action)
        if parsed is None:
            known = "kill, error or sleep:<ms>, nor, of a clock, shift:<ms>; with @<n> or @/<file>"
            raise ValueError(f"failpoint {name}: {action!r} is not {known}")
        self._name = name
        self._verb = parsed["verb"]
        self._delay_s = int(parsed["ms"] or 0) / 1_000
        self._left = int(parsed["hit"] or 1)
        self._file = Path(parsed["file"]) if parsed["file"] else None
        self._lock = threading.Lock()

    @property
    def is_shift(self) -> bool:
        """Whether it sets a clock."""
        return self._verb == "shift"

    def act(self) -> None:
        """Count this hit, and act on it if it is the one."""
        if not self._is_due(once=True):
            return
        if self._verb == "kill":
            # As a machine dies: nothing is flushed, and no handler runs.
            os.kill(os.getpid(), signal.SIGKILL)
        if self._verb == "error":
            raise FailpointError(self._name)
        time.sleep(self._delay_s)

    def shift_us(self) -> int:
        """Count this reading of a clock; from the one on that was named, how far off it is."""
        return int(self._delay_s * 1_000_000) if self._is_due(once=False) else 0

    def _is_due(self, *, once: bool) -> bool:
        """Count this hit: whether it is the one that was named, or one behind that."""
        if self._file is not None and not self._file.exists():
            return False
        # Points are passed by the event loop and by the writer's thread.
        with self._lock:
            self._left -= 1
            if self._left == 0:
                # Here and not above: commands that check a configuration load this module, and no
                # log.
                import structlog

                # Said, so that a test sees that it has come to it.
                structlog.get_logger(__name__).warning("failpoint_acts", point=self._name)
            return self._left == 0 or (self._left < 0 and not once)


def any_armed() -> bool:
    """Whether anything is."""
    return bool(_armed)


def hit(name: str) -> None:
    """Pass the point `name`; does nothing unless it is armed."""
    point = _armed.get(name)
    if point is not None:
        point.act()


def shift_us(clock: str) -> int:
    """By how much a clock of `CLOCKS` is wrong at this reading; 0 unless it is armed."""
    point = _armed.get(clock)
    return 0 if point is None else point.shift_us()


def arm(spec: str) -> None:
    """Arm points: `admit.before_commit=kill@2;settle.after_commit=sleep:50`.

    `@n` acts on the n-th hit (default: the first), once; `clock.database=shift:-3600000@9` sets
    a clock back by an hour from its ninth reading on. `@/some/file` acts on the first hit for
    which there is such a file: so a test chooses the moment while the server runs.
    """
    _armed.update(_points(spec))
    engine.failpoints_armed(any_armed())


def checked(spec: str) -> str:
    """The same text, if it names points that the server passes and what happens there.

    Raises:
        ValueError: It does not; a point that is never passed would let a crash test pass for ever.
    """
    for name, point in _points(spec).items():
        if name not in POINTS | CLOCKS:
            close = difflib.get_close_matches(name, POINTS | CLOCKS, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"failpoint {name}: there is no such point{hint}")
        if point.is_shift is not (name in CLOCKS):
            raise ValueError(f"failpoint {name}: a clock is shifted, and nothing else is")
    return spec


def _points(spec: str) -> dict[str, _Failpoint]:
    parts = [part.strip().partition("=") for part in spec.split(";") if part.strip()]
    return {name: _Failpoint(name, action) for name, _, action in parts}


def disarm() -> None:
    """Take every point off."""
    _armed.clear()
    engine.failpoints_armed(False)
