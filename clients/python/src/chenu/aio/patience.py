"""How often and how long a lost server is sought."""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import Final

import grpc

from chenu import errors

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
UNHEARD_GIVE_UP_S: Final = 2.0
CUT: Final[frozenset[grpc.StatusCode]] = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,  # the stream was reset
        grpc.StatusCode.UNKNOWN,  # the stream was removed
        grpc.StatusCode.CANCELLED,  # the server's transport shed the call
        grpc.StatusCode.DATA_LOSS,  # something is missing between the cursor and the next event
    }
)


def is_cut(error: errors.ChenuError) -> bool:
    """Whether the connection broke, so that the same call may find a whole one."""
    return isinstance(error, errors.ConnectionLost) and error.code in CUT


class Patience:
    """Waits before each new try, and ends the tries: after a while without a word, or in time."""

    def __init__(self, give_up_s: float, end_s: float, *, has_heard: bool = False) -> None:
        """`end_s` is when the caller's deadline passes, by the monotonic clock."""
        self.has_heard = has_heard
        self._longest_s = give_up_s
        self._end_s = end_s
        self._since_s = math.inf
        self._pause_s = 0.0

    def renew(self) -> None:
        """The server said something."""
        self.has_heard = True
        self._since_s, self._pause_s = math.inf, 0.0

    async def wait(self, lost: errors.ChenuError) -> None:
        """
        Wait before the next try: not at all at first, then longer each time.

        Who has never answered is soon given up: it may be the wrong address.

        Raises:
            ChenuError: `lost`, when there were tries enough, or the next would come too late.
        """
        if not isinstance(lost, errors.ConnectionLost):
            self.has_heard = True  # a refusal with a reason is an answer of this very server
        now_s = time.monotonic()
        # From the first loss without a word since: each failed try would else put the end off.
        self._since_s = min(self._since_s, now_s)
        give_up_s = self._longest_s if self.has_heard else min(self._longest_s, UNHEARD_GIVE_UP_S)
        until_s = min(self._since_s + give_up_s, self._end_s)
        told_s = lost.retry_after.total_seconds() if lost.retry_after else 0.0
        if now_s + told_s >= until_s:
            raise lost
        # Scattered, so that those who were cut off together do not all come back at once.
        pause_s = min(self._pause_s * random.uniform(0.8, 1.2), until_s - now_s)
        await asyncio.sleep(max(told_s, pause_s))
        self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
