"""How many streams an identity has open. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chenu_server.errors import ServerOverloaded

_RETRY_US = 1_000_000


class Attachments:
    """Bounds the streams of each identity."""

    def __init__(self, *, per_identity_max: int) -> None:
        self._per_identity_max = per_identity_max
        self._open: Counter[str] = Counter()

    @contextmanager
    def opened(self, identity_id: str) -> Iterator[None]:
        """
        One stream is open while this is.

        Raises:
            ServerOverloaded: The identity has as many open as it may.
        """
        if self._open[identity_id] >= self._per_identity_max:
            raise ServerOverloaded(_RETRY_US, "streams of this identity")
        self._open[identity_id] += 1
        try:
            yield
        finally:
            self._open[identity_id] -= 1
            # A count of 0 would stay for every identity that was ever here.
            if not self._open[identity_id]:
                del self._open[identity_id]
