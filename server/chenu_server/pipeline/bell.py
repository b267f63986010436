"""How one task wakes another that waits for it, at the price of a future and only while it waits.

An `asyncio.Event` costs three times that, and remembers a ring that nobody waited for.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes the one task that waits at it. A ring that nobody waits for is lost.

    So no await may stand between the look at what there is and the wait.
    """

    __slots__ = ("_waiter",)

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake whoever waits."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def wait(self, within_s: float | None = None) -> None:
        """Until the next ring, or for so long; which of them it was shows in what there is."""
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = None if within_s is None else loop.call_later(within_s, self.ring)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
