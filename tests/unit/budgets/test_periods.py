"""Where a period begins, in UTC."""

from __future__ import annotations

import pytest

from chenu_server.governance.budgets.periods import period_start_us
from chenu_server.vocabulary import Period
from tests.unit.budgets.samples import at


@pytest.mark.parametrize(
    ("period", "now", "start"),
    [
        (Period.DAILY, "2026-11-18T23:59:59", "2026-11-18T00:00:00"),
        (Period.DAILY, "2026-11-19T00:00:00", "2026-11-19T00:00:00"),
        (Period.WEEKLY, "2026-11-22T23:59:59", "2026-11-16T00:00:00"),
        (Period.WEEKLY, "2026-11-23T00:00:00", "2026-11-23T00:00:00"),
        (Period.WEEKLY, "2027-01-01T09:00:00", "2026-12-28T00:00:00"),
        (Period.MONTHLY, "2026-11-30T23:59:59", "2026-11-01T00:00:00"),
        (Period.MONTHLY, "2028-02-29T12:00:00", "2028-02-01T00:00:00"),
        (Period.TOTAL, "2026-11-18T12:00:00", "1970-01-01T00:00:00"),
    ],
)
def test_a_period_starts_on_the_utc_calendar(period: Period, now: str, start: str) -> None:
    """A week begins on Monday, also across a new year; `total` never starts again."""
    assert at(start) == period_start_us(period, at(now))


def test_the_last_microsecond_belongs_to_the_day_that_ends() -> None:
    """A query one microsecond before midnight still spends that day's money."""
    midnight = at("2026-11-19T00:00:00")

    assert at("2026-11-18T00:00:00") == period_start_us(Period.DAILY, midnight - 1)
