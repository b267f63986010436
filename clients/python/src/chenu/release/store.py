"""Where an executor keeps which releases were used: the port, and a store of one process."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from typing import Protocol


class ReleaseStoreError(Exception):
    """The store cannot tell whether a release was used. The message says why and what to do."""


class ReleaseStore(Protocol):
    """Which releases were used, over all processes that execute calls for one audience."""

    def claim(self, jti: str, exp: int) -> bool:
        """
        Whether this is the first claim of `jti`: True exactly once before `exp`, whoever asks.

        `exp` is in seconds since 1970; `jti` has 36 characters. By then the claim is kept, so that
        neither a crash nor another process forgets it. What cannot be told is raised, never False.
        """
        ...


class MemoryReleaseStore:
    """A store for tests, and for an executor that is one process and never restarts.

    Another process knows nothing of it, nor does this one after a restart: then a release passes
    again until it expires. It holds at most `claims_max` claims that have not expired, and raises
    `ReleaseStoreError` for the next one. Any thread may use it.
    """

    def __init__(self, claims_max: int = 100_000, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970."""
        self._claims_max = claims_max
        self._clock = clock
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._ends: list[tuple[int, str]] = []
        self._forgotten_s = 0.0

    def claim(self, jti: str, exp: int) -> bool:
        """
        Whether this is the first claim, as the port says.

        Raises:
            ReleaseStoreError: As many as may be held are held.
        """
        with self._lock:
            self._forget(self._clock())
            # A clock that was set back makes valid again what is forgotten by now.
            if jti in self._held or exp <= self._forgotten_s:
                return False
            if len(self._held) >= self._claims_max:
                raise ReleaseStoreError(
                    f"{self._claims_max} releases are held that have not expired; "
                    "use SqlReleaseStore, or raise claims_max"
                )
            self._held.add(jti)
            heapq.heappush(self._ends, (exp, jti))
            return True

    def _forget(self, now_s: float) -> None:
        while self._ends and self._ends[0][0] <= now_s:
            exp, jti = heapq.heappop(self._ends)
            self._held.discard(jti)
            self._forgotten_s = max(self._forgotten_s, exp)
