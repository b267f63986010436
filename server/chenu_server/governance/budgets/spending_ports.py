"""What services' own spending needs from the kernel, from storage and from the limits."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from chenu_server.caller import Caller
from chenu_server.governance.budgets.spending_model import ReserveAsk, Spending
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation as `Reserve` left or found it; `is_new` says which."""

    spending: Spending
    is_new: bool


class Spender(Protocol):
    """Decides; see `operations.spending`."""

    async def reserve(self, caller: Caller, asked: ReserveAsk) -> Reserved:
        """
        Held, waiting or ended.

        Raises:
            RequestIdConflict: The id was used for something else.
            CheckpointLimit: As many checkpoints wait as may.
            GovernanceUnavailable: It cannot be recorded; nothing of it happened.
        """
        ...

    async def post(self, caller: Caller, request_id: str, amount_nanousd: int) -> Spending | None:
        """
        Posted, or as it stands where that cannot be; None if the identity has no such id.

        Raises:
            RequestIdConflict: It is a query's, or another principal's.
            GovernanceUnavailable: It cannot be recorded; nothing of it happened.
        """
        ...

    async def void(self, caller: Caller, request_id: str, reason: str) -> Spending | None:
        """
        Voided, or as it stands where it has ended; None if the identity has no such id.

        Raises:
            RequestIdConflict: It is a query's, or another principal's.
            GovernanceUnavailable: It cannot be recorded; nothing of it happened.
        """
        ...


class SpendingReader(Protocol):
    """Reservations as they are stored."""

    async def get(self, identity_id: str, request_id: str) -> Spending | None:
        """One reservation of the identity, or None."""
        ...

    async def asked(self, identity_id: str, request_id: str) -> ReserveAsk:
        """What a reservation that there is was asked for."""
        ...


class NewWork(Protocol):
    """Counts new work per identity; refuses by raising."""

    def arrive(self, identity_id: str) -> int:
        """
        Count one call here; the token to give it back.

        Raises:
            RateLimited, IdentityBlocked: It is too much.
        """
        ...

    def counting(self, identity_id: str, token: int) -> Awaitable[int]:
        """
        Count it at every process that shares the limit; awaited, the token from then on.

        Raises:
            RateLimited, IdentityBlocked: It is too much, over all of them.
            GovernanceUnavailable, ServerOverloaded: They cannot be asked now.
        """
        ...

    def give_back(self, identity_id: str, token: int) -> None:
        """Uncount a call whose id proved known."""
        ...
