"""Streams that were ended for their reader, while the transport still holds a message of theirs.

gRPC cannot take that message back: it, its call and the handler's coroutine stay until the reader
takes it or its connection ends, and nothing ends a connection that answers pings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Final

from chenu_server.errors import ServerOverloaded

# At 64 KiB each about 4 MiB of an identity's; a reader that means well has none or one.
UNREAD_MAX: Final = 64
# When a reader reads again is not known.
_RETRY_US: Final = 1_000_000


class Unread:
    """Bounds what the readers of one identity leave behind."""

    def __init__(self, per_identity_max: int = UNREAD_MAX) -> None:
        self._per_identity_max = per_identity_max
        self._held: dict[Hashable, str] = {}
        self._count: Counter[str] = Counter()

    def admit(self, identity_id: str) -> None:
        """
        Let a new stream begin.

        Raises:
            ServerOverloaded: The identity has left as many behind as it may.
        """
        if self._count[identity_id] >= self._per_identity_max:
            raise ServerOverloaded(_RETRY_US, "unread streams of this identity")

    def hold(self, stream: Hashable, identity_id: str) -> None:
        """A stream is ended and not yet gone; `release` is owed."""
        self._held[stream] = identity_id
        self._count[identity_id] += 1

    def release(self, stream: Hashable) -> None:
        """A stream is gone, whether it was held or not."""
        identity_id = self._held.pop(stream, None)
        if identity_id is not None:
            self._count[identity_id] -= 1
            if not self._count[identity_id]:
                del self._count[identity_id]
