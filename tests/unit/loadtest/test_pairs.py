"""The interval of a comparison: by ranks, so that one bad round of a busy machine moves nothing."""

from __future__ import annotations

import pytest

from loadtest.bench.pairs import interval


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(1, 1, 1), (5, 1, 5), (20, 6, 15), (24, 8, 17), (100, 42, 59)],
)
def test_the_interval_is_that_of_the_sign_test(count: int, low: int, high: int) -> None:
    """Published ranks for nine in ten; with few values, all of them."""
    values = [float(number) for number in range(count, 0, -1)]

    assert (low, high) == interval(values)


def test_one_value_far_off_moves_nothing() -> None:
    """Another program ran meanwhile."""
    values = [1.0 + number / 100 for number in range(23)]

    assert interval([*values, 1.5]) == interval([*values, 50.0])
