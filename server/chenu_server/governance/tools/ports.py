"""What proposed tool calls need from the kernel, from storage and from the boundary."""

from __future__ import annotations

from typing import NoReturn, Protocol

from chenu_server.caller import Caller
from chenu_server.governance.tools.model import Standing


class ToolCallReader(Protocol):
    """Proposed calls as they are stored, read outside any command."""

    async def get(self, identity_id: str, call_id: str) -> Standing | None:
        """One call of an identity, or None."""
        ...

    async def arguments(self, identity_id: str, call_id: str) -> str | None:
        """Its arguments, byte for byte; None once they are no longer stored."""
        ...


class Gate(Protocol):
    """Decides; see `operations.tool_calls`."""

    async def take(self, caller: Caller, found: Standing, arguments: str, key_id: str) -> Standing:
        """
        The call with the time and the key of its release, which it has from the first take on.

        Raises:
            CheckpointPending: A person has not decided yet.
            CheckpointRejected, CheckpointExpired, CheckpointLimit, PolicyDenied,
                ToolCallCancelled: It cannot be taken.
            ReleaseExpired: It was taken, and that is over.
            RequestIdConflict: It is another principal's.
            GovernanceUnavailable: It cannot be recorded; nothing of it happened.
        """
        ...

    async def redeem(self, caller: Caller, found: Standing, arguments: str) -> Standing:
        """
        The call, whose release is used up by this.

        Raises:
            ReleaseUsed: It was used up before.
            PolicyDenied: The policies of now would not let it go; it is not used up.
            ReleaseExpired: Its time is over.
            ReleaseInvalid: Nobody has taken the call.
            GovernanceUnavailable: It cannot be recorded; nothing of it happened.
        """
        ...


class Boundary(Protocol):
    """Refuses and records what reaches outside its identity."""

    async def refuse(self, caller: Caller, *, kind: str, id: str) -> NoReturn:
        """
        Record a `cross_identity_access` and refuse it.

        Raises:
            IdentityBoundaryViolation: Always.
        """
        ...
