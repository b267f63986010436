"""Two runs of the bench side by side, each in terms of what its machine was worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loadtest.figures import table


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """A table of ratios: below 1 is cheaper or sooner. Of what both runs have measured."""
    rows = [
        (name, f"{then:.4f}", f"{now:.4f}", f"{now / then:.3f}")
        for name, then in _in_spins(before)
        for other, now in _in_spins(after)
        if name == other
    ]
    return table(("in spins of the server's core", "before", "after", "ratio"), rows)


def _in_spins(found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for part in ("unary", "stream"):
        if part in found:
            yield f"CPU of one, {part}", found[part]["cpu_us"] / found[part]["spin_us"]
    if latency := found.get("latency_us"):
        for name in ("added", "first piece"):
            for percent, us in latency[name].items():
                yield f"{name} {percent}", us / latency["spin_us"]
