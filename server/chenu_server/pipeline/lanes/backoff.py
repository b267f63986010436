"""When a provider that has failed in this query may be asked again, for another of its models."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from chenu_server.providers.model import ProviderFailure

BASE_S: Final = 0.2
# Whoever must wait longer is passed by: another provider may be idle, and the caller is told.
WAIT_MAX_S: Final = 2.0


class Backoff:
    """The waits of one query. Other providers are asked at once: it is not they who failed.

    The wait doubles with each failure of the provider; a random half of it keeps the queries that
    it failed together from coming back together (equal jitter, as in "Exponential Backoff And
    Jitter", AWS Architecture Blog 2015). A time that the provider told is never cut short.
    """

    def __init__(self, dice: random.Random, clock: Callable[[], float] = time.monotonic) -> None:
        self._dice = dice
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._ready: dict[str, float] = {}

    def failed(self, provider: str, failure: ProviderFailure) -> None:
        """Remember when to come back. What only its operator can mend, no wait does."""
        if failure.needs_operator:
            return
        count = self._failures[provider] = self._failures.get(provider, 0) + 1
        doubled_s = min(BASE_S * 2 ** (count - 1), WAIT_MAX_S)
        told_s = (failure.retry_after_ms or 0) / 1_000
        jitter = self._dice.random()
        wait_s = max(doubled_s * (1 + jitter) / 2, told_s)
        self._ready[provider] = self._clock() + wait_s

    def wait_s(self, provider: str) -> float:
        """Seconds until the provider may be asked; 0 for one that has not failed."""
        ready = self._ready.get(provider)
        return 0.0 if ready is None else max(ready - self._clock(), 0.0)
