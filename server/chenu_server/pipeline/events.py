"""What a query's log says. Standard library only.

An event's body is a flat mapping of plain values: stored as JSON, put on the wire by
`convert.py`. Its keys are listed beside each kind, and nowhere is an event built by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chenu_server.values import dataclass
from chenu_server.vocabulary import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `sequence` is 0 for what is live only: deltas and waiting."""

    sequence: int
    kind: EventKind
    time_us: int
    body: Mapping[str, Any]
