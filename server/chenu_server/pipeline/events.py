"""What a query's log says. No library but the engine.

An event's body is a flat mapping of plain values: stored as JSON, put on the wire by
`convert.py`. Its keys are listed beside each kind, and nowhere is an event built by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chenu_server.engine import Unread
from chenu_server.values import dataclass, read_late
from chenu_server.vocabulary import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `sequence` is 0 for what is live only: deltas and waiting.

    A `body` that is given as an `Unread` is read when somebody first asks for it: of what is
    committed nobody does, unless a reader follows the query.
    """

    sequence: int
    kind: EventKind
    time_us: int
    body: Mapping[str, Any]


read_late(Event, "body", Unread)
