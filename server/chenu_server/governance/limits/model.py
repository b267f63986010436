"""Provider slots: the only record of how many calls went out. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chenu_server.unit import Key, Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One of a provider's N places in any window. Free when `free_at_us` has come."""

    ledger_number: int
    provider: str
    slot: int
    free_at_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.ledger_number, self.provider, self.slot)


OLDEST_SLOTS: Final = Lookup(Slot, "oldest_of_provider")
"""The `count` slots of a provider that are free first. Key: (ledger_number, provider)."""

LAST_SLOT: Final = Lookup(Slot, "last_of_provider")
"""The slot of a provider with the highest number. Key: (ledger_number, provider)."""

RETIRED_US: Final = 2**62
"""The `free_at_us` of a slot that a lowered limit took away. No lookup finds such a slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLimit:
    """How many calls a provider takes in any window, and how a slot is held."""

    requests: int
    window_us: int
    guard_us: int
    dispatch_within_us: int

    @property
    def held_before_dispatch_us(self) -> int:
        """How long a slot is taken at admission: the latest dispatch, the window, the guard."""
        return self.dispatch_within_us + self.held_after_dispatch_us

    @property
    def held_after_dispatch_us(self) -> int:
        """How long a slot stays taken after its call went out."""
        return self.window_us + self.guard_us
