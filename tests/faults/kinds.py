"""Every kind of fault, by name."""

from __future__ import annotations

from tests.faults.calls import calls
from tests.faults.counts import counts
from tests.faults.refusals import refusals
from tests.faults.script import Kind
from tests.faults.streams import streams


def all_kinds() -> tuple[Kind, ...]:
    """All of them; no two have a marker in common."""
    kinds = (*refusals(), *streams(), *counts(), *calls())
    markers = [kind.marker for kind in kinds]
    twice = {marker for marker in markers if markers.count(marker) > 1}
    assert not twice, f"two kinds are called alike: {sorted(twice)}"
    return kinds
