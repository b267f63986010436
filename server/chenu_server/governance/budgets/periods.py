"""When a budget's periods begin, in UTC: as the kernel decides it."""

from __future__ import annotations

from chenu_server import engine
from chenu_server.vocabulary import Period


def period_start_us(period: Period, now_us: int) -> int:
    """The start of the period that holds `now_us`; 0 for `total`, which never starts again."""
    return engine.period_start(period, now_us)


def starts_at(now_us: int) -> dict[Period, int]:
    """The start of each period that holds `now_us`."""
    return {period: period_start_us(period, now_us) for period in Period}
