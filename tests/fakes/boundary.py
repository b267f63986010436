"""`Boundary` that remembers what it refused."""

from __future__ import annotations

from typing import NoReturn

from chenu_server.caller import Caller
from chenu_server.errors import IdentityBoundaryViolation


class FakeBoundary:
    """Refuses like the real one and keeps (identity, kind, id)."""

    def __init__(self) -> None:
        self.refused: list[tuple[str, str, str]] = []

    async def refuse(self, caller: Caller, *, kind: str, id: str) -> NoReturn:
        """Remember and raise."""
        self.refused.append((caller.identity_id, kind, id))
        raise IdentityBoundaryViolation(f"violation-{len(self.refused)}")
