"""What the limits feature needs."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, Protocol

from chenu_server.governance.limits.model import IdentityLimit, IdentityState


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


class Counted(Protocol):
    """What became of an arrival that all processes count: as the engine's `Arrival`."""

    @property
    def verdict(self) -> str:
        """Admitted, limited or blocked."""
        ...

    @property
    def retry_after_us(self) -> int:
        """After this long the same call is admitted if nobody came in between."""
        ...

    @property
    def arrived_us(self) -> int:
        """By which it is given back."""
        ...

    @property
    def used(self) -> int:
        """Of the longer window, with it if it was admitted."""
        ...


class Used(Protocol):
    """What an identity has used at all processes together."""

    @property
    def identity_id(self) -> str:
        """Whose."""
        ...

    @property
    def used(self) -> int:
        """Of the longer window."""
        ...

    @property
    def burst_used(self) -> int:
        """Of the shorter one."""
        ...

    @property
    def blocked_until_us(self) -> int:
        """0 if it may go on."""
        ...


class SharedWindows(Protocol):
    """Windows that several processes share."""

    def arrive(self, identity_id: str) -> Awaitable[Counted]:
        """
        Count a call, if there is room for it, from now on.

        Raises:
            GovernanceUnavailable, ServerOverloaded: Also when it is awaited; it cannot be counted.
        """
        ...

    def give_back(self, identity_id: str, arrived_us: int) -> None:
        """Uncount a call."""
        ...

    async def state(self, identity_id: str) -> Used:
        """What an identity has used."""
        ...

    async def blocked(self) -> Sequence[Used]:
        """Who is blocked now, by id."""
        ...


class NewWork(Protocol):
    """Counts new work per identity, at this process or at all of them."""

    @property
    def limit(self) -> IdentityLimit:
        """How much an identity may bring."""
        ...

    async def state(self, identity_id: str) -> IdentityState:
        """What the identity has used of its limit."""
        ...

    async def blocked(self) -> Sequence[IdentityState]:
        """The identities that are blocked now, by id."""
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
