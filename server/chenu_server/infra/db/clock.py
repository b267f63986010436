"""The batches' time: the database's clock, but for what that may do and time may not.

What is due, free or over is decided by it, in every process of a database alike. It follows the
database's clock, and goes on by the monotonic one for as long as that is behind what has been
recorded: set back by an hour, it would else stand still for one, and with it every slot, expiry
and lease. It never goes back. Between batches it tells what the next one's time would be, so that
no process ever compares a clock of its own with a time from the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from chenu_server.unit import Moment

log = structlog.get_logger(__name__)

# Beyond this somebody has to look at the clock: NTP alone does not do so.
ALARM_US: Final = 5_000_000


class BatchClock:
    """Written by the writer's thread, read by any."""

    def __init__(self, mono_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._mono_ns = mono_ns
        self._last: Moment | None = None
        self._alarmed = False

    def moment(self, clock_us: int, mono_ns: int, last_us: int) -> Moment:
        """
        A batch's time.

        `clock_us` is the database's clock, read at the monotonic `mono_ns`; `last_us` is the time
        of the last batch that recorded anything, in whichever process.
        """
        before = self._last
        # Its own last batch tells how much time has gone by; that of another worker does not.
        gone_us = 0 if before is None else before.at(mono_ns)
        latest_us = last_us if before is None else max(last_us, before.now_us)
        now_us = clock_us if clock_us >= latest_us else max(latest_us, gone_us)
        self._alarm(clock_us, now_us, before, mono_ns)
        self._last = Moment(now_us, mono_ns)
        return self._last

    def now_us(self) -> int:
        """What a batch's time would be now. Needs one to have been: the writer's start makes it."""
        assert self._last is not None, "the writer has not been started"
        return self._last.at(self._mono_ns())

    def _alarm(self, clock_us: int, now_us: int, before: Moment | None, mono_ns: int) -> None:
        """Warn once for each time that the clock is found wrong."""
        behind_us = now_us - clock_us
        jumped_us = 0 if before is None else clock_us - before.at(mono_ns)
        if jumped_us > ALARM_US:
            log.warning("database_clock_jumped", by_us=jumped_us)
        if behind_us > ALARM_US and not self._alarmed:
            log.warning("database_clock_behind", by_us=behind_us)
        self._alarmed = behind_us > ALARM_US
