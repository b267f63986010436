"""How many streams an identity has open, and whether each is read fast enough. Pure."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager

from chenu_server.errors import ServerOverloaded, SlowConsumer
from chenu_server.pipeline.events import Event

_RETRY_US = 1_000_000


class Attachments:
    """Bounds the streams of each identity."""

    def __init__(self, *, per_identity_max: int, write_timeout_s: float) -> None:
        self._per_identity_max = per_identity_max
        self._write_timeout_s = write_timeout_s
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
            if not self._open[identity_id]:
                del self._open[identity_id]

    async def paced(self, events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
        """
        The events, as long as each is taken in time.

        Raises:
            SlowConsumer: The reader held one up for longer than it may.
        """
        sequence = 0
        async for event in events:
            sequence = event.sequence or sequence
            offered = time.monotonic()
            yield event
            if time.monotonic() - offered > self._write_timeout_s:
                raise SlowConsumer(sequence)
