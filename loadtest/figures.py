"""Percentiles and tables. Nearest rank: every figure is one that was measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all values do not exceed.

    Raises:
        ValueError: There are none.
    """
    return percentile_of(Counter(values), percent)


def percentile_of(counts: Mapping[float, int], percent: float) -> float:
    """Likewise for values with how often each was measured."""
    rank = math.ceil(sum(counts.values()) * percent / 100)
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= max(rank, 1):
            return value
    raise ValueError("no values")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with columns that are as wide as they need be: the first to the left, others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [header, ["-" * width for width in widths], *rows]
    )
