"""Provider slots: the only record of how many calls went out. Standard library only."""

from __future__ import annotations

from typing import Final

from chenu_server.command import Key
from chenu_server.values import dataclass


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

    @property
    def held_until_us(self) -> int:
        """Until when its provider takes no call, if this row says so; else 0."""
        return max(-self.free_at_us, 0)


HOLD_SLOT: Final = 2**31 - 1
"""The number of a row that is no slot: while it is in force, none of its provider's is given out.

Its `free_at_us` is its end, negated: the lookup of the oldest slots so finds it first, and who asks
for a slot pays nothing for looking.
"""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLimit:
    """How much an identity may bring: new work in windows, other calls by rate. 0 is off.

    `keys_max` is how many identities are counted at a time.
    """

    requests: int
    window_us: int
    burst: int
    burst_window_us: int
    block_us: int
    calls_per_s: int
    calls_burst: int
    keys_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityState:
    """What an identity has brought to this process. `blocked_until_us` is 0 if it may go on."""

    identity_id: str
    used: int
    burst_used: int
    blocked_until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """How much room a provider has. `next_free_us` is 0 while a slot can be taken."""

    provider: str
    limit: ProviderLimit
    in_use: int
    next_free_us: int
    waiting: int

    @property
    def free(self) -> int:
        """How many slots could be taken now."""
        return 0 if self.next_free_us else max(self.limit.requests - self.in_use, 0)
