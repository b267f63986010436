"""What the transport asks of identity, and what identity needs."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NoReturn, Protocol

from chenu_server.caller import Caller
from chenu_server.governance.identity.model import VerifiedToken, Violation
from chenu_server.values import dataclass
from chenu_server.vocabulary import ViolationType


class TokenVerifier(Protocol):
    """Says what a token says, if it verifies."""

    def verify(self, token: str) -> VerifiedToken:
        """
        What the token says.

        Raises:
            TokenInvalid: It does not verify; which check failed is for the log alone.
            TokenExpired: It did, but its time is over.
        """
        ...


class Boundary(Protocol):
    """Refuses and records what reaches outside its identity."""

    async def refuse(
        self,
        caller: Caller,
        *,
        kind: str,
        id: str,
        type: ViolationType = ViolationType.CROSS_IDENTITY_ACCESS,
    ) -> NoReturn:
        """
        Record the violation, then refuse the call.

        Raises:
            IdentityBoundaryViolation: It is recorded.
            GovernanceUnavailable: It could not be.
        """
        ...


class Arrivals(Protocol):
    """Counts what an identity does against its limit on new work."""

    def arrive(self, identity_id: str) -> int:
        """
        Count one arrival here.

        Raises:
            RateLimited: It broke the limit, so the identity is blocked now.
            IdentityBlocked: It was blocked before.
        """
        ...

    def counting(self, identity_id: str, token: int) -> Awaitable[int]:
        """
        Begin to count it at every process that shares the limit.

        Raises:
            RateLimited, IdentityBlocked: When it is awaited; as `arrive`.
            GovernanceUnavailable, ServerOverloaded: Likewise: they cannot be asked now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationFilter:
    """Which violations a page shows. No `source_identity`: those of all identities."""

    source_identity: str | None
    before: tuple[int, str] | None
    count: int


class ViolationStore(Protocol):
    """Recorded violations, read outside any command."""

    async def page(self, wanted: ViolationFilter) -> Sequence[Violation]:
        """Newest first, then by id; only those after `before` in that order."""
        ...
