"""What the audit feature needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn, Protocol

from chenu_server.caller import Caller
from chenu_server.governance.audit.model import Filters, Head, Sealed


class LedgerReader(Protocol):
    """Reads one ledger. Entries are only ever added, each with the head that counts it."""

    async def page(
        self, identity_id: str | None, filters: Filters, after: int, count: int
    ) -> Sequence[Sealed]:
        """At most `count` entries behind a sequence, in order; None stands for all identities."""
        ...

    async def get(self, identity_id: str | None, entry_id: str) -> Sealed | None:
        """One entry of the identity; None stands for any."""
        ...

    async def head(self) -> Head | None:
        """The head and the highest stored sequence, in one snapshot; None before any entry."""
        ...

    async def chunk(self, after: int, last: int, count: int) -> Sequence[Sealed]:
        """At most `count` entries behind `after`, none behind `last`, in order."""
        ...


class Boundary(Protocol):
    """Answers for ids that are not inside the caller's identity."""

    async def refuse(self, caller: Caller, *, kind: str, id: str) -> NoReturn:
        """Record the violation and raise `IdentityBoundaryViolation`."""
        ...
