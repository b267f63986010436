"""Two runs of the bench side by side, each in terms of what its machine was worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loadtest.figures import table

Figure = tuple[str, float]


def compared(before: Iterable[Figure], after: Iterable[Figure]) -> str:
    """A table of ratios: below 1 is cheaper or sooner. Of what both runs have measured."""
    then = dict(before)
    rows = [
        (name, f"{then[name]:.4f}", f"{now:.4f}", f"{now / then[name]:.3f}")
        for name, now in after
        if name in then
    ]
    return table(("in spins of the server's core", "before", "after", "ratio"), rows)


def in_spins(found: Mapping[str, Any]) -> Iterator[Figure]:
    """What a run of the whole gateway has found, in terms of what its machine was worth."""
    for part in ("unary", "stream"):
        if part in found:
            yield f"CPU of one, {part}", found[part]["cpu_us"] / found[part]["spin_us"]
    if latency := found.get("latency_us"):
        for name in ("added", "first piece"):
            for percent, us in latency[name].items():
                yield f"{name} {percent}", us / latency["spin_us"]
