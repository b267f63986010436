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

from chenu_server import engine
from chenu_server.command import Moment

log = structlog.get_logger(__name__)

# Beyond this somebody has to look at the clock: NTP alone does not do so.
ALARM_US: Final = 5_000_000


class BatchClock:
    """Written by the writer's thread, read by any. `core_rs/store/src/clock.rs` has the rule."""

    def __init__(self, mono_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.kernel = engine.Clock()
        self._mono_ns = mono_ns
        self.alarmed = False

    def moment(self, clock_us: int, mono_ns: int, last_us: int) -> Moment:
        """
        A batch's time.

        `clock_us` is the database's clock, read at the monotonic `mono_ns`; `last_us` is the time
        of the last batch that recorded anything, in whichever process.
        """
        now_us, behind_us, jumped_us = self.kernel.tell(clock_us, mono_ns, last_us)
        self.alarm(behind_us, jumped_us)
        return Moment(now_us, mono_ns)

    def now_us(self) -> int:
        """What a batch's time would be now. Needs one to have been: the writer's start makes it."""
        now_us = self.kernel.at(self._mono_ns())
        assert now_us is not None, "the writer has not been started"
        return now_us

    def alarm(self, behind_us: int, jumped_us: int) -> None:
        """Warn once for each time that the clock is found wrong."""
        # A jump is over at once, and is told each time; what stays behind would be told with each
        # batch.
        if jumped_us > ALARM_US:
            log.warning("database_clock_jumped", by_us=jumped_us)
        if behind_us > ALARM_US and not self.alarmed:
            log.warning("database_clock_behind", by_us=behind_us)
        self.alarmed = behind_us > ALARM_US
