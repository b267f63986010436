"""Figures that are published must be right."""

from __future__ import annotations

import pytest

from loadtest.figures import percentile, percentile_of, table


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 15), (30, 20), (40, 20), (50, 35), (99, 50), (100, 50)]
)
def test_a_percentile_is_a_measured_value(percent: float, expected: float) -> None:
    """Nearest rank, as in the textbook's example."""
    assert expected == percentile([50, 15, 40, 20, 35], percent)


def test_a_value_counts_as_often_as_it_was_measured() -> None:
    """A histogram and its list agree."""
    values = [5.0] * 98 + [70.0, 90.0]

    assert (5.0, 70.0, 90.0) == tuple(percentile(values, at) for at in (98, 99, 100))
    assert 70.0 == percentile_of({5.0: 98, 90.0: 1, 70.0: 1}, 99)


def test_nothing_measured_has_no_percentile() -> None:
    """Zero would look like a very good result."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_table_lines_up() -> None:
    """Names to the left, figures to the right."""
    expected = "name    ms\n----  ----\na        1\nbcd   12.5"

    assert expected == table(("name", "ms"), [("a", "1"), ("bcd", "12.5")])
