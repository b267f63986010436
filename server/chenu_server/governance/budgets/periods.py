"""When a budget's periods begin, in UTC. Standard library only."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

from chenu_server.vocabulary import Period

DAY_US: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY: Final = date(1970, 1, 1).weekday()


def period_start_us(period: Period, now_us: int) -> int:
    """The start of the period that holds `now_us`; 0 for `total`, which never starts again."""
    return starts_of_day(now_us // DAY_US)[period]


@lru_cache(maxsize=8)
def starts_of_day(day: int) -> dict[Period, int]:
    """Each period's start for a day counted from 1970-01-01. Not to be changed: it is cached."""
    first_of_month = date.fromordinal(_EPOCH_DAY + day).replace(day=1).toordinal() - _EPOCH_DAY
    monday = day - (day + _EPOCH_WEEKDAY) % 7
    return {
        Period.DAILY: day * DAY_US,
        Period.WEEKLY: monday * DAY_US,
        Period.MONTHLY: first_of_month * DAY_US,
        Period.TOTAL: 0,
    }
