"""What the limits feature needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class SlotUse(NamedTuple):
    """How many slots of a provider are taken, and when the first of them frees.

    Until `held_until_us` none is given out, taken or not; 0 if nothing holds them back.
    """

    in_use: int
    next_free_us: int
    held_until_us: int = 0


class SlotReader(Protocol):
    """Provider slots as they are stored."""

    async def use(self, now_us: int) -> Mapping[str, SlotUse]:
        """By provider; one of which no slot is taken may be left out."""
        ...

    async def free_times(self, provider: str, count: int) -> tuple[int, ...]:
        """When the first `count` slots of a provider are free, ascending; fewer if it has fewer."""
        ...


class ArrivalHistory(Protocol):
    """New work as it was stored."""

    async def arrivals_since(self, since_us: int) -> Sequence[tuple[str, int]]:
        """Identity and arrival time of the queries of the last while, oldest first."""
        ...


class Waiting(Protocol):
    """Who waits in this process."""

    def waiting(self, provider: str) -> int:
        """How many calls wait for one of the provider's slots."""
        ...
